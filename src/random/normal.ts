// Normal noise by Box and Muller's method, on the host in float64.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from './random-source.js';

/**
 * Independent standard normal variables.
 *
 * @param shape Shape of the result.
 * @param random Source of the uniforms, one a value (one more where their number is odd).
 * @returns float32 [...shape], finite everywhere, owned by the caller.
 */
export function standardNormal(shape: number[], random: RandomSource): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  const uniforms = random.uniform(size + (size % 2));
  const noise = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniforms[i]!));
    const angle = 2 * Math.PI * uniforms[i + 1]!;
    noise[i] = radius * Math.cos(angle);
    if (i + 1 < size) noise[i + 1] = radius * Math.sin(angle);
  }
  return tf.tensor(noise, shape, 'float32');
}
