// What a webgpu device refuses it drops, with all that was sent together with it, and tells nobody who does not listen.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {Internals} from './webgpu-internals.js';

/** Lets the run fail when the active backend, webgpu, sends what its device refuses. */
export function failAtRefusals(): void {
  const {device} = tf.backend() as unknown as Internals;
  device.addEventListener('uncapturederror', ({error}) => {
    throw new Error(`webgpu refuses an operation: ${error.message}`);
  });
}
