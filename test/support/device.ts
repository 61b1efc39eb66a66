// Plays a backend that keeps its tensors on a device: the library is told so of the active one, and what reads a tensor back fails.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {test} from 'vitest';
import {HOST_BACKENDS} from '../../src/ops/host-read.js';
import {BACKENDS} from './each-backend.js';

/** Whether the suites of this row run where tensors are on the host, and their values are checked. */
export const ON_HOST = BACKENDS.every(backend => HOST_BACKENDS.has(backend));

/** For the title of a test that is skipped elsewhere. */
export const WHY_ON_HOST = ON_HOST ? '' : ' (skipped: values are read only where tensors are on the host)';

/** Ways that the host alone has, as cases of `each`; none on a row of a device, where a skipped test says so. */
export function hostWays<T>(title: string, ...ways: T[]): T[] {
  if (!ON_HOST) test.skip(title + WHY_ON_HOST, () => {});
  return ON_HOST ? ways : [];
}

/** What fn gives where tensors are on the host: on the active backend, or on cpu where that one is a device. */
export function onHost<T>(fn: () => T): T {
  const backend = tf.getBackend();
  if (HOST_BACKENDS.has(backend)) return fn();
  // Both backends are there already, so that the change is made within the call.
  void tf.setBackend('cpu');
  try {
    return fn();
  } finally {
    void tf.setBackend(backend);
  }
}

/** What fn gives where tensors are on a device. */
export function onDevice<T>(fn: () => T): T {
  const backend = tf.getBackend();
  const wasOnHost = HOST_BACKENDS.delete(backend);
  try {
    return fn();
  } finally {
    if (wasOnHost) HOST_BACKENDS.add(backend);
  }
}
