// The draws that estimators start from: a plain categorical one, and one that keeps its Gumbel noise.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {relativeLogits} from '../ops/relative-logits.js';
import {toFloat} from '../ops/to-float.js';
import {topKMask} from '../ops/top-k-mask.js';
import {categorical, noChoice} from '../random/categorical.js';
import {conditionalGumbel} from '../random/conditional-gumbel.js';
import {gumbelNoise} from '../random/gumbel.js';
import type {ResolvedOptions} from './resolve-options.js';

/** softmax(logits / temperature). Not differentiable. */
export function softmaxAt(temperature: number, logits: tf.Tensor): tf.Tensor {
  return tf.softmax(relativeLogits(logits, temperature));
}

/** A one-hot of softmax(logits), or a copy of the given one. Not differentiable. */
export function drawOneHot(owner: string, probs: tf.Tensor, {random, given}: ResolvedOptions): tf.Tensor {
  return given === undefined ? categorical(owner, probs, random) : takeGiven(owner, given);
}

/** A copy of the given sample. That it is one-hot is checked where it can be read at once. */
function takeGiven(owner: string, given: tf.Tensor): tf.Tensor {
  const numCategories = given.shape[given.rank - 1]!;
  const values = isOnHost() ? hostRead(given) : [];
  for (let start = 0; start < values.length; start += numCategories) {
    const row = Array.from(values.slice(start, start + numCategories));
    if (row.some(v => v !== 0 && v !== 1) || row.reduce((sum, v) => sum + v, 0) !== 1) {
      throw new ValueError(
        `${owner}: given must hold a single 1 and zeros in each row, but row ${start / numCategories} is ${show(row)}.`,
      );
    }
  }
  return toFloat(tf.clone(given));
}

/**
 * Gumbel-max: the one-hot of the largest perturbed logit, with the perturbed logits. Where a sample is given, the noise is drawn on
 * condition that it wins. Not differentiable.
 */
export function drawPerturbed(
  owner: string,
  logits: tf.Tensor,
  {random, given}: ResolvedOptions,
): {hard: tf.Tensor; perturbed: tf.Tensor} {
  const noise = gumbelNoise(logits.shape, random);
  const relative = relativeLogits(logits);
  if (given !== undefined) {
    const hard = takeGiven(owner, given);
    return {hard, perturbed: conditionalGumbel(relative, hard, noise)};
  }
  const perturbed = tf.add(relative, noise);
  const hard = topKMask(perturbed, 1, row => {
    throw new ValueError(noChoice(owner, row));
  });
  return {hard, perturbed};
}
