// What tests use of the webgpu backend beyond its types.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';

/** Private in the types of the backend. */
export interface Internals {
  device: GPUDevice;
  tensorMap: {get(dataId: object): {values: unknown; resource: GPUBuffer; dtype: tf.DataType}};
  commandEncoder: GPUCommandEncoder;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** As the backend keeps them: a boolean in a word of its own. */
export function typed(dtype: tf.DataType, bytes: ArrayBuffer): tf.backend_util.BackendValues {
  if (dtype === 'float32') return new Float32Array(bytes);
  const words = new Int32Array(bytes);
  return dtype === 'bool' ? Uint8Array.from(words) : words;
}
