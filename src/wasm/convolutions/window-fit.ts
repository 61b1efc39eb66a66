// Convolutions and pooling in the geometries that the stock kernels get wrong.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {callKernel, type KernelParams, withIntermediates} from '../kernel-calls.js';
import {channelsFirst, channelsLast, padChannelsLast, pairOf} from './conv-arguments.js';

/**
 * The kernel function that stands in for a stock convolution, Conv2D, DepthwiseConv2dNative or the fused one of either.
 *
 * The library below the stock kernels computes the size of the result anew. Where tfjs says otherwise, which it does for a number as `pad`
 * when the filter or the strides are not square, it writes past the end of the result. And where a stride steps over pixels at the end of
 * an axis, its 'same' padding begins at the wrong pixel, as in a 1 by 3 filter with a stride of 2. Both are handed to it in terms that it gets
 * right. Channels first, which the stock Conv2D refuses, are transposed.
 */
export function convolutionWith(stock: tf.KernelConfig): tf.KernelFunc {
  const isDepthwise = stock.kernelName.includes('Depthwise');
  return params => {
    const backend = params.backend as BackendWasm;
    const {x, filter} = params.inputs as {x: tf.TensorInfo; filter: tf.TensorInfo};
    const attrs = params.attrs as unknown as tf.Conv2DAttrs;
    const {strides, dilations, pad, dimRoundingMode, dataFormat} = attrs;
    if (stock.kernelName === 'Conv2D' && dataFormat === 'NCHW') {
      return withIntermediates(backend, own => {
        const images = channelsLast(backend, x, dataFormat, own);
        const inside = {...attrs, dataFormat: 'NHWC', pad: padChannelsLast(pad, dataFormat)};
        const result = callKernel('Conv2D', backend, {x: images, filter}, inside as unknown as tf.NamedAttrMap);
        return channelsFirst(backend, own(result));
      });
    }
    const shape = x.shape as [number, number, number, number];
    const filterShape = filter.shape as [number, number, number, number];
    const info = tf.backend_util.computeConv2DInfo(
      shape,
      filterShape,
      pairOf(strides),
      pairOf(dilations ?? 1),
      pad,
      dimRoundingMode,
      isDepthwise,
    );
    return runFitting(stock, params, info, 0);
  };
}

/** The kernel function that stands in for the stock MaxPool, for the same sizes as `convolutionWith`. */
export function maxPoolWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const {filterSize, strides, pad, dimRoundingMode} = params.attrs as unknown as tf.MaxPoolAttrs;
    const shape = params.inputs.x!.shape as [number, number, number, number];
    const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    return runFitting(stock, params, info, Number.NEGATIVE_INFINITY);
  };
}

/** The kernel function that stands in for the stock AvgPool: also where a window lies in the padding alone, whose average is NaN. */
export function avgPoolWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const {filterSize, strides, pad, dimRoundingMode} = params.attrs as unknown as tf.AvgPoolAttrs;
    const backend = params.backend as BackendWasm;
    const x = params.inputs.x!;
    const shape = x.shape as [number, number, number, number];
    const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    checkSize(stock.kernelName, info);
    if (tf.util.sizeFromShape(info.outShape) === 0) return backend.makeOutput(info.outShape, 'float32');
    if (isFitting(info) && isSeeing(info)) return stock.kernelFunc(params);
    return averages(backend, x, info);
  };
}

/** Runs the stock kernel on the images, or on what of them and of `padding` around them the windows see. */
function runFitting(
  stock: tf.KernelConfig,
  params: KernelParams,
  info: tf.backend_util.Conv2DInfo,
  padding: number,
): ReturnType<tf.KernelFunc> {
  const backend = params.backend as BackendWasm;
  const {top, bottom, left, right, type} = info.padInfo;
  checkSize(stock.kernelName, info);
  if (tf.util.sizeFromShape(info.outShape) === 0) return backend.makeOutput(info.outShape, 'float32');
  if (info.inChannels === 0 && !params.inputs.bias) return zeros(backend, info.outShape);
  if (isFitting(info) && (padding === 0 || isSeeing(info))) {
    const isShort = reachOf(info).some((reach, axis) => reach < [info.inHeight, info.inWidth][axis]!);
    if (type !== 'SAME' || !isShort) return stock.kernelFunc(params);
    const rows = [top, bottom];
    const columns = [left, right];
    const attrs = {...params.attrs, pad: [[0, 0], rows, columns, [0, 0]]} as unknown as tf.NamedAttrMap;
    return stock.kernelFunc({...params, attrs});
  }
  return withIntermediates(backend, own => {
    const x = own(cut(backend, params.inputs.x!, info, padding));
    const attrs = {...params.attrs, pad: 'valid', dimRoundingMode: undefined} as unknown as tf.NamedAttrMap;
    return stock.kernelFunc({...params, inputs: {...params.inputs, x}, attrs}) as tf.TensorInfo;
  });
}

