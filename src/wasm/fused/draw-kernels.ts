// CategoricalSample and TopKMask: choices in the rows of a tensor without a copy of it to the host.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';

type KernelParams = Parameters<tf.KernelFunc>[0];

/** Called with the number of a row in which there is nothing to choose; it throws. */
type OnBadRow = (row: number) => never;

/** A one-hot of each row of probs, by one of the float64 `uniforms` a row. */
export function categoricalSample({inputs, backend, attrs}: KernelParams): tf.TensorInfo {
  const probs = inputs.probs as tf.TensorInfo;
  const {uniforms, onBadRow} = attrs as unknown as {uniforms: Float64Array; onBadRow: OnBadRow};
  const wasm = backend as BackendWasm;
  const own = ownKernels(wasm)!;
  const [numRows, columns] = rowsOf('CategoricalSample', probs);
  if (uniforms.length !== numRows) {
    throw new Error(
      `CategoricalSample: there must be ${numRows} uniforms, one a row, but there are ${uniforms.length}.`,
    );
  }
  return withIntermediates(wasm, intermediate => {
    const words = intermediate(copyToMemory(wasm, uniforms));
    return chosen(wasm, probs, onBadRow, sample =>
      own.exports.sampleCategories(own.address(probs), own.address(words), own.address(sample), numRows, columns),
    );
  });
}

/** A mask of the k largest entries of each row of x. */
export function topKMaskKernel({inputs, backend, attrs}: KernelParams): tf.TensorInfo {
  const x = inputs.x as tf.TensorInfo;
  const {k, onBadRow} = attrs as unknown as {k: number; onBadRow: OnBadRow};
  const own = ownKernels(backend as BackendWasm)!;
  const [numRows, columns] = rowsOf('TopKMask', x);
  return chosen(backend as BackendWasm, x, onBadRow, mask =>
    own.exports.markLargest(own.address(x), own.address(mask), k, numRows, columns),
  );
}

/** A tensor with the bits of float64 numbers; no dtype of tfjs has their size. */
export function copyToMemory(backend: BackendWasm, values: Float64Array): tf.TensorInfo {
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length);
  return backend.makeOutput([words.length], 'int32', undefined, words);
}

function rowsOf(owner: string, x: tf.TensorInfo): [numRows: number, columns: number] {
  const columns = x.shape[x.shape.length - 1];
  const size = tf.util.sizeFromShape(x.shape);
  if (x.dtype !== 'float32' || columns === undefined || size === 0) {
    throw new Error(`${owner}: the input must be a float32 tensor with rows, but got ${x.dtype} [${x.shape}].`);
  }
  return [size / columns, columns];
}

/** Makes a tensor of the shape of x by `choose`, which gives -1 or the number of a bad row. */
function chosen(
  backend: BackendWasm,
  x: tf.TensorInfo,
  onBadRow: OnBadRow,
  choose: (out: tf.TensorInfo) => number,
): tf.TensorInfo {
  const out = backend.makeOutput(x.shape, 'float32');
  let badRow = 0;
  try {
    badRow = choose(out);
    if (badRow >= 0) onBadRow(badRow);
  } catch (error) {
    backend.disposeData(out.dataId);
    throw error;
  }
  return out;
}
