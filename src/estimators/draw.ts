// The draws that estimators start from: a plain categorical one, and one that keeps its Gumbel noise.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {topKMask} from '../ops/top-k-mask.js';
import {categorical, noChoice} from '../random/categorical.js';
import {conditionalGumbel} from '../random/conditional-gumbel.js';
import {gumbelNoise} from '../random/gumbel.js';
import type {ResolvedOptions} from './resolve-options.js';

/** A one-hot of softmax(logits), or a copy of the given one. Not differentiable. */
export function drawOneHot(owner: string, probs: tf.Tensor, {random, given}: ResolvedOptions): tf.Tensor {
  return given === undefined ? categorical(owner, probs, random) : tf.cast(tf.clone(given), 'float32');
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
  if (given !== undefined) {
    const hard = tf.cast(tf.clone(given), 'float32');
    return {hard, perturbed: conditionalGumbel(logits, hard, noise)};
  }
  const perturbed = tf.add(logits, noise);
  const hard = topKMask(perturbed, 1, row => {
    throw new ValueError(noChoice(owner, row));
  });
  return {hard, perturbed};
}
