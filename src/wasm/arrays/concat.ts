// Concat for wasm along an inner axis: each input's blocks to their places in one call. The stock kernel makes a view for every row.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {copyBlocks, isNumeric} from './copy-blocks.js';

/** The kernel function that stands in for the stock Concat. */
export function concatWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const inputs = params.inputs as unknown as tf.TensorInfo[];
    const {dtype, shape} = inputs[0]!;
    const axis = tf.util.parseAxisParam((params.attrs as {axis: number}).axis, shape)[0]!;
    const count = tf.util.sizeFromShape(shape.slice(0, axis));
    const filled = inputs.filter(input => tf.util.sizeFromShape(input.shape) > 0);
    const isAlike = isNumeric(inputs[0]!) && inputs.every(input => input.dtype === dtype);
    // Along the first axis the stock kernel copies each input in one piece.
    if (count <= 1 || !isAlike) return stock.kernelFunc(params);
    const shapes = inputs.map(input => input.shape);
    tf.backend_util.assertParamsConsistent(shapes, axis);

    const backend = params.backend as BackendWasm;
    const outShape = tf.backend_util.computeOutShape(shapes, axis);
    const out = backend.makeOutput(outShape, dtype);
    const toStride = tf.util.sizeFromShape(outShape.slice(axis));
    let toStart = 0;
    for (const input of filled) {
      const size = tf.util.sizeFromShape(input.shape.slice(axis));
      copyBlocks(backend, input, out, {count, size, fromStart: 0, fromStride: size, toStart, toStride});
      toStart += size;
    }
    return out;
  };
}
