// Gumbel noise, made on the host in float64: in float32 a uniform can round to 0 or 1, and its logarithms to infinity.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {runFused} from '../ops/fused-kernel.js';
import type {RandomSource} from './random-source.js';

/**
 * Independent standard Gumbel variables, G = -log(-log u); argmax(logits + G) is a draw from softmax(logits).
 *
 * @param shape Shape of the result, row-major in the source's order.
 * @param random Source of the uniforms, one a value.
 * @returns float32 [...shape], finite everywhere (from -3.1 to 22.9), owned by the caller.
 */
export function gumbelNoise(shape: number[], random: RandomSource): tf.Tensor {
  const uniforms = random.uniform(tf.util.sizeFromShape(shape));
  const fused = runFused('GumbelNoise', {}, {uniforms, shape});
  if (fused) return fused;
  const noise = new Float32Array(uniforms.length);
  for (let i = 0; i < noise.length; ++i) noise[i] = -Math.log(-Math.log(uniforms[i]!));
  return tf.tensor(noise, shape, 'float32');
}
