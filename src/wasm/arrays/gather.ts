// GatherV2 for wasm: rows copied from where the indices point. The stock kernel works out the place of every single number.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ownKernels} from '../own-kernels.js';
import {isNumeric, minimumParts} from './copy-blocks.js';

/** A gather as rows: [batch, numOuter, length, row] by indices [batch, numIndices]. */
interface Rows {
  numRows: number;
  numOuter: number;
  numIndices: number;
  length: number;
  /** Elements of a row. */
  size: number;
}

/**
 * The kernel function that stands in for the stock GatherV2, along any axis and with any `batchDims`.
 *
 * @param stock The stock kernel: it does, or refuses, what is neither float32 nor int32 nor bool.
 * @throws Error if an index is out of range, in the words of the cpu backend.
 */
export function gatherWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const {x, indices} = params.inputs as {x: tf.TensorInfo; indices: tf.TensorInfo};
    if (!isNumeric(x) || indices.dtype !== 'int32') return stock.kernelFunc(params);
    const backend = params.backend as BackendWasm;
    const {axis, batchDims} = params.attrs as {axis: number; batchDims?: number};

    const parsedAxis = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const length = x.shape[parsedAxis]!;
    checkIndices(backend, indices, length);
    const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
      x as tf.Tensor,
      indices as tf.Tensor,
      parsedAxis,
      batchDims ?? 0,
    );
    const out = backend.makeOutput(info.outputShape, x.dtype);
    if (tf.util.sizeFromShape(info.outputShape) === 0) return out;
    const rows: Rows = {
      numRows: tf.util.sizeFromShape(info.outputShape) / info.sliceSize,
      numOuter: info.outerSize,
      numIndices: tf.util.sizeFromShape(indices.shape) / info.batchSize,
      length,
      size: info.sliceSize,
    };
    copyRows(backend, x, indices, out, rows);
    return out;
  };
}

/** Refuses an index outside [0, length). */
function checkIndices(backend: BackendWasm, indices: tf.TensorInfo, length: number): void {
  const count = tf.util.sizeFromShape(indices.shape);
  const binary = ownKernels(backend);
  const values = backend.typedArrayFromHeap(indices);
  const outside = binary
    ? binary.exports.findOutside(binary.address(indices), count, length)
    : values.findIndex(index => index < 0 || index >= length);
  if (outside >= 0) throw new Error(`GatherV2: the index value ${values[outside]} is not in [0, ${length - 1}]`);
}

function copyRows(backend: BackendWasm, x: tf.TensorInfo, indices: tf.TensorInfo, out: tf.TensorInfo, rows: Rows) {
  const {numRows, numOuter, numIndices, length, size} = rows;
  const binary = ownKernels(backend);
  if (binary) {
    const bytes = size * tf.util.bytesPerElement(x.dtype);
    const args = [binary.address(x), binary.address(indices), binary.address(out), bytes, length, numOuter, numIndices];
    binary.split('copyRows', args, numRows, minimumParts(bytes));
    return;
  }
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out);
  const list = backend.typedArrayFromHeap(indices);
  for (let row = 0; row < numRows; ++row) {
    const outer = Math.floor(row / numIndices); // the position in [batch, numOuter]
    const index = list[Math.floor(outer / numOuter) * numIndices + (row % numIndices)]!;
    const start = (outer * length + index) * size;
    if (size === 1) to[row] = from[start]!;
    else to.set(from.subarray(start, start + size), row * size);
  }
}
