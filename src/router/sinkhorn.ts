// Sinkhorn's balanced matrix (Sinkhorn and Knopp 1967, https://doi.org/10.2140/pjm.1967.21.343; in the log domain as Cuturi 2013,
// https://arxiv.org/abs/1306.0895) and routing by it (S-BASE: Clark et al. 2022, https://arxiv.org/abs/2202.01169).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkPositive, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {gatherWeights} from './gather-weights.js';
import {routerInput} from './router-input.js';
import type {RouterOptions, Routing} from './types.js';

/** Options of `sinkhornAssignment`. */
export interface SinkhornOptions {
  /** How far a column sum may be off 1 / E, as a share of it. Default 1e-4. On GPU backends it is not looked at. */
  tolerance?: number;
  /** The most iterations, and on GPU backends their number. Default 500, on GPU backends 30. */
  maxIterations?: number;
  /** [T], any dtype: 1 or true for real tokens, 0 or false for padding. Default: all are real. */
  mask?: tf.Tensor1D;
}

/** Options of `sinkhornRouting`. */
export interface SinkhornRoutingOptions extends RouterOptions {
  /** As in `sinkhornAssignment`. Default 1e-4. */
  tolerance?: number;
}

const TOLERANCE = 1e-4;
const HOST_ITERATIONS = 500;
const DEVICE_ITERATIONS = 30;

/**
 * The matrix nearest to softmax(logits), in Kullback-Leibler divergence, with equal row and equal column sums: A_te = exp(z_te + f_t + g_e) with row sums 1 / T and column sums 1 / E.
 *
 * Columns and rows are scaled in turns, rows last, so that row sums are right to rounding always, and column sums to the tolerance where the
 * iterations suffice. They do in tens for logits some units apart; logits far apart need more, in number like their range over the
 * tolerance at the worst, and then the balance after `maxIterations` is the result. In logarithms: float64 where tensors are on the
 * host, so that logits of +-1e4 are safe, and float32 elsewhere.
 *
 * @param logits float32 [T, E]. -Infinity keeps a token from an expert. No gradient.
 * @param options.tolerance Share, > 0. Default 1e-4.
 * @param options.maxIterations At least 1. Default 500, on GPU backends 30.
 * @param options.mask [T]. Padding has a zero row, and T counts real tokens alone.
 * @returns float32 [T, E], owned by the caller.
 * @throws ValueError for shapes that do not match, numbers out of range, a real token with NaN, Infinity or no finite logit, and an expert
 *   without any finite logit (on GPU backends the result holds NaN instead).
 * @example
 * sinkhornAssignment(tf.tensor2d([[1, 0], [1, 0]])); // => [[0.25, 0.25], [0.25, 0.25]]
 */
export function sinkhornAssignment(
  logits: tf.Tensor2D,
  {tolerance = TOLERANCE, maxIterations, mask}: SinkhornOptions = {},
): tf.Tensor2D {
  const owner = 'sinkhornAssignment';
  checkPositive(owner, 'tolerance', tolerance);
  if (maxIterations !== undefined) checkCount(owner, 'maxIterations', maxIterations, 1);
  return noGradient(() =>
    tf.tidy(() => {
      const input = routerInput(owner, logits, 1, mask);
      return tf.exp(logSinkhorn(owner, input.logits, {tolerance, maxIterations, mask}));
    }),
  );
}

/**
 * Routes each token in training to the K experts with the largest entries in its row of `sinkhornAssignment(logits)`, which spreads the
 * tokens about evenly, and else to those with the largest logits. No balance loss is needed. The loads are even in the mean of the
 * matrix and not to the token; `baseRouting` is.
 *
 * The balanced matrix decides only. Weights are sigmoid(logits) for one expert a token, and softmax(logits) over all experts for more,
 * as in Megatron-LM.
 *
 * @param logits float32 [T, E]. An expert at -Infinity is never chosen. Differentiable.
 * @param options.topK Experts a token, from 1 to E. Default 1.
 * @param options.training Whether to balance. Default false.
 * @param options.tolerance How far a column sum of the matrix may be off, > 0. Default 1e-4.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, K]; weights float32 [T, K]; probs float32 [T, E] = softmax(logits). Owned by the caller. `random` changes nothing.
 * @throws ValueError for shapes that do not match, for a topK or tolerance out of range, for a real token with NaN, Infinity or fewer than topK finite
 *   logits, and in training for an expert without any finite logit (on GPU backends the weights are NaN instead).
 * @example
 * const {indices} = sinkhornRouting(tf.tensor2d([[3, 0], [1, 0]]), {training: true}); // => [[0], [1]]
 */
export function sinkhornRouting(
  logits: tf.Tensor2D,
  {topK = 1, training = false, tolerance = TOLERANCE, mask}: SinkhornRoutingOptions = {},
): Routing {
  const owner = 'sinkhornRouting';
  checkPositive(owner, 'tolerance', tolerance);
  return tf.tidy(() => {
    const input = routerInput(owner, logits, topK, mask);
    const selection = noGradient(() =>
      training ? logSinkhorn(owner, input.logits, {tolerance, mask}) : tf.clone(input.logits),
    );
    const indices = chooseTopK(selection, topK, mask, input.refuseRow);
    const probs = tf.softmax(input.logits);
    const scores = topK === 1 ? tf.sigmoid(input.logits) : probs;
    const weights = poisonBadRows(gatherWeights(scores, indices), indices, mask);
    return {indices, weights, probs: input.withoutPadding(probs)};
  });
}

