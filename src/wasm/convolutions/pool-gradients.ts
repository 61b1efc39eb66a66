// MaxPoolGrad and AvgPoolGrad for wasm, in place of stock loops that look up every window of every pixel.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {MINIMUM_MULTIPLICATIONS} from './conv-arguments.js';
import {forEachTap, patchesOf} from './patches.js';

/**
 * The kernel function that stands in for the stock MaxPoolGrad. Of several largest pixels of a window the first gets the gradient, and none
 * where no pixel is larger than -Infinity, as on the cpu backend; the stock kernel gives NaN another place.
 */
export function maxPoolGradWith(stock: tf.KernelConfig): tf.KernelFunc {
  return poolGradient(stock, 'maxPoolGradient', ({input, dy, sums, info, rows, columns}) => {
    const largest = new Float32Array(dy.length).fill(Number.NEGATIVE_INFINITY);
    const places = new Int32Array(dy.length).fill(-1);
    forEachTap(patchesOf(info, rows, columns), (pixel, window) => {
      for (let channel = 0; channel < info.inChannels; ++channel) {
        const value = input[pixel * info.inChannels + channel]!;
        const i = window * info.inChannels + channel;
        if (value > largest[i]!) [largest[i], places[i]] = [value, pixel * info.inChannels + channel];
      }
    });
    places.forEach((place, i) => {
      if (place >= 0) sums[place]! += dy[i]!;
    });
  });
}

/** The kernel function that stands in for the stock AvgPoolGrad: as there, a window over an edge counts all its pixels. */
export function avgPoolGradWith(stock: tf.KernelConfig): tf.KernelFunc {
  return poolGradient(stock, 'averagePoolGradient', ({dy, sums, info, rows, columns}) => {
    const share = shareOf(info);
    forEachTap(patchesOf(info, rows, columns), (pixel, window) => {
      for (let channel = 0; channel < info.inChannels; ++channel) {
        sums[pixel * info.inChannels + channel]! += dy[window * info.inChannels + channel]! * share;
      }
    });
  });
}

const shareOf = (info: tf.backend_util.Conv2DInfo) => 1 / (info.filterHeight * info.filterWidth);

/** The numbers of a call, for where the binary cannot run. */
interface Call {
  input: tf.TypedArray;
  dy: tf.TypedArray;
  /** Zeros, to which the gradient is added. */
  sums: tf.TypedArray;
  info: tf.backend_util.Conv2DInfo;
  /** Of dy. */
  rows: number;
  columns: number;
}

/** The kernel by the function of the binary, or by `loop`. */
function poolGradient(
  stock: tf.KernelConfig,
  name: 'maxPoolGradient' | 'averagePoolGradient',
  loop: (call: Call) => void,
): tf.KernelFunc {
  return params => {
    const backend = params.backend as BackendWasm;
    const {dy, input} = params.inputs as {dy: tf.TensorInfo; input: tf.TensorInfo};
    const {filterSize, strides, pad, dimRoundingMode} = params.attrs as unknown as tf.MaxPoolGradAttrs;
    const shape = input.shape as [number, number, number, number];
    if (dy.shape.length !== 4 || dy.shape[0] !== shape[0] || dy.shape[3] !== shape[3]) {
      throw new ValueError(
        `${stock.kernelName}: the images [${shape}] and the gradient [${dy.shape}] must agree in their batch and channels.`,
      );
    }
    if (input.dtype !== 'float32' || dy.dtype !== 'float32') return stock.kernelFunc(params);
    const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const [, rows, columns] = dy.shape as [number, number, number];
    const binary = ownKernels(backend);
    return withIntermediates(backend, own =>
      withOutput(backend, shape, 'float32', out => {
        if (!binary) {
          const [images, from, sums] = [input, dy, out].map(tensor => backend.typedArrayFromHeap(tensor));
          sums!.fill(0);
          loop({input: images!, dy: from!, sums: sums!, info, rows, columns});
          return;
        }
        // In the order of the fields in src/wasm/assembly/pool-gradients.ts.
        const fields = [
          ...[info.inHeight, info.inWidth, info.inChannels, rows, columns, info.strideHeight, info.strideWidth],
          ...[info.filterHeight, info.filterWidth, info.padInfo.top, info.padInfo.left],
        ];
        const plan = own(backend.makeOutput([fields.length], 'int32', undefined, Int32Array.from(fields)));
        const args =
          name === 'maxPoolGradient'
            ? [plan, input, dy, out].map(binary.address)
            : [...[plan, dy, out].map(binary.address), shareOf(info)];
        const perImage = rows * columns * info.inChannels * info.filterHeight * info.filterWidth;
        binary.split(name, args, shape[0], Math.ceil(MINIMUM_MULTIPLICATIONS / perImage));
      }),
    );
  };
}
