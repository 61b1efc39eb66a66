// Conv2DBackpropFilter for wasm, which the backend lacks: the gradient of a convolution with respect to its filter.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';
import {channelsLast, checkGradientShapes, MINIMUM_MULTIPLICATIONS, padChannelsLast, pairOf} from './conv-arguments.js';
import {forEachTap, type PatchGeometry, patchesOf, withPatches} from './patches.js';

/**
 * The kernel: gradient[i, o] = the sum over all patches of patch[i] * dy![patch, o].
 *
 * With a dimRoundingMode of 'ceil' the cpu backend leaves out the last row or column of the result; here every one counts that dy has.
 *
 * @param params.inputs x [batch, height, width, inChannels] and dy [batch, rows, columns, outChannels], or channels first by dataFormat.
 * @returns [height, width, inChannels, outChannels] of the filter.
 */
export const conv2DBackpropFilterKernel: tf.KernelFunc = params => {
  const backend = params.backend as BackendWasm;
  const {x, dy} = params.inputs as {x: tf.TensorInfo; dy: tf.TensorInfo};
  const {strides, pad, dataFormat, dimRoundingMode, filterShape} =
    params.attrs as unknown as tf.Conv2DBackpropFilterAttrs;
  return withIntermediates(backend, own => {
    const [images, gradient] = [channelsLast(backend, x, dataFormat, own), channelsLast(backend, dy, dataFormat, own)];
    const shape = images.shape as [number, number, number, number];
    const padding = padChannelsLast(pad, dataFormat);
    const info = tf.backend_util.computeConv2DInfo(shape, filterShape, pairOf(strides), 1, padding, dimRoundingMode);
    checkGradientShapes('Conv2DBackpropFilter', images, gradient, filterShape, filterShape[3]);
    const geometry = patchesOf(info, gradient.shape[1]!, gradient.shape[2]!);

    const binary = ownKernels(backend);
    return withOutput(backend, filterShape, 'float32', out => {
      const isEmpty = tf.util.sizeFromShape(gradient.shape) * tf.util.sizeFromShape(filterShape) === 0;
      if (isEmpty) backend.typedArrayFromHeap(out).fill(0);
      else if (binary) multiply(backend, binary, images, gradient, out, geometry);
      else loop(backend, images, gradient, out, geometry);
    });
  });
};

function multiply(
  backend: BackendWasm,
  binary: OwnKernels,
  images: tf.TensorInfo,
  gradient: tf.TensorInfo,
  out: tf.TensorInfo,
  geometry: PatchGeometry,
): void {
  const outChannels = gradient.shape[3]!;
  const tiles = Math.ceil((geometry.tapRows * geometry.tapColumns * geometry.channels) / 6);
  const perTile = tf.util.sizeFromShape(gradient.shape) * 6;
  withPatches(backend, binary, images, geometry, plan => {
    const addresses = [plan.address, binary.address(gradient), binary.address(out), outChannels];
    binary.split('convolveFilterGradient', addresses, tiles, Math.ceil(MINIMUM_MULTIPLICATIONS / perTile));
  });
}

function loop(
  backend: BackendWasm,
  images: tf.TensorInfo,
  gradient: tf.TensorInfo,
  out: tf.TensorInfo,
  geometry: PatchGeometry,
): void {
  const [x, dy, sums] = [images, gradient, out].map(tensor => backend.typedArrayFromHeap(tensor));
  const inChannels = geometry.channels;
  const outChannels = gradient.shape[3]!;
  sums!.fill(0);
  forEachTap(geometry, (pixel, result, tap) => {
    for (let i = 0; i < inChannels; ++i) {
      const factor = x![pixel * inChannels + i]!;
      const to = (tap * inChannels + i) * outChannels;
      for (let o = 0; o < outChannels; ++o) sums![to + o]! += factor * dy![result * outChannels + o]!;
    }
  });
}
