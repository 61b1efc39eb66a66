// CategoricalSample and TopKMask: choices in the rows of a tensor without a copy of it to the host.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';

/** Called with the number of a row in which there is nothing to choose; it throws. */
type OnBadRow = (row: number) => never;

/** A one-hot of each row of probs, by one of the float64 `uniforms` a row. */
export const categoricalSampleKernel: tf.KernelFunc = params => {
  const probs = params.inputs.probs as tf.TensorInfo;
  const {uniforms, onBadRow} = params.attrs as unknown as {uniforms: Float64Array; onBadRow: OnBadRow};
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  const [numRows, columns] = rowsOf('CategoricalSample', probs);
  if (uniforms.length !== numRows) {
    throw new ValueError(
      `CategoricalSample: there must be ${numRows} uniforms, one a row, but there are ${uniforms.length}.`,
    );
  }
  return withIntermediates(backend, own => {
    const words = own(copyToMemory(backend, uniforms));
    return withOutput(backend, probs.shape, 'float32', sample => {
      const [from, at, to] = [probs, words, sample].map(binary.address) as [number, number, number];
      const badRow = binary.exports.sampleCategories(from, at, to, numRows, columns);
      if (badRow >= 0) onBadRow(badRow);
    });
  });
};

/** A mask of the k largest entries of each row of x. */
export const topKMaskKernel: tf.KernelFunc = params => {
  const x = params.inputs.x as tf.TensorInfo;
  const {k, onBadRow} = params.attrs as unknown as {k: number; onBadRow: OnBadRow};
  const backend = params.backend as BackendWasm;
  const binary = ownKernels(backend)!;
  const [numRows, columns] = rowsOf('TopKMask', x);
  return withOutput(backend, x.shape, 'float32', mask => {
    const badRow = binary.exports.markLargest(binary.address(x), binary.address(mask), k, numRows, columns);
    if (badRow >= 0) onBadRow(badRow);
  });
};

/** A tensor with the bits of float64 numbers; no dtype of tfjs has their size. */
export function copyToMemory(backend: BackendWasm, values: Float64Array): tf.TensorInfo {
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length);
  return backend.makeOutput([words.length], 'int32', undefined, words);
}

function rowsOf(owner: string, x: tf.TensorInfo): [numRows: number, columns: number] {
  const columns = x.shape[x.shape.length - 1];
  const size = tf.util.sizeFromShape(x.shape);
  if (x.dtype !== 'float32' || columns === undefined || size === 0) {
    throw new ValueError(`${owner}: the input must be a float32 tensor with rows, but got ${x.dtype} [${x.shape}].`);
  }
  return [size / columns, columns];
}
