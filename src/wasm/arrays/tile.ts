// Tile for wasm: every axis in its turn, as blocks written several times. The stock kernel works out the place of every single number.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {isNumeric, minimumParts} from './copy-blocks.js';

/** The kernel function that stands in for the stock Tile. */
export function tileWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    if (!isNumeric(x)) return stock.kernelFunc(params);
    const {reps} = params.attrs as {reps: number[]};
    const backend = params.backend as BackendWasm;
    // From the last axis to the first, and a plain copy where nothing repeats.
    const axes = x.shape.map((_, axis) => axis).filter(axis => reps[axis] !== 1);
    if (axes.length === 0) return repeat(backend, x, x.shape, tf.util.sizeFromShape(x.shape), 1);
    return withIntermediates(backend, own => {
      let out = x;
      for (const axis of axes.reverse()) {
        if (out !== x) own(out);
        const shape = out.shape.map((length, i) => (i === axis ? length * reps[i]! : length));
        out = repeat(backend, out, shape, tf.util.sizeFromShape(out.shape.slice(axis)), reps[axis]!);
      }
      return out;
    });
  };
}

/** Each block of `size` elements of x, one after the other `times` times. */
function repeat(backend: BackendWasm, x: tf.TensorInfo, shape: number[], size: number, times: number): tf.TensorInfo {
  const out = backend.makeOutput(shape, x.dtype);
  if (tf.util.sizeFromShape(shape) === 0) return out;
  const count = tf.util.sizeFromShape(x.shape) / size;
  const binary = ownKernels(backend);
  if (binary) {
    const bytes = size * tf.util.bytesPerElement(x.dtype);
    binary.split(
      'repeatBlocks',
      [binary.address(x), binary.address(out), bytes, times],
      count,
      minimumParts(bytes * times),
    );
    return out;
  }
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out);
  for (let i = 0; i < count; ++i) {
    const block = from.subarray(i * size, (i + 1) * size);
    if (size === 1) to.fill(block[0]!, i * times, (i + 1) * times);
    else for (let k = 0; k < times; ++k) to.set(block, (i * times + k) * size);
  }
  return out;
}
