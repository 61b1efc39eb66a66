// Slice, SplitV and Unpack for wasm: only what is cut out is read. The stock kernels copy the whole input before every cut.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withOutputs} from '../kernel-calls.js';
import {copyBlocks, isNumeric} from './copy-blocks.js';

/**
 * The kernel function that stands in for the stock Slice.
 *
 * @throws Error if the slice reaches beyond x, as on cpu; the stock kernel reads on.
 */
export function sliceWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    if (!isNumeric(x)) return stock.kernelFunc(params);
    const {begin, size} = params.attrs as {begin: number | number[]; size: number | number[]};
    const [parsedBegin, parsedSize] = tf.slice_util.parseSliceParams(x, begin, size);
    tf.slice_util.assertParamsValid(x, parsedBegin!, parsedSize!);
    return cut(params.backend as BackendWasm, x, parsedBegin!, parsedSize!);
  };
}

/** The kernel function that stands in for the stock SplitV. */
export function splitWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    if (!isNumeric(x)) return stock.kernelFunc(params);
    const {numOrSizeSplits, axis} = params.attrs as {numOrSizeSplits: number | number[]; axis: number};
    const parsedAxis = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const lengths = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, parsedAxis);
    return cutAlong(params.backend as BackendWasm, x, parsedAxis, lengths);
  };
}

/** The kernel function that stands in for the stock Unpack. */
export function unpackWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.value as tf.TensorInfo;
    if (!isNumeric(x)) return stock.kernelFunc(params);
    const axis = tf.util.parseAxisParam((params.attrs as {axis: number}).axis, x.shape)[0]!;
    const shape = x.shape.filter((_, i) => i !== axis);
    const lengths = new Array<number>(x.shape[axis]!).fill(1);
    return cutAlong(params.backend as BackendWasm, x, axis, lengths).map(part => ({...part, shape}));
  };
}

/** Consecutive pieces of these lengths along one axis. */
function cutAlong(backend: BackendWasm, x: tf.TensorInfo, axis: number, lengths: number[]): tf.TensorInfo[] {
  const begin = new Array<number>(x.shape.length).fill(0);
  return withOutputs(backend, own =>
    lengths.map(length => {
      const size = x.shape.map((full, i) => (i === axis ? length : full));
      const part = own(cut(backend, x, begin, size));
      begin[axis]! += length;
      return part;
    }),
  );
}

/** A copy of x[begin, begin + size), whose bounds have been checked. */
function cut(backend: BackendWasm, x: tf.TensorInfo, begin: number[], size: number[]): tf.TensorInfo {
  const out = backend.makeOutput(size, x.dtype);
  const strides = [...tf.util.computeStrides(x.shape), 1];
  const isFull = (axis: number) => size[axis] === x.shape[axis];
  const origin = begin.reduce((sum, position, axis) => sum + position * strides[axis]!, 0);

  // A block reaches from the last axis that is cut to the end: it lies in one piece. The blocks of the axis before it are at even distances,
  // and so are those of the axes before that one, as long as no axis between is cut.
  let blockAxis = Math.max(0, size.length - 1);
  while (blockAxis > 0 && isFull(blockAxis)) --blockAxis;
  let firstAxis = blockAxis; // the axes [firstAxis, blockAxis) are copied in one call
  while (firstAxis > 0 && (firstAxis === blockAxis || isFull(firstAxis))) --firstAxis;
  const outerShape = size.slice(0, firstAxis);
  const blockSize = tf.util.sizeFromShape(size.slice(blockAxis));
  const count = tf.util.sizeFromShape(size.slice(firstAxis, blockAxis));
  const fromStride = blockAxis > 0 ? strides[blockAxis - 1]! : 0;

  const location = new Array<number>(firstAxis).fill(0);
  const numCalls = tf.util.sizeFromShape(outerShape);
  for (let call = 0; call < numCalls; ++call) {
    const fromStart = location.reduce((sum, position, axis) => sum + position * strides[axis]!, origin);
    const toStart = call * count * blockSize;
    copyBlocks(backend, x, out, {count, size: blockSize, fromStart, fromStride, toStart, toStride: blockSize});
    for (let axis = firstAxis - 1; axis >= 0 && ++location[axis]! === outerShape[axis]; --axis) location[axis] = 0;
  }
  return out;
}
