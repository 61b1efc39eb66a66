// DepthwiseConv2dNativeBackpropInput for wasm, which the backend lacks: the gradient with respect to the images.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';
import {checkGradientShapes, checkNoDilation, MINIMUM_MULTIPLICATIONS, pairOf} from './conv-arguments.js';
import {phasesOf} from './conv-phases.js';
import {forEachTap, patchesOf, withPatches} from './patches.js';

const NAME = 'DepthwiseConv2dNativeBackpropInput';

/**
 * The kernel: each pixel gets, through every tap of the filter, the gradient of the result that it went into.
 *
 * @param params.inputs dy [batch, rows, columns, channels * multiplier] and filter [height, width, channels, multiplier].
 * @returns Of params.attrs.inputShape, [batch, height, width, channels].
 */
export const depthwiseBackpropInputKernel: tf.KernelFunc = params => {
  const backend = params.backend as BackendWasm;
  const {dy, filter} = params.inputs as {dy: tf.TensorInfo; filter: tf.TensorInfo};
  const {strides, dilations, pad, dimRoundingMode, inputShape} =
    params.attrs as unknown as tf.DepthwiseConv2dNativeBackpropInputAttrs;
  const filterShape = filter.shape as [number, number, number, number];
  const multiplier = filterShape[3];
  checkNoDilation(NAME, dilations);
  const images = {shape: inputShape, dtype: filter.dtype};
  checkGradientShapes(NAME, images, dy, filterShape, filterShape[2] * multiplier);
  const info = tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    pairOf(strides),
    1,
    pad,
    dimRoundingMode,
    true,
  );
  return withIntermediates(backend, own => {
    const size = tf.util.sizeFromShape(inputShape);
    const binary = ownKernels(backend);
    return withOutput(backend, inputShape, 'float32', out => {
      if (tf.util.sizeFromShape(dy.shape) * tf.util.sizeFromShape(filterShape) * size === 0) {
        backend.typedArrayFromHeap(out).fill(0);
      } else if (!binary) {
        loop(backend, dy, filter, out, info);
      } else if (multiplier === 1) {
        convolvePhases(backend, binary, dy, filter, out, info);
      } else {
        // As many channels as the result has, and their sums.
        const apart = own(backend.makeOutput([...inputShape.slice(0, 3), info.outChannels], 'float32'));
        convolvePhases(backend, binary, dy, filter, apart, info);
        const addresses = [apart, out].map(binary.address);
        binary.split('sumNumbers', [...addresses, multiplier], size, MINIMUM_MULTIPLICATIONS);
      }
    });
  });
};

function convolvePhases(
  backend: BackendWasm,
  binary: OwnKernels,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  out: tf.TensorInfo,
  info: tf.backend_util.Conv2DInfo,
): void {
  const {inHeight, inWidth, outChannels, filterWidth, strideHeight, strideWidth} = info;
  const pixel = outChannels * 4;
  for (const {vertical, horizontal, geometry} of phasesOf(info, dy.shape)) {
    withPatches(backend, binary, dy, geometry, plan => {
      const firstTap = vertical.lastTap * filterWidth + horizontal.lastTap;
      const taps = [-strideHeight * filterWidth * pixel, -strideWidth * pixel];
      const target = binary.address(out) + (vertical.start * inWidth + horizontal.start) * pixel;
      const steps = [inHeight * inWidth * pixel, strideHeight * inWidth * pixel, strideWidth * pixel];
      const perPatch = vertical.taps * horizontal.taps * outChannels;
      binary.split(
        'depthwiseConvolve',
        [plan.address, binary.address(filter) + firstTap * pixel, ...taps, target, ...steps],
        plan.numParts,
        Math.ceil(MINIMUM_MULTIPLICATIONS / (perPatch * plan.patchesPerPart)),
      );
    });
  }
}

function loop(
  backend: BackendWasm,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  out: tf.TensorInfo,
  info: tf.backend_util.Conv2DInfo,
): void {
  const [gradient, weights, sums] = [dy, filter, out].map(tensor => backend.typedArrayFromHeap(tensor));
  const {inChannels, outChannels} = info;
  const multiplier = outChannels / inChannels;
  sums!.fill(0);
  forEachTap(patchesOf(info, dy.shape[1]!, dy.shape[2]!), (pixel, result, tap) => {
    for (let o = 0; o < outChannels; ++o) {
      const to = pixel * inChannels + Math.floor(o / multiplier);
      sums![to]! += gradient![result * outChannels + o]! * weights![tap * outChannels + o]!;
    }
  });
}
