// Asks the active backend for a kernel of ours, which does in one pass what takes several ops.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Whether the active backend has the kernel. Who asks must be able to do without. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/**
 * Runs a kernel that the active backend has, by `hasKernel`. It has no gradient: call it where no tape records.
 *
 * @returns Its outputs, owned by the caller.
 */
export function runKernel(name: string, inputs: Record<string, tf.Tensor>, attributes: object = {}): tf.Tensor[] {
  const outputs = tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** Runs a kernel of one output, or gives undefined where the active backend has no such kernel. */
export function runFused(
  name: string,
  inputs: Record<string, tf.Tensor>,
  attributes: object = {},
): tf.Tensor | undefined {
  return hasKernel(name) ? runKernel(name, inputs, attributes)[0] : undefined;
}
