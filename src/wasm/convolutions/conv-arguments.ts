// What the convolution kernels do with their arguments before they compute.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../../errors.js';
import {callKernel, type Own} from '../kernel-calls.js';

/** Multiplications of a thread's part: fewer are done before another thread is awake. */
export const MINIMUM_MULTIPLICATIONS = 2 ** 18;

/** x as [batch, height, width, channels]; where it had its channels first, a transposed copy in the care of `own`. */
export function channelsLast(
  backend: BackendWasm,
  x: tf.TensorInfo,
  dataFormat: 'NHWC' | 'NCHW' | undefined,
  own: Own,
): tf.TensorInfo {
  return dataFormat === 'NCHW' ? own(callKernel('Transpose', backend, {x}, {perm: [0, 2, 3, 1]})) : x;
}

/** x, [batch, height, width, channels], with its channels first; the caller owns it. */
export function channelsFirst(backend: BackendWasm, x: tf.TensorInfo): tf.TensorInfo {
  return callKernel('Transpose', backend, {x}, {perm: [0, 3, 1, 2]});
}

/** A pad that was given for channels in this order, for channels last. */
export function padChannelsLast<Pad>(pad: Pad, dataFormat: 'NHWC' | 'NCHW' | undefined): Pad {
  return dataFormat === 'NCHW' && Array.isArray(pad) ? ([pad[0], pad[2], pad[3], pad[1]] as Pad) : pad;
}

/** A number for both directions, or one for each. */
export function pairOf(value: number | number[]): [number, number] {
  return typeof value === 'number' ? [value, value] : [value[0]!, value[1]!];
}

/** Refuses the dilations for which tfjs has no gradient either. */
export function checkNoDilation(kernel: string, dilations: number | number[] | undefined): void {
  if (dilations !== undefined && pairOf(dilations).some(dilation => dilation !== 1)) {
    throw new ValueError(`${kernel}: dilations above 1 have no gradient, but got ${show(dilations)}.`);
  }
}

/**
 * Refuses gradients that do not belong to the images or to the filter: the binary would read past their end.
 *
 * @param images [batch, height, width, inChannels].
 * @param gradient [batch, rows, columns, outChannels].
 */
export function checkGradientShapes(
  kernel: string,
  images: Pick<tf.TensorInfo, 'shape' | 'dtype'>,
  gradient: tf.TensorInfo,
  filterShape: number[],
  outChannels: number,
): void {
  const isRight =
    images.shape.length === 4 &&
    gradient.shape.length === 4 &&
    images.shape[0] === gradient.shape[0] &&
    images.shape[3] === filterShape[2] &&
    gradient.shape[3] === outChannels;
  if (!isRight) {
    throw new ValueError(
      `${kernel}: the images [${images.shape}], the gradient [${gradient.shape}] (channels last) and the filter [${filterShape}] ` +
        'must agree in their batch and channels.',
    );
  }
  for (const {dtype} of [images, gradient]) {
    if (dtype !== 'float32') throw new ValueError(`${kernel}: only float32 is supported, but got ${dtype}.`);
  }
}
