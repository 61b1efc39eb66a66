// Rows of images as a network takes them: gray, binarised anew at each visit, or as they are where the set is binary.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {pickRows} from '../shared/rows.js';
import {PIXELS} from './image-files.js';

/** How the bytes of images become numbers. */
export interface PixelOptions {
  /** Whether the bytes are 0 and 1, and are taken so. Default: they are 0 to 255. */
  isBinary?: boolean;
  /** Each pixel becomes 1 with probability byte / 255, from this stream. Default: byte / 255 itself. A binary set draws nothing. */
  random?: RandomSource | undefined;
}

/**
 * The named images as a flat array of [rows.length, 784], from 0 to 1.
 *
 * @param images [count, 784] bytes.
 * @param rows Which images, in that order.
 */
export function pixelRows(
  images: Uint8Array,
  rows: Uint32Array,
  {isBinary = false, random}: PixelOptions = {},
): Float32Array {
  const bytes = pickRows(images, PIXELS, rows);
  if (isBinary) return new Float32Array(bytes);
  if (random) return new Float32Array(binarize(bytes, random));
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; ++i) values[i] = bytes[i]! / 255;
  return values;
}

/** Each byte as 1 with probability byte / 255 and else 0: 0 is always 0 and 255 always 1. */
export function binarize(bytes: Uint8Array, random: RandomSource): Uint8Array {
  const uniforms = random.uniform(bytes.length);
  const bits = new Uint8Array(bytes.length);
  for (let i = 0; i < bits.length; ++i) bits[i] = uniforms[i]! * 255 < bytes[i]! ? 1 : 0;
  return bits;
}
