// Draws of the gradient at one image's logits, by each estimator.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {getScoreEstimator, type RandomSource} from 'tfjs-moe/estimators';
import {sumBinaryCrossentropy} from 'tfjs-moe/training';
import {pickRows} from '../shared/rows.js';
import {type CodeSize, placeValues} from './codes.js';
import type {SplitDecoder} from './decoder.js';
import {estimatorOf, kindOf, type Variant} from './settings.js';

/** All that is known of an image before an estimator is asked. */
export interface ImageCase {
  size: CodeSize;
  /** [code units]. */
  logits: Float32Array;
  /** [1, pixels]. */
  pixels: tf.Tensor2D;
  /** [codes]: the loss at each. */
  losses: Float32Array;
  /** [codes, code units]: the derivative of the loss at each. */
  lossGradients: Float32Array;
  /** [codes, code units]: the codes themselves. */
  codes: Float32Array;
  /** The numbers of the codes that were drawn, the same for all estimators that take a given sample. */
  drawn: Uint32Array;
}

/**
 * Gradients of a variant, and which rows of them the drawn ones are: an estimator that draws nothing but the code has a row for each code,
 * the others one for each draw.
 */
export interface Estimates {
  /** [rows, code units]. */
  rows: Float32Array;
  /** Whether there is a row for each code, so that the expectation is an exact sum. */
  isEnumerated: boolean;
}

/** Runs an estimator at an image. */
export async function drawEstimates(
  variant: Variant,
  image: ImageCase,
  decoder: SplitDecoder,
  random: RandomSource,
): Promise<Estimates> {
  const isEnumerated = variant.family === 'pathwise' && kindOf(variant) === 'code';
  const rows = tf.tidy(() => {
    if (variant.family === 'score') return scoreRows(variant, image, random);
    if (kindOf(variant) === 'relaxed') return relaxedRows(variant, image, decoder, random);
    return givenRows(variant, image, random, isEnumerated);
  });
  const values = (await rows.data()) as Float32Array;
  rows.dispose();
  return {rows: values, isEnumerated};
}

type Pathwise = Extract<Variant, {family: 'pathwise'}>;

/** At given codes the loss enters through its derivative there. */
function givenRows(variant: Pathwise, image: ImageCase, random: RandomSource, isEnumerated: boolean): tf.Tensor {
  const {codes, lossGradients, drawn, size} = image;
  const width = size.numLatents * size.numCategories;
  const pick = (values: Float32Array) => (isEnumerated ? values : pickRows(values, width, drawn));
  const count = isEnumerated ? codes.length / width : drawn.length;
  const shape: [number, number, number] = [count, size.numLatents, size.numCategories];
  const given = tf.tensor3d(pick(codes), shape);
  const upstream = tf.tensor3d(pick(lossGradients), shape);
  const estimate = estimatorOf(variant);
  return tf.grad(theta => tf.sum(tf.mul(estimate(theta, {given, random}).sample, upstream)))(repeat(image, count));
}

/** Between the codes the decoder itself is asked. */
function relaxedRows(variant: Pathwise, image: ImageCase, decoder: SplitDecoder, random: RandomSource): tf.Tensor {
  const {drawn, size, pixels} = image;
  const estimate = estimatorOf(variant);
  const targets = tf.tile(pixels, [drawn.length, 1]);
  return tf.grad(theta => {
    const {sample} = estimate(theta, {random});
    const codes = tf.reshape(sample, [-1, size.numLatents * size.numCategories]) as tf.Tensor2D;
    const logits = tf.add(tf.matMul(decoder.features(codes), decoder.kernel), decoder.bias);
    return tf.sum(sumBinaryCrossentropy(targets, logits));
  })(repeat(image, drawn.length));
}

/** The score-function family needs the loss alone, which the table has. */
function scoreRows({name}: Extract<Variant, {family: 'score'}>, image: ImageCase, random: RandomSource): tf.Tensor {
  const {drawn, size, losses} = image;
  const table = tf.tensor1d(losses);
  const places = tf.tensor2d(placeValues(size), [size.numLatents * size.numCategories, 1]);
  const objective = (sample: tf.Tensor) => {
    const numbers = tf.matMul(tf.reshape(sample, [drawn.length, -1]) as tf.Tensor2D, places);
    return tf.gather(table, tf.cast(tf.round(tf.reshape(numbers, [-1])), 'int32')) as tf.Tensor1D;
  };
  const estimate = getScoreEstimator(name);
  const rows = tf.grad(theta => estimate(objective, theta, {random}).loss)(repeat(image, drawn.length));
  return tf.mul(rows, drawn.length); // the loss is a mean over the batch
}

function repeat({logits, size}: ImageCase, count: number): tf.Tensor {
  return tf.tile(tf.tensor3d(logits, [1, size.numLatents, size.numCategories]), [count, 1, 1]);
}