/** The sums over no channels. */
function zeros(backend: BackendWasm, shape: number[]): tf.TensorInfo {
  const out = backend.makeOutput(shape, 'float32');
  backend.typedArrayFromHeap(out).fill(0);
  return out;
}

function checkSize(kernel: string, {inShape, outShape}: tf.backend_util.Conv2DInfo): void {
  if (outShape.some(length => length < 0)) {
    throw new ValueError(`${kernel}: the filter is larger than the images [${inShape}] with their padding.`);
  }
}

/** How many rows and columns the windows see, with padding. */
function reachOf(info: tf.backend_util.Conv2DInfo): [number, number] {
  return [
    (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight,
    (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth,
  ];
}

/** Whether as many windows fit between the paddings as the result has. */
function isFitting(info: tf.backend_util.Conv2DInfo): boolean {
  const {padInfo} = info;
  const count = (size: number, window: number, stride: number) => Math.floor((size - window) / stride) + 1;
  return (
    count(info.inHeight + padInfo.top + padInfo.bottom, info.effectiveFilterHeight, info.strideHeight) ===
      info.outHeight &&
    count(info.inWidth + padInfo.left + padInfo.right, info.effectiveFilterWidth, info.strideWidth) === info.outWidth
  );
}

/** Whether every window sees some of the images; the stock pooling knows no others. */
function isSeeing({padInfo, filterHeight, filterWidth}: tf.backend_util.Conv2DInfo): boolean {
  return Math.max(padInfo.top, padInfo.bottom) < filterHeight && Math.max(padInfo.left, padInfo.right) < filterWidth;
}

/** What the windows see of x and of the padding around it: [batch, rows, columns, channels]. */
function cut(backend: BackendWasm, x: tf.TensorInfo, info: tf.backend_util.Conv2DInfo, padding: number): tf.TensorInfo {
  const [height, width] = reachOf(info);
  const {batchSize, inHeight, inWidth, inChannels, padInfo} = info;
  const out = backend.makeOutput([batchSize, height, width, inChannels], 'float32');
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out).fill(padding);
  const first = Math.max(0, -padInfo.left);
  const columns = Math.min(inWidth, width - padInfo.left) - first;
  for (let image = 0; image < batchSize; ++image) {
    for (let row = Math.max(0, -padInfo.top); row < Math.min(inHeight, height - padInfo.top); ++row) {
      const start = ((image * inHeight + row) * inWidth + first) * inChannels;
      const place = (image * height + row + padInfo.top) * width + first + padInfo.left;
      if (columns > 0) to.set(from.subarray(start, start + columns * inChannels), place * inChannels);
    }
  }
  return out;
}

/** The averages of the pixels of each window, those of the padding left out. */
function averages(backend: BackendWasm, x: tf.TensorInfo, info: tf.backend_util.Conv2DInfo): tf.TensorInfo {
  const {inHeight, inWidth, inChannels, outHeight, outWidth, padInfo} = info;
  const out = backend.makeOutput(info.outShape, 'float32');
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out);
  for (let i = 0; i < to.length; ++i) {
    const channel = i % inChannels;
    const window = Math.floor(i / inChannels);
    const left = (window % outWidth) * info.strideWidth - padInfo.left;
    const top = (Math.floor(window / outWidth) % outHeight) * info.strideHeight - padInfo.top;
    const image = Math.floor(window / outWidth / outHeight);
    let [sum, count] = [0, 0];
    for (let row = Math.max(0, top); row < Math.min(inHeight, top + info.filterHeight); ++row) {
      for (let column = Math.max(0, left); column < Math.min(inWidth, left + info.filterWidth); ++column, ++count) {
        sum += from[((image * inHeight + row) * inWidth + column) * inChannels + channel]!;
      }
    }
    to[i] = sum / count;
  }
  return out;
}
