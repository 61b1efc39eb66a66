// Normal noise by Box and Muller's method, on the host in float64.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from './random-source.js';

/**
 * Independent standard normal numbers.
 *
 * @param count How many.
 * @param random Source of the uniforms, one a number (one more where `count` is odd).
 * @returns Finite everywhere.
 */
export function normalNumbers(count: number, random: RandomSource): Float64Array {
  const uniforms = random.uniform(count + (count % 2));
  const noise = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniforms[i]!));
    const angle = 2 * Math.PI * uniforms[i + 1]!;
    noise[i] = radius * Math.cos(angle);
    if (i + 1 < count) noise[i + 1] = radius * Math.sin(angle);
  }
  return noise;
}

/**
 * The same as a tensor.
 *
 * @param shape Shape of the result.
 * @param random Source of the uniforms, one a value (one more where their number is odd).
 * @returns float32 [...shape], finite everywhere, owned by the caller.
 */
export function standardNormal(shape: number[], random: RandomSource): tf.Tensor {
  return tf.tensor(Float32Array.from(normalNumbers(tf.util.sizeFromShape(shape), random)), shape, 'float32');
}
