// Keeps the stock product from reusing a packed right operand under another shape.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {copyMatrix, type Own} from '../kernel-calls.js';

/** Returns b, or a copy of it where the stock kernel has packed its memory under another shape. */
export type SafeRightOperand = (backend: BackendWasm, b: tf.TensorInfo, own: Own) => tf.TensorInfo;

/**
 * The stock kernel packs a right operand once and finds it again by the identity of its memory, which a reshaped tensor shares: after a
 * product with b [2, 3], a product with reshape(b, [3, 2]) is computed with the shape [2, 3] and is wrong, in size and in values. So the
 * width that a memory was packed with is remembered, for as long as that memory lives, and a reshaped operand is copied.
 *
 * @returns A function of b, [1, rows, columns]. What was multiplied before this call is unknown to it.
 */
export function rememberRightOperands(): SafeRightOperand {
  const widths = new WeakMap<object, number>();
  return (backend, b, own) => {
    const width = b.shape[2]!;
    const packed = widths.get(b.dataId);
    if (packed === undefined) widths.set(b.dataId, width);
    return packed === undefined || packed === width ? b : own(copyMatrix(backend, b, 0));
  };
}
