// How well a network classifies: with a cell of the search, by shared weights, or as the plain network that is left of it.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type {LabelledImages} from '../data/labelled-images.js';
import type {SearchImages} from '../data/search-images.js';
import {makeBatch, type SearchData} from './data.js';
import type {SearchNetwork} from './network.js';
import {VALIDATION} from './presets.js';
import type {Batch} from './steps.js';

/** What a measurement found. */
export interface Evaluation {
  /** Share of the images classified right. */
  accuracy: number;
  /** Standard error of the accuracy. */
  error: number;
  /** Mean cross-entropy in nats. */
  loss: number;
  count: number;
}

/** Images that a plain network takes at once. */
const BATCH = 250;

/**
 * A cell with the shared weights, on images of the half that the choices learn from, as they are: in batches of the search's size, by the
 * statistics of each batch, since the moving ones are those of all cells mixed. They follow, as in training.
 */
export function evaluateCell(
  network: SearchNetwork,
  choices: readonly number[],
  {halves, train, statistics}: SearchData,
  batchSize: number,
): Promise<Evaluation> {
  // Whole batches: the statistics of a few images are others.
  const count = Math.max(batchSize, batchSize * Math.floor(Math.min(VALIDATION, halves.choices.length) / batchSize));
  const rows = halves.choices.subarray(0, count);
  return measure(train, rows, {statistics, batchSize}, images => network.classify(images, choices));
}

/** The plain network in inference, on images that no half has. */
export function evaluateModel(model: tfl.LayersModel, {test, statistics}: SearchImages): Promise<Evaluation> {
  const rows = Uint32Array.from({length: test.count}, (_, row) => row);
  return measure(test, rows, {statistics, batchSize: BATCH}, images => model.apply(images) as tf.Tensor2D);
}

/**
 * Brings the moving statistics from those of all cells to those of one, by the images that the weights learned from: the plain network has no
 * others.
 */
export async function settleStatistics(
  network: SearchNetwork,
  choices: readonly number[],
  {halves, train, statistics}: SearchData,
  batchSize: number,
): Promise<void> {
  await measure(train, halves.weights.subarray(0, SETTLING * batchSize), {statistics, batchSize}, images =>
    network.classify(images, choices),
  );
}

/** So many batches; of what there was 0.5 % is left. */
const SETTLING = 50;

async function measure(
  images: LabelledImages,
  rows: Uint32Array,
  {statistics, batchSize}: Pick<SearchImages, 'statistics'> & {batchSize: number},
  classify: (images: tf.Tensor4D) => tf.Tensor2D,
): Promise<Evaluation> {
  let [correct, loss] = [0, 0];
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    await setImmediate();
    const batch = makeBatch(images, rows.subarray(begin, begin + batchSize), {statistics});
    const [right, nats] = await scores(batch, classify);
    correct += right;
    loss += nats;
  }
  const count = rows.length;
  const accuracy = correct / count;
  return {accuracy, error: Math.sqrt((accuracy * (1 - accuracy)) / count), loss: loss / count, count};
}

/** How many are right, and the sum of the losses. */
async function scores(
  {images, shape, labels}: Batch,
  classify: (images: tf.Tensor4D) => tf.Tensor2D,
): Promise<[correct: number, loss: number]> {
  const sums = tf.tidy(() => {
    const logits = classify(tf.tensor4d(images, shape));
    const wanted = tf.tensor1d(labels, 'int32');
    const oneHot = tf.cast(tf.oneHot(wanted, logits.shape[1]), 'float32');
    const right = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), wanted), 'float32'));
    return tf.stack([right, tf.neg(tf.sum(tf.mul(oneHot, tf.logSoftmax(logits))))]);
  });
  const values = (await sums.data()) as unknown as [number, number];
  sums.dispose();
  return [values[0], values[1]];
}

/** In words; training and --evaluate print the same line. */
export function describeEvaluation({accuracy, error, loss, count}: Evaluation): string {
  return (
    `test accuracy ${(100 * accuracy).toFixed(2)} % +- ${(100 * error).toFixed(2)}, loss ${loss.toFixed(3)} nats ` +
    `(the plain network, with the weights of the search; ${count.toLocaleString('en-US')} held-out images)`
  );
}
