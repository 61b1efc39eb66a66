// UnsortedSegmentSum for wasm, the gradient of gather and so of an embedding: each row added to its segment, in one pass.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {ownKernels} from '../own-kernels.js';
import {isNumeric} from './copy-blocks.js';

/** Additions of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_ADDITIONS = 2 ** 16;

/**
 * The kernel function of UnsortedSegmentSum: x [rows, ...], segmentIds int32 [rows], to [numSegments, ...] of the sums of the rows of each
 * segment. Rows whose segment is not within [0, numSegments) are left out.
 *
 * As on webgl and in TensorFlow, and other than on cpu, sums of int32 and bool are int32, and a NaN reaches its own segment alone.
 *
 * @throws ValueError if the shapes do not match.
 */
export const unsortedSegmentSumKernel: tf.KernelFunc = params => {
  const {x, segmentIds} = params.inputs as {x: tf.TensorInfo; segmentIds: tf.TensorInfo};
  const {numSegments} = params.attrs as {numSegments: number};
  const backend = params.backend as BackendWasm;
  if (segmentIds.shape.length !== 1 || segmentIds.shape[0] !== x.shape[0] || segmentIds.dtype !== 'int32') {
    throw new ValueError(
      `unsortedSegmentSum: segmentIds must be int32 of shape [${x.shape[0] ?? 'rows'}], one for each row of x [${x.shape}], ` +
        `but got ${segmentIds.dtype} [${segmentIds.shape}].`,
    );
  }
  if (!(numSegments >= 0)) {
    throw new ValueError(`unsortedSegmentSum: numSegments must not be negative, but got ${numSegments}.`);
  }
  if (!isNumeric(x)) {
    throw new ValueError(`unsortedSegmentSum: x must be float32, int32 or bool, but got ${x.dtype}.`);
  }

  const shape = [numSegments, ...x.shape.slice(1)];
  const out = backend.makeOutput(shape, x.dtype === 'float32' ? 'float32' : 'int32');
  const numRows = x.shape[0]!;
  const numColumns = tf.util.sizeFromShape(shape.slice(1));
  if (numSegments * numColumns === 0) return out;
  const binary = ownKernels(backend);
  if (binary && x.dtype !== 'bool') {
    const args = [binary.address(x), binary.address(segmentIds), binary.address(out), numRows, numColumns, numSegments];
    // A worker writes a cache line or more of a row.
    const minimum = Math.max(16, Math.ceil(MINIMUM_ADDITIONS / numRows));
    binary.split(x.dtype === 'float32' ? 'segmentSum' : 'segmentSumInteger', args, numColumns, minimum);
    return out;
  }
  const from = backend.typedArrayFromHeap(x);
  const segments = backend.typedArrayFromHeap(segmentIds);
  const to = backend.typedArrayFromHeap(out).fill(0);
  for (let row = 0; row < numRows; ++row) {
    const segment = segments[row]!;
    if (segment < 0 || segment >= numSegments) continue;
    for (let c = 0; c < numColumns; ++c) to[segment * numColumns + c]! += from[row * numColumns + c]!;
  }
  return out;
};
