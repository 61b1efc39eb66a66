// AdamUpdate: one step of Adam, or of RAdam, for one variable, in one pass over the memory.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import type {AdamUpdateAttributes} from '../../ops/adam-update.js';
import {withOutputs} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 15;

/**
 * The kernel function of AdamUpdate. Its inputs are value, first, second and gradient, float32 of one shape; it returns the new value and
 * moments in tensors of their own, since a clone of a variable, such as a snapshot of weights, shares the memory of the old ones.
 */
export const adamUpdateKernel: tf.KernelFunc = params => {
  const {value, first, second, gradient} = params.inputs as Record<string, tf.TensorInfo>;
  const read = [value!, first!, second!, gradient!];
  const {shape} = value!;
  if (read.some(x => x.dtype !== 'float32' || !tf.util.arraysEqual(x.shape, shape))) {
    throw new ValueError(
      `AdamUpdate: value, moments and gradient must be float32 tensors of one shape, but got ` +
        `${read.map(x => `${x.dtype} [${x.shape}]`).join(', ')}.`,
    );
  }
  const {decay1, decay2, scale, epsilon, size, isAdaptive} = params.attrs as unknown as AdamUpdateAttributes;
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  return withOutputs(backend, own => {
    const written = [0, 1, 2].map(() => own(backend.makeOutput(shape, 'float32')));
    const addresses = [...read, ...written].map(binary.address);
    const numbers = [decay1, 1 - decay1, decay2, 1 - decay2, scale, epsilon, size, Number(isAdaptive)];
    binary.split('updateAdam', [...addresses, ...numbers], tf.util.sizeFromShape(shape), MINIMUM_NUMBERS);
    return written;
  });
};
