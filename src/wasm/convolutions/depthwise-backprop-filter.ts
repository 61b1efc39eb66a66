// DepthwiseConv2dNativeBackpropFilter for wasm, which the backend lacks: the gradient with respect to the filter.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {type Own, withIntermediates, withOutput} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';
import {checkGradientShapes, checkNoDilation, MINIMUM_MULTIPLICATIONS, pairOf} from './conv-arguments.js';
import {forEachTap, type PatchGeometry, patchesOf, withPatches} from './patches.js';

const NAME = 'DepthwiseConv2dNativeBackpropFilter';

/**
 * The kernel: gradient[tap, c, m] = the sum over all patches of patch[tap, c] * dy[patch, c, m].
 *
 * @param params.inputs x [batch, height, width, channels] and dy [batch, rows, columns, channels * multiplier].
 * @returns [height, width, channels, multiplier] of the filter.
 */
export const depthwiseBackpropFilterKernel: tf.KernelFunc = params => {
  const backend = params.backend as BackendWasm;
  const {x, dy} = params.inputs as {x: tf.TensorInfo; dy: tf.TensorInfo};
  const {strides, dilations, pad, dimRoundingMode, filterShape} =
    params.attrs as unknown as tf.DepthwiseConv2dNativeBackpropFilterAttrs;
  checkNoDilation(NAME, dilations);
  checkGradientShapes(NAME, x, dy, filterShape, filterShape[2] * filterShape[3]);
  const shape = x.shape as [number, number, number, number];
  const info = tf.backend_util.computeConv2DInfo(shape, filterShape, pairOf(strides), 1, pad, dimRoundingMode, true);
  const geometry = patchesOf(info, dy.shape[1]!, dy.shape[2]!);
  const size = tf.util.sizeFromShape(dy.shape) * tf.util.sizeFromShape(filterShape) * tf.util.sizeFromShape(shape);
  return withIntermediates(backend, own =>
    withOutput(backend, filterShape, 'float32', out => {
      const binary = ownKernels(backend);
      if (size === 0) backend.typedArrayFromHeap(out).fill(0);
      else if (binary) multiply(backend, binary, x, dy, out, geometry, own);
      else loop(backend, x, dy, out, geometry);
    }),
  );
};

function multiply(
  backend: BackendWasm,
  binary: OwnKernels,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  out: tf.TensorInfo,
  geometry: PatchGeometry,
  own: Own,
): void {
  const channels = dy.shape[3]!;
  const multiplier = channels / geometry.channels;
  let images = x;
  if (multiplier > 1) {
    // As many channels as the result has.
    images = own(backend.makeOutput([...x.shape.slice(0, 3), channels], 'float32'));
    const size = tf.util.sizeFromShape(x.shape);
    binary.split(
      'repeatNumbers',
      [binary.address(x), binary.address(images), multiplier],
      size,
      MINIMUM_MULTIPLICATIONS,
    );
  }
  const perGroup = (tf.util.sizeFromShape(dy.shape) / channels) * geometry.tapRows * geometry.tapColumns * 8;
  withPatches(backend, binary, images, {...geometry, channels}, plan => {
    binary.split(
      'depthwiseFilterGradient',
      [plan.address, binary.address(dy), binary.address(out)],
      Math.ceil(channels / 8),
      Math.ceil(MINIMUM_MULTIPLICATIONS / perGroup),
    );
  });
}

function loop(
  backend: BackendWasm,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  out: tf.TensorInfo,
  geometry: PatchGeometry,
): void {
  const [images, gradient, sums] = [x, dy, out].map(tensor => backend.typedArrayFromHeap(tensor));
  const outChannels = dy.shape[3]!;
  const multiplier = outChannels / geometry.channels;
  sums!.fill(0);
  forEachTap(geometry, (pixel, result, tap) => {
    for (let o = 0; o < outChannels; ++o) {
      const value = images![pixel * geometry.channels + Math.floor(o / multiplier)]!;
      sums![tap * outChannels + o]! += value * gradient![result * outChannels + o]!;
    }
  });
}