/** ln A, [T, E]; -Infinity for padding. The logits of padding must be finite. */
function logSinkhorn(
  owner: string,
  logits: tf.Tensor2D,
  {tolerance, maxIterations, mask}: SinkhornOptions & {tolerance: number},
): tf.Tensor2D {
  if (!isOnHost()) return logSinkhornOnDevice(logits, maxIterations ?? DEVICE_ITERATIONS, mask);
  return logSinkhornOnHost(owner, logits, tolerance, maxIterations ?? HOST_ITERATIONS, mask);
}

/** ln A by loops in float64, until the column sums are right. */
export function logSinkhornOnHost(
  owner: string,
  logits: tf.Tensor2D,
  tolerance: number,
  maxIterations: number,
  mask?: tf.Tensor1D,
): tf.Tensor2D {
  const [numTokens, numExperts] = logits.shape;
  const isReal = mask && hostRead(mask);
  const tokens = Array.from({length: numTokens}, (_, t) => t).filter(t => isReal?.[t] !== 0);
  const z = Float64Array.from(hostRead(logits));
  checkFinite(owner, z, tokens, numExperts);

  const f = new Float64Array(numTokens); // ln of the rows' factors
  const g = new Float64Array(numExperts); // ln of the columns' factors
  const scaleRows = (): number => {
    let change = 0;
    for (const t of tokens) {
      const start = t * numExperts;
      let largest = Number.NEGATIVE_INFINITY;
      for (let e = 0; e < numExperts; ++e) largest = Math.max(largest, z[start + e]! + g[e]!);
      let sum = 0;
      for (let e = 0; e < numExperts; ++e) sum += Math.exp(z[start + e]! + g[e]! - largest);
      const factor = -Math.log(tokens.length) - largest - Math.log(sum);
      change = Math.max(change, Math.abs(factor - f[t]!));
      f[t] = factor;
    }
    return change;
  };
  const largest = new Float64Array(numExperts);
  const sum = new Float64Array(numExperts);
  const scaleColumns = () => {
    largest.fill(Number.NEGATIVE_INFINITY);
    sum.fill(0);
    for (const t of tokens) {
      for (let e = 0; e < numExperts; ++e) largest[e] = Math.max(largest[e]!, z[t * numExperts + e]! + f[t]!);
    }
    for (const t of tokens) {
      for (let e = 0; e < numExperts; ++e) sum[e]! += Math.exp(z[t * numExperts + e]! + f[t]! - largest[e]!);
    }
    for (let e = 0; e < numExperts; ++e) g[e] = -Math.log(numExperts) - largest[e]! - Math.log(sum[e]!);
  };

  scaleRows();
  // After scaleColumns the column sums are right, and no column sum changes by a larger factor than that of a row.
  for (let i = 0; i < maxIterations && tokens.length > 0; ++i) {
    scaleColumns();
    if (scaleRows() <= Math.log1p(tolerance)) break;
  }
  const result = new Float32Array(z.length).fill(Number.NEGATIVE_INFINITY);
  for (const t of tokens) {
    for (let e = 0; e < numExperts; ++e) result[t * numExperts + e] = z[t * numExperts + e]! + f[t]! + g[e]!;
  }
  return tf.tensor2d(result, [numTokens, numExperts]);
}

function checkFinite(owner: string, z: Float64Array, tokens: number[], numExperts: number): void {
  const isOpen = new Uint8Array(numExperts);
  for (const t of tokens) {
    let isBad = true;
    for (let e = 0; e < numExperts; ++e) {
      const value = z[t * numExperts + e]!;
      if (!(value < Number.POSITIVE_INFINITY)) {
        isBad = true;
        break;
      }
      if (value > Number.NEGATIVE_INFINITY) {
        isBad = false;
        isOpen[e] = 1;
      }
    }
    if (isBad) throw new ValueError(`${owner}: token ${t} must have a finite logit and no NaN or Infinity.`);
  }
  const closed = tokens.length > 0 ? isOpen.indexOf(0) : -1;
  if (closed >= 0) {
    throw new ValueError(
      `${owner}: expert ${closed} must have a token with a finite logit, or it cannot get its share.`,
    );
  }
}

/** ln A by a fixed number of iterations in float32 on the device. */
export function logSinkhornOnDevice(logits: tf.Tensor2D, iterations: number, mask?: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => {
    const [numTokens, numExperts] = logits.shape;
    if (numTokens === 0) return tf.zeros([0, numExperts]);
    const [isReal, count] = mask ? realTokens(mask) : [undefined, tf.scalar(numTokens)];
    const rows = (g: tf.Tensor) => {
      const f = tf.neg(tf.add(tf.log(count), tf.logSumExp(tf.add(logits, g), 1, true))); // [T, 1]
      return isReal ? tf.where(isReal, f, tf.fill(f.shape, Number.NEGATIVE_INFINITY)) : f;
    };
    let g: tf.Tensor = tf.zeros([1, numExperts]);
    let f = rows(g);
    for (let i = 0; i < iterations; ++i) {
      g = tf.neg(tf.add(Math.log(numExperts), tf.logSumExp(tf.add(logits, f), 0, true))); // [1, E]
      f = rows(g);
    }
    const result = tf.add(tf.add(logits, f), g);
    // Without any real token g is NaN.
    return (isReal ? tf.where(isReal, result, tf.fill(logits.shape, Number.NEGATIVE_INFINITY)) : result) as tf.Tensor2D;
  });
}

/** bool [T, 1], and the number of real tokens, or 1 where there are none. */
function realTokens(mask: tf.Tensor1D): [tf.Tensor, tf.Tensor] {
  const isReal = tf.expandDims(tf.notEqual(toFloat(mask), 0), 1);
  return [isReal, tf.maximum(1, tf.sum(toFloat(isReal)))];
}
