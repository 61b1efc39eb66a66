// Quadratic functions of cells as tensors, one a seed: what estimators are differentiated through.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {NUM_FEATURES, type Quadratic} from './quadratic.js';

/** The functions of all seeds. */
export interface QuadraticTensors {
  /**
   * The values at cells, one-hot or relaxed, with their gradient.
   *
   * @param cells [seeds, count, 6, 5].
   * @returns [seeds, count].
   */
  valuesAt(cells: tf.Tensor): tf.Tensor;
  dispose(): void;
}

/** Puts the functions of the seeds into tensors, which the caller disposes. */
export function toTensors(functions: readonly Quadratic[]): QuadraticTensors {
  const count = functions.length;
  const intercept = tf.tensor2d(
    Float32Array.from(functions, f => f.intercept),
    [count, 1],
  );
  const linear = tf.tensor3d(concatenated(functions.map(f => f.linear)), [count, 1, NUM_FEATURES]);
  const pairs = tf.tensor3d(concatenated(functions.map(f => f.pairs)), [count, NUM_FEATURES, NUM_FEATURES]);
  return {
    valuesAt: cells =>
      tf.tidy(() => {
        const x = tf.reshape(cells, [count, -1, NUM_FEATURES]);
        // x' W x / 2 + linear . x = x . (W x / 2 + linear)
        const slopes = tf.add(tf.mul(0.5, tf.matMul(x, pairs)), linear);
        return tf.add(intercept, tf.sum(tf.mul(x, slopes), -1));
      }),
    dispose: () => tf.dispose([intercept, linear, pairs]),
  };
}

function concatenated(parts: readonly Float64Array[]): Float32Array {
  const size = parts[0]!.length;
  const all = new Float32Array(parts.length * size);
  for (const [i, part] of parts.entries()) all.set(part, i * size);
  return all;
}
