// Reads a tensor's values at once, where that does not wait for a device. The only file in which dataSync stands.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Backends that keep every tensor in the memory of the process, so that a read is a copy and waits for nothing. Tests take one away to play a device. */
export const HOST_BACKENDS: Set<string> = new Set(['cpu', 'wasm', 'tensorflow']);

/** Tells whether the active backend keeps its tensors on the host: cpu, wasm and tfjs-node do, webgl and webgpu do not. */
export function isOnHost(): boolean {
  return HOST_BACKENDS.has(tf.getBackend());
}

/**
 * Reads a tensor's values. Call it only where `isOnHost()`: on a GPU it would block a browser, and it fails on WebGPU in Node.
 *
 * @param x Any tensor of numbers.
 * @returns Its values in row-major order; a copy.
 * @throws {Error} where tensors are on a device: a fault of the caller.
 */
export function hostRead(x: tf.Tensor): Float32Array | Int32Array | Uint8Array {
  if (!isOnHost())
    throw new Error(`hostRead: a tensor would be read back from the device of the backend ${tf.getBackend()}.`);
  return x.dataSync();
}

/**
 * Computes a tensor, reads it and lets it go. What `tf.tidy` returns is searched for tensors, an array value by value, so that a large one
 * must not be returned from it. Call it only where `isOnHost()`.
 *
 * @param fn Makes the tensor; what else it makes is disposed of.
 */
export function hostResult(fn: () => tf.Tensor): Float32Array {
  const result = tf.tidy(fn);
  const values = hostRead(result);
  result.dispose();
  return values as Float32Array;
}

/**
 * Reads a scalar that was written from the host and that no kernel has computed, such as a step counter or a temperature kept as a
 * weight. Such a value has never left the host, on a GPU backend neither, so that the read waits for nothing.
 *
 * @param x A tensor of one element.
 * @returns Its value.
 */
export function hostScalar(x: tf.Tensor): number {
  return x.dataSync()[0]!;
}
