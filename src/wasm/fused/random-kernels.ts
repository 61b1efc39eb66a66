// PhiloxUniforms and GumbelNoise: random numbers where 32-bit products and pairs of float64 numbers are native.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {ownKernels} from '../own-kernels.js';
import {copyToMemory} from './draw-kernels.js';

type KernelParams = Parameters<tf.KernelFunc>[0];

/** Blocks of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_PART = 2 ** 12;

/** The bits of the float64 uniforms of `numBlocks` blocks from `position` on under a key, four a block; int32 [8 numBlocks]. */
export function philoxUniforms({backend, attrs}: KernelParams): tf.TensorInfo {
  const {key, position, numBlocks} = attrs as unknown as {key: Uint32Array; position: number; numBlocks: number};
  const wasm = backend as BackendWasm;
  const own = ownKernels(wasm)!;
  const out = wasm.makeOutput([8 * numBlocks], 'int32');
  const words = [key[0]!, key[1]!, position >>> 0, Math.floor(position / 2 ** 32)];
  own.split('fillUniforms', [own.address(out), ...words], numBlocks, MINIMUM_PART);
  return out;
}

/** -log(-log u) of float64 uniforms, under a shape; no tensor where one of them is 0, 1 or next to either. */
export function gumbelNoiseKernel({backend, attrs}: KernelParams): tf.TensorInfo | tf.TensorInfo[] {
  const {uniforms, shape} = attrs as unknown as {uniforms: Float64Array; shape: number[]};
  const wasm = backend as BackendWasm;
  const own = ownKernels(wasm)!;
  const words = copyToMemory(wasm, uniforms);
  const noise = wasm.makeOutput(shape, 'float32');
  const areGood = own.exports.gumbelNoise(own.address(words), own.address(noise), uniforms.length);
  wasm.disposeData(words.dataId);
  if (areGood) return noise;
  wasm.disposeData(noise.dataId);
  return [];
}
