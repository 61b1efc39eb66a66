// Windows of text: what the model reads, and what it should have read next.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from 'tfjs-moe/estimators';

/** Windows as the model takes them; the caller owns the tensors. */
export interface WindowBatch {
  /** int32 [windows, context]. */
  bytes: tf.Tensor2D;
  /** int32 [windows * context]: the byte after each. */
  labels: tf.Tensor1D;
}

/** Where windows may begin so that the byte after the last is still in the text. */
const places = (text: Uint8Array, context: number) => text.length - context;

/** Beginnings drawn from the stream, each place equally likely. */
export function randomWindows(text: Uint8Array, context: number, count: number, random: RandomSource): number[] {
  return Array.from(random.uniform(count), uniform => Math.floor(uniform * places(text, context)));
}

/** Beginnings of windows side by side, or of `limit` of them, evenly spread. */
export function tiledWindows(text: Uint8Array, context: number, limit = Number.POSITIVE_INFINITY): number[] {
  const all = Math.floor((places(text, context) - 1) / context) + 1;
  const count = Math.min(all, limit);
  return Array.from({length: count}, (_, i) => Math.floor((i * all) / count) * context);
}

/** Cuts windows out of the text. */
export function cutWindows(text: Uint8Array, context: number, begins: readonly number[]): WindowBatch {
  const cut = (offset: number) => {
    const values = new Int32Array(begins.length * context);
    begins.forEach((begin, i) => {
      values.set(text.subarray(begin + offset, begin + offset + context), i * context);
    });
    return values;
  };
  return {bytes: tf.tensor2d(cut(0), [begins.length, context], 'int32'), labels: tf.tensor1d(cut(1), 'int32')};
}
