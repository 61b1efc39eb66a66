// GumbelRaoGradient: a mean over conditional Gumbel noise that is made and used up row by row.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {withOutput} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';

/** Numbers of a tile, whose arrays are to stay in a core's fastest memory; a tile holds four rows at least. */
const TILE_NUMBERS = 2 ** 10;
/** Noise values of a thread's part: fewer are made before another thread is awake. */
const MINIMUM_VALUES = 2 ** 13;

/**
 * The mean over samples of s * (g - <s, g>) / temperature for s the softmax of conditionally perturbed logits. Inputs: logits, hard (one-hot)
 * and g, float32 of one shape.
 */
export const gumbelRaoGradientKernel: tf.KernelFunc = params => {
  const owner = 'GumbelRaoGradient';
  const {logits, hard, g} = params.inputs as Record<'logits' | 'hard' | 'g', tf.TensorInfo>;
  const {key, position, numSamples, temperature} = params.attrs as unknown as {
    key: Uint32Array;
    position: number;
    numSamples: number;
    temperature: number;
  };
  for (const {shape, dtype} of [logits, hard, g]) {
    tf.util.assertShapesMatch(shape, logits.shape, `${owner}: `);
    if (dtype !== 'float32') throw new ValueError(`${owner}: the inputs must be float32 tensors, but one is ${dtype}.`);
  }
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  return withOutput(backend, logits.shape, 'float32', out => {
    const size = tf.util.sizeFromShape(logits.shape);
    if (size === 0) return;
    const columns = logits.shape[logits.shape.length - 1] ?? 1;
    const rows = size / columns;
    const groups = Math.max(1, Math.min(Math.floor(TILE_NUMBERS / (4 * columns)), Math.ceil(rows / 4)));
    const bytes = binary.exports.gumbelRaoScratch(columns, groups);
    binary.withScratch(binary.numWorkers * bytes, scratch => {
      const addresses = [logits, hard, g, out].map(binary.address);
      const words = [key[0]!, key[1]!, position >>> 0, Math.floor(position / 2 ** 32)];
      const args = [...addresses, scratch, columns, rows, groups, numSamples, temperature, ...words];
      const minimum = Math.ceil(MINIMUM_VALUES / (4 * groups * columns * numSamples));
      binary.split('gumbelRaoGradient', args, Math.ceil(rows / (4 * groups)), minimum);
    });
  });
};
