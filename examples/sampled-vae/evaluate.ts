// How well a network codes images that it was not trained on.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {type ImageSet, PIXELS} from '../data/image-files.js';
import {pixelRows} from '../data/pixel-rows.js';
import {spreadRows} from '../shared/rows.js';
import {codeUnits, drawCodes} from './code.js';
import {codeConstant, type Vae} from './model.js';

/** What evaluation found, in nats an image. */
export interface Evaluation {
  /** -ELBO, the mean over the draws. */
  negativeElbo: number;
  /** The importance-weighted bound on -log p(x) of all the draws together (Burda et al. 2016); at one draw it is -ELBO. */
  negativeBound: number;
  numSamples: number;
  count: number;
}

/** How to evaluate. */
export interface EvaluationOptions {
  /** Whether the bytes of the images are 0 and 1. */
  isBinary: boolean;
  /** Codes drawn for each image. */
  numSamples: number;
  /** So many of the images, evenly apart. Default: all. */
  count?: number | undefined;
}

/** Codes that go through the decoder at once: some 8 MB an array of their pixels. */
const CODES_AT_ONCE = 2500;
/** The binary images and the noise of the codes are the same for each evaluation of the same images with as many draws. */
const DRAWS = 2022;

/** Runs the network over images, binarised once, with a few draws of the code for each. */
export async function evaluate(
  vae: Vae,
  images: ImageSet,
  {isBinary, numSamples, count = images.count}: EvaluationOptions,
): Promise<Evaluation> {
  const batch = Math.max(1, Math.floor(CODES_AT_ONCE / numSamples));
  const chosen = spreadRows(count, images.count);
  let [elbo, bound] = [0, 0];
  for (let begin = 0; begin < count; begin += batch) {
    await setImmediate();
    const rows = chosen.subarray(begin, begin + batch);
    const pixels = pixelRows(images.images, rows, {isBinary, random: seeded(DRAWS).split(0, begin)});
    const x = tf.tensor2d(pixels, [rows.length, PIXELS]);
    const logits = vae.encoder.apply(x) as tf.Tensor2D;
    const codes = await drawCodes(logits, numSamples, seeded(DRAWS).split(1, begin), vae.code);
    const sums = tf.tidy(() => {
      const losses = codeLosses(vae, x, logits, codes);
      const bounds = tf.sub(Math.log(numSamples), tf.logSumExp(tf.neg(losses), 1));
      return tf.stack([tf.sum(tf.mean(losses, 1)), tf.sum(bounds)]);
    });
    const [elboSum, boundSum] = (await sums.data()) as unknown as [number, number];
    tf.dispose([x, logits, codes, sums]);
    elbo += elboSum;
    bound += boundSum;
  }
  return {negativeElbo: elbo / count, negativeBound: bound / count, numSamples, count};
}

/** The objective of model.ts for several codes of each image, [images, samples], without a copy of the image for each. */
function codeLosses(vae: Vae, x: tf.Tensor2D, logits: tf.Tensor2D, codes: tf.Tensor3D): tf.Tensor2D {
  const [images, numSamples] = codes.shape;
  const decoded = vae.decoder.apply(tf.reshape(codes, [-1, codeUnits(vae.code)])) as tf.Tensor2D;
  const normaliser = tf.reshape(tf.sum(tf.softplus(decoded), 1), [images, numSamples]);
  const product = (values: tf.Tensor3D, weights: tf.Tensor2D) =>
    tf.reshape(tf.matMul(values, tf.expandDims(weights, 2)), [images, numSamples]);
  const reconstruction = tf.sub(normaliser, product(tf.reshape(decoded, [images, numSamples, PIXELS]), x));
  const constant = tf.expandDims(codeConstant(logits, vae.code), 1);
  return tf.add(reconstruction, tf.add(product(codes, logits), constant)) as tf.Tensor2D;
}

/** In words; training and --evaluate print the same line. */
export function describeEvaluation({negativeElbo, negativeBound, numSamples, count}: Evaluation): string {
  return (
    `test -ELBO ${negativeElbo.toFixed(2)} nats, bound ${negativeBound.toFixed(2)} with ${numSamples} draws ` +
    `(${count.toLocaleString('en-US')} held-out images)`
  );
}
