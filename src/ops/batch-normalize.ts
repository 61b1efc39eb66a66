// Batch normalisation by the statistics of the batch itself (Ioffe and Szegedy 2015), with its gradient in closed form.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkPositive, checkShape, show, ValueError} from '../errors.js';
import {hasKernel, runFused, runKernel} from './fused-kernel.js';
import {noGradient} from './no-gradient.js';

/** Options of `batchNormalize`. */
export interface BatchNormalizeOptions {
  /** Added to the variance, above 0. */
  epsilon: number;
  /** float32 [C], what the normalised channels are multiplied by. Default: ones. */
  gamma?: tf.Tensor1D | undefined;
  /** float32 [C], what is added to them then. Default: zeros. */
  beta?: tf.Tensor1D | undefined;
}

/** What `batchNormalize` returns; the caller owns all three. */
export interface BatchNormalized {
  /** float32 [..., C], carries the gradient. */
  normalized: tf.Tensor;
  /** float32 [C], of the input, without a gradient. */
  mean: tf.Tensor1D;
  /** float32 [C], of the input, without a gradient: the mean square of the deviations, not corrected for the size of the sample. */
  variance: tf.Tensor1D;
}

/**
 * Brings each channel to mean 0 and variance 1 over all rows: normalized = gamma xhat + beta with xhat = (x - mean) rstd and
 * rstd = 1 / sqrt(variance + epsilon).
 *
 * One custom gradient for x, gamma and beta, in which the statistics follow x: with m rows, and sums and means over them,
 * dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)), dgamma = sum(dy xhat) and dbeta = sum(dy). Two passes over the memory each way
 * where the backend has the kernels `BatchStatistics`, `BatchNormalize` and `BatchNormalizeGradient`, which `registerWasmTrainingKernels`
 * brings to wasm. The variance comes from deviations, so that a mean that is large beside them does no harm. Second derivatives are not
 * supported. Without rows the statistics and the gradients of gamma and beta are zeros.
 *
 * @param x float32 [..., C], C >= 1. All axes but the last are rows.
 * @throws ValueError if x is not float32 or has no channel, gamma or beta is not [C], or epsilon is not positive and finite.
 * @see Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift, 2015.
 *   https://arxiv.org/abs/1502.03167
 * @example
 * const {normalized, mean} = batchNormalize(tf.tensor2d([[1], [3]]), {epsilon: 1e-5});
 * mean.shape; // => [1]
 * normalized.shape; // => [2, 1]
 */
export function batchNormalize(x: tf.Tensor, {epsilon, gamma, beta}: BatchNormalizeOptions): BatchNormalized {
  const owner = 'batchNormalize';
  const channels = x.shape[x.rank - 1];
  if (x.dtype !== 'float32' || !channels) {
    throw new ValueError(
      `${owner}: x must be float32 [..., C] with at least one channel, but got ${x.dtype} ${show(x.shape)}.`,
    );
  }
  if (gamma) checkShape(owner, 'gamma', gamma.shape, [channels], '[C]');
  if (beta) checkShape(owner, 'beta', beta.shape, [channels], '[C]');
  checkPositive(owner, 'epsilon', epsilon);
  return tf.tidy(() => {
    const statistics = noGradient(() => statisticsOf(x));
    const [mean, variance] = tf.unstack(statistics) as [tf.Tensor1D, tf.Tensor1D];
    const op = tf.customGrad((...args) => {
      const save = args.pop() as unknown as tf.GradSaveFunc;
      const [input, ...affine] = args as tf.Tensor[];
      const [scale, shift] = gamma ? affine : [undefined, affine[0]];
      save([input!, statistics, ...(scale ? [scale] : [])]);
      return {
        value: normalize(input!, statistics, scale, shift, epsilon),
        gradFunc: (dy: tf.Tensor, [input, statistics, scale]: tf.Tensor[]) => {
          const [dx, dGamma, dBeta] = gradients(dy, input!, statistics!, scale, epsilon);
          return [dx, ...(gamma ? [dGamma] : []), ...(beta ? [dBeta] : [])] as tf.Tensor[];
        },
      };
    });
    const normalized = op(x, ...(gamma ? [gamma] : []), ...(beta ? [beta] : []));
    return {normalized, mean, variance};
  });
}

/** [2, C]: the mean and the variance of each channel. */
function statisticsOf(x: tf.Tensor): tf.Tensor {
  const channels = x.shape[x.rank - 1]!;
  if (x.size === 0) return tf.zeros([2, channels]);
  return (
    runFused('BatchStatistics', {x}) ??
    tf.tidy(() => {
      const rows = rowsOf(x);
      const first = tf.mean(rows, 0);
      const deviations = tf.sub(rows, first);
      const rest = tf.mean(deviations, 0); // what the first mean lost where it is large beside the deviations
      const variance = tf.sub(tf.mean(tf.square(deviations), 0), tf.square(rest));
      return tf.stack([tf.add(first, rest), tf.relu(variance)]);
    })
  );
}

function normalize(
  x: tf.Tensor,
  statistics: tf.Tensor,
  gamma: tf.Tensor | undefined,
  beta: tf.Tensor | undefined,
  epsilon: number,
): tf.Tensor {
  if (x.size === 0) return tf.zeros(x.shape);
  return (
    runFused('BatchNormalize', {x, statistics, ...(gamma && {gamma}), ...(beta && {beta})}, {epsilon}) ??
    tf.tidy(() => {
      const {mean, rstd} = meanAndRstd(statistics, epsilon);
      const scaled = tf.mul(tf.sub(rowsOf(x), mean), gamma ? tf.mul(gamma, rstd) : rstd);
      return tf.reshape(beta ? tf.add(scaled, beta) : scaled, x.shape);
    })
  );
}

/** dx, dgamma and dbeta. */
function gradients(
  dy: tf.Tensor,
  x: tf.Tensor,
  statistics: tf.Tensor,
  gamma: tf.Tensor | undefined,
  epsilon: number,
): tf.Tensor[] {
  const channels = x.shape[x.rank - 1]!;
  if (x.size === 0) return [tf.zeros(x.shape), tf.zeros([channels]), tf.zeros([channels])];
  const kernel = 'BatchNormalizeGradient';
  if (hasKernel(kernel)) return runKernel(kernel, {dy, x, statistics, ...(gamma && {gamma})}, {epsilon});
  return tf.tidy(() => {
    const {mean, rstd} = meanAndRstd(statistics, epsilon);
    const gradient = rowsOf(dy);
    const xhat = tf.mul(tf.sub(rowsOf(x), mean), rstd);
    const [dGamma, dBeta] = [tf.sum(tf.mul(gradient, xhat), 0), tf.sum(gradient, 0)];
    const numRows = x.size / channels;
    const along = tf.mul(xhat, tf.div(dGamma, numRows));
    const dx = tf.mul(tf.sub(tf.sub(gradient, tf.div(dBeta, numRows)), along), gamma ? tf.mul(gamma, rstd) : rstd);
    return [tf.reshape(dx, x.shape), dGamma, dBeta];
  });
}

function meanAndRstd(statistics: tf.Tensor, epsilon: number): {mean: tf.Tensor; rstd: tf.Tensor} {
  const [mean, variance] = tf.unstack(statistics) as [tf.Tensor, tf.Tensor];
  return {mean, rstd: tf.rsqrt(tf.add(variance, epsilon))};
}

/** [rows, C]. */
function rowsOf(x: tf.Tensor): tf.Tensor {
  return tf.reshape(x, [-1, x.shape[x.rank - 1]!]);
}
