// Draws one category a row by inverting the cumulative distribution: one uniform a row, where Gumbel-max takes one a category.
// tf.multinomial is no help: on the cpu backend all rows get the same uniforms, on webgpu the first row always draws category 0.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {hasKernel, runKernel} from '../ops/fused-kernel.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {toFloat} from '../ops/to-float.js';
import {zeroOrNaN} from '../ops/zero-or-nan.js';
import type {RandomSource} from './random-source.js';

/** A kernel that draws as `categoricalOnHost` does. */
const KERNEL = 'CategoricalSample';

/**
 * Draws a one-hot sample of each row of probabilities. Not differentiable: call it inside `noGradient` or a custom gradient.
 *
 * @param owner Who draws, for the error.
 * @param probs float32 [..., categories]; rows need not sum to 1. A category of probability 0 is never drawn.
 * @param random Source of noise, one uniform a row in row-major order.
 * @returns One-hot float32 [..., categories], owned by the caller. The same source gives the same sample on every backend, but where
 *   probabilities that differ in their last bits put a boundary on the other side of a uniform.
 * @throws ValueError where a row holds NaN or nothing above 0; on backends that keep tensors on a device that row is NaN instead,
 *   since finding out would wait for the device.
 */
export function categorical(owner: string, probs: tf.Tensor, random: RandomSource): tf.Tensor {
  // tf.where gives rows to none, by a shader without an operand: webgpu would drop it with all that was sent together with it.
  if (probs.size === 0) return tf.zeros(probs.shape);
  if (hasKernel(KERNEL)) {
    const uniforms = random.uniform(probs.size / probs.shape[probs.rank - 1]!);
    return runKernel(KERNEL, {probs}, {uniforms, onBadRow: (row: number) => refuseRow(owner, row)})[0]!;
  }
  return isOnHost() ? categoricalOnHost(owner, probs, random) : categoricalOnDevice(probs, random);
}

/** The draw by a loop over the values read from the backend. */
export function categoricalOnHost(owner: string, probs: tf.Tensor, random: RandomSource): tf.Tensor {
  const numCategories = probs.shape[probs.rank - 1]!;
  const values = hostRead(probs);
  const numRows = values.length / numCategories;
  const uniforms = random.uniform(numRows);
  const sample = new Float32Array(values.length);
  for (let row = 0; row < numRows; ++row) {
    const start = row * numCategories;
    let total = 0;
    for (let j = 0; j < numCategories; ++j) total += values[start + j]!;
    if (!(total > 0)) refuseRow(owner, row);
    const threshold = uniforms[row]! * total;
    let chosen = 0;
    let cumulative = 0;
    for (let j = 0; j < numCategories && cumulative <= threshold; ++j) {
      cumulative += values[start + j]!;
      chosen = j;
    }
    sample[start + chosen] = 1;
  }
  return tf.tensor(sample, probs.shape, 'float32');
}

/** The draw by cumulative sums on the device. */
export function categoricalOnDevice(probs: tf.Tensor, random: RandomSource): tf.Tensor {
  return tf.tidy(() => {
    const numCategories = probs.shape[probs.rank - 1]!;
    const rows = tf.reshape(probs, [-1, numCategories]);
    const numRows = rows.shape[0]!;
    const uniforms = tf.tensor2d(Float32Array.from(random.uniform(numRows)), [numRows, 1]);
    const cumulative = tf.cumsum(rows, 1);
    const total = tf.sum(rows, 1, true);
    // The first category of positive probability past the threshold has the highest score. A uniform that float32 rounds to 1 passes
    // none; then the last of positive probability is taken, so that the draw never falls back on category 0.
    const order = tf.range(0, numCategories, 1, 'float32');
    const isPast = tf.greater(cumulative, tf.mul(uniforms, total));
    const score = tf.where(isPast, tf.sub(2 * numCategories, order), tf.add(order, 1));
    const winner = tf.argMax(tf.mul(score, toFloat(tf.greater(rows, 0))), 1);
    const sample = toFloat(tf.equal(tf.expandDims(toFloat(winner), 1), order));
    const poison = zeroOrNaN(total); // NaN in a row with nothing to choose from
    return tf.reshape(tf.add(sample, poison), probs.shape);
  });
}

function refuseRow(owner: string, row: number): never {
  throw new ValueError(noChoice(owner, row));
}

/** The words of the error for a row with nothing to choose from. */
export function noChoice(owner: string, row: number): string {
  return (
    `${owner}: row ${row} of the logits leaves nothing to choose from: ` +
    'every entry is -Infinity (masked), or one is NaN or Infinity. Mask all categories but one at most, and look for a diverged model.'
  );
}
