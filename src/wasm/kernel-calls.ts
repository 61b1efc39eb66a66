// What a kernel of ours needs of the wasm backend: calls of other kernels, matrices cut out of a batch, and intermediates freed.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** What a kernel function is called with. */
export type KernelParams = Parameters<tf.KernelFunc>[0];

/** Takes an intermediate into care: it is freed when the kernel is done. */
export type Own = (tensor: tf.TensorInfo) => tf.TensorInfo;

/**
 * Runs the body of a kernel and frees the intermediates that it gave to `own`, also when it throws. Kernels call each other below the
 * engine, where no tidy sees what they make.
 */
export function withIntermediates(backend: BackendWasm, body: (own: Own) => tf.TensorInfo): tf.TensorInfo {
  const made: tf.TensorInfo[] = [];
  try {
    return body(tensor => {
      made.push(tensor);
      return tensor;
    });
  } finally {
    for (const {dataId} of made) backend.disposeData(dataId);
  }
}

/** Makes a tensor and runs `write`, which fills it; frees it where that throws. The caller owns it. */
export function withOutput(
  backend: BackendWasm,
  shape: number[],
  dtype: tf.DataType,
  write: (out: tf.TensorInfo) => void,
): tf.TensorInfo {
  const out = backend.makeOutput(shape, dtype);
  try {
    write(out);
    return out;
  } catch (error) {
    backend.disposeData(out.dataId);
    throw error;
  }
}

/** Runs the body of a kernel of several results, which it gives to `own` as it makes them; frees them where it throws. The caller owns them. */
export function withOutputs(backend: BackendWasm, body: (own: Own) => tf.TensorInfo[]): tf.TensorInfo[] {
  const made: tf.TensorInfo[] = [];
  try {
    return body(tensor => {
      made.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const {dataId} of made) backend.disposeData(dataId);
    throw error;
  }
}

/** Runs a registered wasm kernel of one output; the caller owns it. */
export function callKernel(
  name: string,
  backend: BackendWasm,
  inputs: tf.NamedTensorInfoMap,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo {
  return tf.getKernel(name, 'wasm').kernelFunc({inputs, backend, attrs}) as tf.TensorInfo;
}

/** A tensor on the memory of x; the caller owns it, and the memory lives as long as either. */
export function share(backend: BackendWasm, {dataId, shape, dtype}: tf.TensorInfo): tf.TensorInfo {
  backend.incRef(dataId);
  return {dataId, shape, dtype};
}

/** The same numbers under another shape; the caller owns the result, which shares its memory with x. */
export function reshape(backend: BackendWasm, x: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  return callKernel('Reshape', backend, {x}, {shape});
}

/** Exchanges the last two axes of [batch, rows, columns]; the caller owns the result. */
export function transposeMatrices(backend: BackendWasm, x: tf.TensorInfo): tf.TensorInfo {
  return callKernel('Transpose', backend, {x}, {perm: [0, 2, 1]});
}

/** A copy of the matrix at `index` of [batch, rows, columns], as [1, rows, columns]. The Slice kernel would read the whole batch for it. */
export function copyMatrix(backend: BackendWasm, x: tf.TensorInfo, index: number): tf.TensorInfo {
  const [, rows, columns] = x.shape as [number, number, number];
  const matrix = backend.makeOutput([1, rows, columns], 'float32');
  const start = index * rows * columns;
  // Both views are taken after the allocation, which may have moved the heap.
  backend.typedArrayFromHeap(matrix).set(backend.typedArrayFromHeap(x).subarray(start, start + rows * columns));
  return matrix;
}
