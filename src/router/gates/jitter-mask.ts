// The mask of SparseMixer: which experts could be the best one if each score were off by a small factor.
// Liu, Gao and Chen 2023, "Sparse Backpropagation for MoE Training", https://arxiv.org/abs/2310.00811, in the form of its code.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * Sets scores to -Infinity that are too far below the best one of their row: z_i is kept where max - z_i <= 2 jitter max(|z_i|, max).
 *
 * The largest score is always kept, and equality keeps. Scaling a row by a positive factor changes nothing, and adding a constant to it
 * does: where the largest score is positive and `jitter` below a half, no negative score is kept. Not differentiable: call it inside
 * `noGradient` or a custom gradient.
 *
 * @param scores float32 [tokens, experts]. A score of -Infinity stays.
 * @param jitter Dimensionless, at least 0; 0 keeps the largest score and its equals alone.
 * @returns float32 [tokens, experts], owned by the caller.
 * @example
 * jitterMask(tf.tensor2d([[2, 1.9, 1.5]]), 0.1); // => [[2, 1.9, -Infinity]]
 */
export function jitterMask(scores: tf.Tensor2D, jitter: number): tf.Tensor2D {
  return tf.tidy(() => {
    const best = tf.max(scores, 1, true);
    // Compared as a product: the quotient of the papers is 0/0 for a row of zeros.
    const bound = tf.mul(2 * jitter, tf.maximum(tf.abs(scores), best));
    return tf.where(tf.greater(tf.sub(best, scores), bound), tf.fill(scores.shape, Number.NEGATIVE_INFINITY), scores);
  });
}
