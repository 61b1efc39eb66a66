// Sum and Mean for wasm without the transpose that the stock kernels put before them, and every reduction over an empty axis.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';

/** Additions of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_ADDITIONS = 2 ** 16;

/** What a reduction keeps and what it takes together. */
interface Reduction {
  axes: number[];
  /** The shape of the result. */
  shape: number[];
  /** How many numbers become one. */
  length: number;
}

/** The kernel function that stands in for the stock Sum: float32 in one pass, accumulated in float64. */
export const sumWith = (stock: tf.KernelConfig): tf.KernelFunc => addUpWith(stock, () => 1);

/** The kernel function that stands in for the stock Mean: float32 in one pass, accumulated in float64. */
export const meanWith = (stock: tf.KernelConfig): tf.KernelFunc => addUpWith(stock, length => 1 / length);

function addUpWith(stock: tf.KernelConfig, scale: (length: number) => number): tf.KernelFunc {
  const other = overEmptyAxes(stock, () => 0);
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    const backend = params.backend as BackendWasm;
    const binary = ownKernels(backend);
    if (!binary || x.dtype !== 'float32' || tf.util.sizeFromShape(x.shape) === 0) return other(params);
    const {axis, keepDims} = params.attrs as {axis: number | number[]; keepDims: boolean};
    const {axes, shape, length} = describe(x, axis, keepDims);
    return {...addUp(backend, binary, x, axes, scale(length)), shape};
  };
}

/**
 * Wraps a stock reduction, which leaves its result as the memory was where an axis is empty, so that there it gives what the cpu backend
 * does: 0 for sums and means, 1 for products, NaN for the largest and the smallest number.
 */
export function overEmptyAxes(stock: tf.KernelConfig, value: (dtype: tf.DataType) => number): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    if (tf.util.sizeFromShape(x.shape) > 0) return stock.kernelFunc(params);
    const {axis, reductionIndices, keepDims} = params.attrs as unknown as {
      axis?: number | number[];
      reductionIndices?: number | number[];
      keepDims: boolean;
    };
    const {shape} = describe(x, axis ?? reductionIndices, keepDims);
    const backend = params.backend as BackendWasm;
    const dtype = stock.kernelName === 'Mean' ? 'float32' : x.dtype;
    const out = backend.makeOutput(shape, dtype);
    backend.typedArrayFromHeap(out).fill(value(dtype));
    return out;
  };
}

function describe(x: tf.TensorInfo, axis: number | number[] | undefined, keepDims: boolean): Reduction {
  const axes = tf.util.parseAxisParam(axis as number | number[], x.shape);
  const [outShape, reduceShape] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
  const shape = keepDims ? tf.backend_util.expandShapeToKeepDim(outShape, axes) : outShape;
  return {axes, shape, length: tf.util.sizeFromShape(reduceShape)};
}

/** scale times the sums of x over its axes, which may be any; the caller owns the result, whose shape is its to set. */
function addUp(
  backend: BackendWasm,
  binary: OwnKernels,
  x: tf.TensorInfo,
  axes: number[],
  scale: number,
): tf.TensorInfo {
  // Neighbouring axes are one axis; what remains between kept ones is added up run by run, from the last to the first.
  const runs = groupAxes(x.shape, axes);
  return withIntermediates(backend, own => {
    let from = x;
    for (let i = runs.length - 1; i >= 0; --i) {
      if (from !== x) own(from);
      const {numOuter, length, numInner} = runs[i]!;
      const to = backend.makeOutput([numOuter, numInner], 'float32');
      const args = [binary.address(from), binary.address(to), length, numInner, i === 0 ? scale : 1];
      binary.split('sumAxis', args, numOuter, Math.ceil(MINIMUM_ADDITIONS / (length * numInner)));
      from = to;
    }
    return from;
  });
}

interface Run {
  numOuter: number;
  length: number;
  numInner: number;
}

/**
 * The runs of neighbouring axes to reduce, in order. For each run, `numInner` counts the numbers behind it that are left once all later runs
 * have been reduced. One run of length 1 where there is nothing to reduce.
 */
function groupAxes(shape: number[], axes: number[]): Run[] {
  const runs: Run[] = [];
  let numInner = 1;
  let axis = shape.length - 1;
  while (axis >= 0) {
    if (!axes.includes(axis) || shape[axis] === 1) {
      numInner *= shape[axis]!;
      --axis;
      continue;
    }
    let length = 1;
    for (; axis >= 0 && (axes.includes(axis) || shape[axis] === 1); --axis) length *= shape[axis]!;
    runs.unshift({numOuter: tf.util.sizeFromShape(shape.slice(0, axis + 1)), length, numInner});
  }
  return runs.length > 0 ? runs : [{numOuter: tf.util.sizeFromShape(shape), length: 1, numInner: 1}];
}
