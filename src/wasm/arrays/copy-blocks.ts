// Blocks of a tensor copied at even distances into another tensor: what slices, reversals and repetitions are made of.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ownKernels} from '../own-kernels.js';

/** Bytes of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_BYTES = 2 ** 18;

/** How many blocks of so many bytes a thread's part has at least. */
export const minimumParts = (bytes: number): number => Math.ceil(MINIMUM_BYTES / bytes);

/** Whether our copies know a tensor's dtype; strings do not lie in the memory. */
export const isNumeric = ({dtype}: tf.TensorInfo): boolean => ['float32', 'int32', 'bool'].includes(dtype);

/** Blocks of `size` elements; places and strides are counts of elements as well, and a stride may be negative. */
export interface Blocks {
  count: number;
  size: number;
  fromStart: number;
  fromStride: number;
  toStart: number;
  toStride: number;
}

/** Copies blocks from one tensor to another of the same dtype. The caller answers for the bounds, and has made all tensors before. */
export function copyBlocks(backend: BackendWasm, from: tf.TensorInfo, to: tf.TensorInfo, blocks: Blocks): void {
  const {count, size, fromStart, fromStride, toStart, toStride} = blocks;
  const binary = ownKernels(backend);
  if (binary) {
    const width = tf.util.bytesPerElement(from.dtype);
    const [start, end] = [binary.address(from) + fromStart * width, binary.address(to) + toStart * width];
    const args = [start, end, size * width, fromStride * width, toStride * width];
    binary.split('copyBlocks', args, count, minimumParts(size * width));
    return;
  }
  const source = backend.typedArrayFromHeap(from);
  const target = backend.typedArrayFromHeap(to);
  for (let i = 0; i < count; ++i) {
    const at = fromStart + i * fromStride;
    if (size === 1) target[toStart + i * toStride] = source[at]!;
    else target.set(source.subarray(at, at + size), toStart + i * toStride);
  }
}
