// The toy problem of Paulus, Maddison and Krause 2021, https://arxiv.org/abs/2010.04838, section 5: a quadratic program on the simplex,
// written as an expectation over one categorical of three categories.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from 'tfjs-moe/node';

/** How many categories. */
export const SIZE = 3;
/** Every entry of c. */
export const CENTRE = 1 / 3;
/** Q_ij = exp(-2 |i - j|). */
export const Q: readonly (readonly number[])[] = [0, 1, 2].map(i => [0, 1, 2].map(j => Math.exp(-2 * Math.abs(i - j))));

/** The expectation of the objective is divided by this at some places of the simplex; nearer to 0 it is refused. */
const SMALLEST_MOMENT = 1e-3;

/**
 * f(D, p) = (D - c)' A(p) (D - c), a row at a time.
 *
 * A_ij = Q_ij (p_i - c)(p_j - c) / E[(D_i - c)(D_j - c)]: of the rescalings of Q entry by entry it is the one with E f = (p - c)' Q (p - c),
 * the program that is to be solved. It was derived from that demand, the paper's own matrix was not at hand. Its derivative with respect
 * to p belongs to the gradient, is the same for every estimator and has no bias; what the estimators differ in is the derivative with respect to D.
 *
 * @param sample [rows, 3], D.
 * @param probs [rows, 3], p.
 * @returns [rows].
 */
export function objective(sample: tf.Tensor, probs: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => {
    const identity = tf.eye(SIZE);
    const [column, row] = [tf.reshape(probs, [-1, SIZE, 1]), tf.reshape(probs, [-1, 1, SIZE])];
    const moment = tf.add(tf.sub(tf.mul(identity, column), tf.mul(CENTRE, tf.add(column, row))), CENTRE ** 2);
    const matrix = tf.div(tf.mul(tf.tensor2d(Q.map(line => [...line])), outer(tf.sub(probs, CENTRE))), moment);
    return tf.sum(tf.mul(matrix, outer(tf.sub(sample, CENTRE))), [1, 2]);
  });
}

/** x x', a row at a time. */
function outer(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.reshape(x, [-1, SIZE, 1]), tf.reshape(x, [-1, 1, SIZE]));
}

/** softmax in float64. */
export function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const weights = logits.map(logit => Math.exp(logit - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map(weight => weight / total);
}

/** E f = (p - c)' Q (p - c). */
export function expectedObjective(probs: readonly number[]): number {
  return probs.reduce((sum, p, i) => sum + (p - CENTRE) * slope(probs, i), 0);
}

/** d E f / d logits = 2 J(p) Q (p - c), with J(p) = diag(p) - p p'. */
export function trueGradient(probs: readonly number[]): number[] {
  const slopes = probs.map((_, i) => 2 * slope(probs, i));
  const mean = probs.reduce((sum, p, i) => sum + p * slopes[i]!, 0);
  return probs.map((p, i) => p * (slopes[i]! - mean));
}

/** Entry i of Q (p - c). */
function slope(probs: readonly number[], i: number): number {
  return probs.reduce((sum, p, j) => sum + Q[i]![j]! * (p - CENTRE), 0);
}

/** Refuses logits at which A(p) has a pole: where p_i + p_j = 1/3, which is where the third category has 2/3. */
export function checkLogits(logits: readonly number[]): void {
  const probs = softmax(logits);
  const k = probs.findIndex(p => Math.abs(p - (1 - CENTRE)) < SMALLEST_MOMENT / CENTRE);
  if (k === -1) return;
  throw new ValueError(
    `--logits: category ${k} must not have the probability 2/3, where the objective has a pole, but it has ${probs[k]!.toFixed(4)}.`,
  );
}
