// AdamUpdate: one step of Adam, or of RAdam, for one variable, in one pass over the memory.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type {AdamUpdateAttributes} from '../../ops/adam-update.js';
import {ownKernels} from '../own-kernels.js';

/** Elements of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_PART = 2 ** 15;

/**
 * The kernel function of AdamUpdate. Its inputs are value, first, second and gradient, float32 of one shape; it returns the new value and
 * moments in tensors of their own, since a clone of a variable, such as a snapshot of weights, shares the memory of the old ones.
 */
export function adamUpdate({inputs, backend, attrs}: Parameters<tf.KernelFunc>[0]): tf.TensorInfo[] {
  const wasm = backend as BackendWasm;
  const own = ownKernels(wasm)!;
  const {value, first, second, gradient} = inputs as Record<string, tf.TensorInfo>;
  const read = [value!, first!, second!, gradient!];
  for (const {dtype, shape} of read) {
    if (dtype !== 'float32' || !tf.util.arraysEqual(shape, value!.shape)) {
      throw new Error(
        `AdamUpdate: value, moments and gradient must be float32 tensors of one shape, but got ` +
          `${read.map(({dtype, shape}) => `${dtype} [${shape}]`).join(', ')}.`,
      );
    }
  }
  const {decay1, decay2, scale, epsilon, size, isAdaptive} = attrs as unknown as AdamUpdateAttributes;
  const written = [0, 1, 2].map(() => wasm.makeOutput(value!.shape, 'float32'));
  const addresses = [...read, ...written].map(tensor => own.address(tensor));
  const numbers = [decay1, 1 - decay1, decay2, 1 - decay2, scale, epsilon, size, isAdaptive ? 1 : 0];
  own.split('updateAdam', [...addresses, ...numbers], tf.util.sizeFromShape(value!.shape), MINIMUM_PART);
  return written;
}
