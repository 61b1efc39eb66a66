// MaxPoolGrad and AvgPoolGrad for wasm, in place of stock loops that look up every window of every pixel.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {WORTH_A_THREAD} from './conv-arguments.js';
import {type OwnKernels, ownKernels} from './own-kernels.js';

/** The kernel function that stands in for the stock MaxPoolGrad; of several largest pixels of a window the first gets the gradient. */
export function maxPoolGradWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params =>
    withWindows(stock, params, ({binary, input, dy, out, plan, work}) => {
      const addresses = [plan, input, dy, out].map(tensor => binary.address(tensor));
      binary.split('maxPoolGradient', addresses, input.shape[0]!, work);
    });
}

/** The kernel function that stands in for the stock AvgPoolGrad: as there, a window over an edge counts all its pixels. */
export function avgPoolGradWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params =>
    withWindows(stock, params, ({binary, input, dy, out, plan, info, work}) => {
      const addresses = [plan, dy, out].map(tensor => binary.address(tensor));
      const share = 1 / (info.filterHeight * info.filterWidth);
      binary.split('averagePoolGradient', [...addresses, share], input.shape[0]!, work);
    });
}

interface Call {
  binary: OwnKernels;
  input: tf.TensorInfo;
  dy: tf.TensorInfo;
  out: tf.TensorInfo;
  /** The description of the windows for the binary. */
  plan: tf.TensorInfo;
  info: tf.backend_util.Conv2DInfo;
  /** How many images are worth another thread. */
  work: number;
}

/** Makes the output and the plan; where the binary cannot run or the shapes are not what it expects, the stock kernel answers. */
function withWindows(
  stock: tf.KernelConfig,
  params: Parameters<tf.KernelFunc>[0],
  run: (call: Call) => void,
): ReturnType<tf.KernelFunc> {
  const backend = params.backend as BackendWasm;
  const {dy, input} = params.inputs as {dy: tf.TensorInfo; input: tf.TensorInfo};
  const {filterSize, strides, pad, dimRoundingMode} = params.attrs as unknown as tf.MaxPoolGradAttrs;
  const shape = input.shape as [number, number, number, number];
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const binary = ownKernels(backend);
  const isExpected =
    input.dtype === 'float32' &&
    dy.dtype === 'float32' &&
    dy.shape[0] === shape[0] &&
    dy.shape[3] === shape[3] &&
    shape.every(length => length > 0);
  if (!binary || !isExpected) return stock.kernelFunc(params);
  const [, rows, columns] = dy.shape as [number, number, number];
  const fields = [
    ...[info.inHeight, info.inWidth, info.inChannels, rows, columns, info.strideHeight, info.strideWidth],
    ...[info.filterHeight, info.filterWidth, info.padInfo.top, info.padInfo.left],
  ];
  const out = backend.makeOutput(input.shape, 'float32');
  const plan = backend.makeOutput([fields.length], 'int32');
  try {
    (backend.typedArrayFromHeap(plan) as Int32Array).set(fields);
    const perImage = rows * columns * info.inChannels * info.filterHeight * info.filterWidth;
    run({binary, input, dy, out, plan, info, work: Math.ceil(WORTH_A_THREAD / (perImage + 1))});
  } finally {
    backend.disposeData(plan.dataId);
  }
  return out;
}
