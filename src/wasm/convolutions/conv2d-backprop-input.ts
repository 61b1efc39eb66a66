// Conv2DBackpropInput for wasm: the gradient of a convolution with respect to its images, which is also the transposed convolution.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';
import {
  channelsFirst,
  channelsLast,
  checkGradientShapes,
  MINIMUM_MULTIPLICATIONS,
  padChannelsLast,
  pairOf,
} from './conv-arguments.js';
import {phasesOf} from './conv-phases.js';
import {withPatches} from './patches.js';

/**
 * The kernel function that stands in for the stock one, a plain loop.
 *
 * Pixels that lie a stride apart meet the same taps of the filter, so that for each phase of the stride the gradient is a convolution of dy
 * with these taps in the opposite order.
 *
 * @param stock The stock kernel, for where the binary cannot run.
 */
export function conv2DBackpropInputWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const backend = params.backend as BackendWasm;
    const binary = ownKernels(backend);
    const {dy, filter} = params.inputs as {dy: tf.TensorInfo; filter: tf.TensorInfo};
    const {strides, pad, dataFormat, dimRoundingMode, inputShape} =
      params.attrs as unknown as tf.Conv2DBackpropInputAttrs;
    if (!binary) return stock.kernelFunc(params);
    return withIntermediates(backend, own => {
      const [batch, first, second, third] = inputShape;
      const shape: typeof inputShape = dataFormat === 'NCHW' ? [batch, second, third, first] : inputShape;
      const gradient = channelsLast(backend, dy, dataFormat, own);
      const filterShape = filter.shape as [number, number, number, number];
      checkGradientShapes('Conv2DBackpropInput', {shape, dtype: filter.dtype}, gradient, filterShape, filterShape[3]);
      const padding = padChannelsLast(pad, dataFormat);
      const info = tf.backend_util.computeConv2DInfo(shape, filterShape, pairOf(strides), 1, padding, dimRoundingMode);
      const result = withOutput(backend, shape, 'float32', out => {
        if (tf.util.sizeFromShape(gradient.shape) * tf.util.sizeFromShape(filterShape) === 0) {
          backend.typedArrayFromHeap(out).fill(0);
        } else if (tf.util.sizeFromShape(shape) > 0) {
          convolvePhases(backend, binary, gradient, filter, out, info);
        }
      });
      return dataFormat === 'NCHW' ? channelsFirst(backend, own(result)) : result;
    });
  };
}

function convolvePhases(
  backend: BackendWasm,
  binary: OwnKernels,
  gradient: tf.TensorInfo,
  filter: tf.TensorInfo,
  out: tf.TensorInfo,
  info: tf.backend_util.Conv2DInfo,
): void {
  const outChannels = gradient.shape[3]!;
  const {inHeight, inWidth, inChannels, filterHeight, filterWidth, strideHeight, strideWidth} = info;
  const panels = Math.ceil(inChannels / 8);
  const pixel = inChannels * 4;
  binary.withScratch(panels * filterHeight * filterWidth * outChannels * 32, packed => {
    for (const {vertical, horizontal, geometry} of phasesOf(info, gradient.shape)) {
      withPatches(backend, binary, gradient, geometry, plan => {
        const sizes = [filterWidth, inChannels, outChannels];
        const rows = [vertical.taps, vertical.lastTap, strideHeight];
        const columns = [horizontal.taps, horizontal.lastTap, strideWidth];
        binary.split(
          'packFlippedFilters',
          [binary.address(filter), packed, ...sizes, ...rows, ...columns],
          panels,
          panels,
        );

        const target = binary.address(out) + (vertical.start * inWidth + horizontal.start) * pixel;
        const steps = [inHeight * inWidth * pixel, strideHeight * inWidth * pixel, strideWidth * pixel];
        const perPatch = vertical.taps * horizontal.taps * outChannels * inChannels;
        binary.split(
          'convolve',
          [plan.address, packed, target, ...steps, inChannels],
          plan.numParts,
          Math.ceil(MINIMUM_MULTIPLICATIONS / (perPatch * plan.patchesPerPart)),
        );
      });
    }
  });
}
