// Plays a backend that keeps its tensors on a device: what reads one back there fails. A test file mocks the reads with
// vi.mock('../../src/ops/host-read.js', async original => (await import('../support/device.js')).hostReads(await original()));
import type * as tf from '@tensorflow/tfjs-core';

type HostReads = typeof import('../../src/ops/host-read.js');

let isOnHost = true;

/** The reads of src/ops/host-read.ts, for vi.mock. */
export function hostReads(original: HostReads): HostReads {
  return {
    ...original,
    isOnHost: () => isOnHost,
    hostRead: (x: tf.Tensor) => {
      if (!isOnHost) throw new Error('a tensor was read back from the device');
      return original.hostRead(x);
    },
    hostResult: (fn: () => tf.Tensor) => {
      if (!isOnHost) throw new Error('a result was read back from the device');
      return original.hostResult(fn);
    },
  };
}

/** What fn gives where tensors are on a device. */
export function onDevice<T>(fn: () => T): T {
  isOnHost = false;
  try {
    return fn();
  } finally {
    isOnHost = true;
  }
}
