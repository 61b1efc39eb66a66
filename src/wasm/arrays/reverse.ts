// Reverse for wasm, which a Bidirectional layer needs: blocks copied backwards, one axis after the other.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {share, withIntermediates} from '../kernel-calls.js';
import {copyBlocks, isNumeric} from './copy-blocks.js';

/** The kernel function that stands in for the stock Reverse, which copies four bytes for each bool where no axis is reversed. */
export function reverseWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    const axes = tf.util.parseAxisParam((params.attrs as {dims: number | number[]}).dims, x.shape);
    if (!isNumeric(x)) return stock.kernelFunc(params);
    const backend = params.backend as BackendWasm;
    if (axes.length === 0) return share(backend, x);
    return withIntermediates(backend, own => {
      let out = x;
      for (const axis of axes) {
        if (out !== x) own(out);
        out = reverseAxis(backend, out, axis);
      }
      return out;
    });
  };
}

function reverseAxis(backend: BackendWasm, x: tf.TensorInfo, axis: number): tf.TensorInfo {
  const out = backend.makeOutput(x.shape, x.dtype);
  if (tf.util.sizeFromShape(x.shape) === 0) return out;
  const length = x.shape[axis]!;
  const size = tf.util.sizeFromShape(x.shape.slice(axis + 1));
  const numOuter = tf.util.sizeFromShape(x.shape.slice(0, axis));
  const stride = length * size;
  if (numOuter <= length) {
    for (let start = 0; start < numOuter * stride; start += stride) {
      const fromStart = start + stride - size;
      copyBlocks(backend, x, out, {count: length, size, fromStart, fromStride: -size, toStart: start, toStride: size});
    }
  } else {
    for (let i = 0; i < length; ++i) {
      const [fromStart, toStart] = [(length - 1 - i) * size, i * size];
      copyBlocks(backend, x, out, {count: numOuter, size, fromStart, fromStride: stride, toStart, toStride: stride});
    }
  }
  return out;
}
