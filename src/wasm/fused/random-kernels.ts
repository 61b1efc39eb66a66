// PhiloxUniforms and GumbelNoise: random numbers where 32-bit products and pairs of float64 numbers are native.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {copyToMemory} from './draw-kernels.js';

/** Blocks of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_BLOCKS = 2 ** 12;

/** The bits of the float64 uniforms of `numBlocks` blocks from `position` on under a key, four a block; int32 [8 numBlocks]. */
export const philoxUniformsKernel: tf.KernelFunc = params => {
  const {key, position, numBlocks} = params.attrs as unknown as {
    key: Uint32Array;
    position: number;
    numBlocks: number;
  };
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  const out = backend.makeOutput([8 * numBlocks], 'int32');
  const words = [key[0]!, key[1]!, position >>> 0, Math.floor(position / 2 ** 32)];
  binary.split('fillUniforms', [binary.address(out), ...words], numBlocks, MINIMUM_BLOCKS);
  return out;
};

/** -log(-log u) of float64 uniforms, under a shape; no tensor where one of them is 0, 1 or next to either. */
export const gumbelNoiseKernel: tf.KernelFunc = params => {
  const {uniforms, shape} = params.attrs as unknown as {uniforms: Float64Array; shape: number[]};
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!;
  if (tf.util.sizeFromShape(shape) !== uniforms.length) {
    throw new ValueError(
      `GumbelNoise: the shape [${shape}] must have a number for each of the ${uniforms.length} uniforms.`,
    );
  }
  let areGood = 0;
  const noise = withIntermediates(backend, own => {
    const words = own(copyToMemory(backend, uniforms));
    return withOutput(backend, shape, 'float32', out => {
      areGood = binary.exports.gumbelNoise(binary.address(words), binary.address(out), uniforms.length);
    });
  });
  if (areGood) return noise;
  backend.disposeData(noise.dataId);
  return [];
};
