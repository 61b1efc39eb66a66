// How far a choice is from one at random: the prior term of a discrete VAE.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../errors.js';
import {customGradient} from './custom-gradient.js';
import {softmaxGradient} from './softmax-gradient.js';

/** Below this the logarithm of a probability stays where it is; p log p is then 0 to float32's last bit. */
const SMALLEST = 1e-30;

/**
 * The Kullback-Leibler divergence of softmax(logits) from the uniform distribution, in nats: ln numCategories + sum of p ln p over the
 * last axis, from 0 to ln numCategories.
 *
 * @param logits float32 [..., numCategories]. -Infinity masks a category, whose gradient is 0.
 * @returns float32 [...], differentiable, owned by the caller.
 * @throws ValueError for logits without a category.
 */
export function klToUniform(logits: tf.Tensor): tf.Tensor {
  const numCategories = logits.shape[logits.rank - 1];
  if (!numCategories) {
    throw new ValueError(
      `klToUniform: logits must have shape [..., numCategories] with at least one category, but got ${show(logits.shape)}.`,
    );
  }
  return customGradient(logits, (theta, save) => {
    const probs = tf.softmax(theta);
    const logProbs = tf.log(tf.maximum(probs, SMALLEST));
    save([probs, logProbs]);
    return {
      value: tf.add(tf.sum(tf.mul(probs, logProbs), -1), Math.log(numCategories)),
      // d/dp (p ln p) = ln p + 1, and the softmax's Jacobian is blind to the 1.
      gradient: (dy, [p, logP]) => tf.mul(softmaxGradient(p!, logP!), tf.expandDims(dy, -1)),
    };
  });
}
