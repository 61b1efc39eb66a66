// A drawing as MNIST has its digits: shrunk into 20 x 20 pixels, and its ink's centre of mass in the middle of 28 x 28.
// SPDX-License-Identifier: Apache-2.0
import {PIXELS, SIDE} from './asset.js';

/** The longer side of a digit's box, in pixels. */
const BOX = 20;
/** Where the centre of mass lies: in the middle of the pixel of row and column 14, counted from 0, as in MNIST's files. */
const CENTER = 14.5;
/** What is less is no ink. */
const FAINT = 0.02;

/**
 * Shrinks (or enlarges) and moves a drawing, each pixel of the result the mean over its place in the drawing. Source: the description
 * of the data set by LeCun, Cortes and Burges.
 *
 * @param ink [height * width], from 0 (paper) to 1 (ink), row by row.
 * @param width Of the drawing.
 * @returns [PIXELS], from 0 to 1; undefined for a drawing without ink.
 */
export function centerDigit(ink: Float32Array, width: number): Float32Array | undefined {
  const height = ink.length / width;
  const found = extent(ink, width);
  if (!found) return undefined;
  const scale = BOX / found.size;
  const across = overlaps(width, scale, found.x);
  const down = overlaps(height, scale, found.y);
  const digit = new Float32Array(PIXELS);
  for (let row = 0; row < SIDE; ++row) {
    for (let column = 0; column < SIDE; ++column) {
      let sum = 0;
      for (const [y, byRow] of down[row]!) {
        for (const [x, byColumn] of across[column]!) sum += byRow * byColumn * ink[y * width + x]!;
      }
      digit[row * SIDE + column] = Math.min(1, sum * scale * scale);
    }
  }
  return digit;
}

/** The longer side of the box of all ink, and the centre of mass, in pixels of the drawing. */
function extent(ink: Float32Array, width: number): {size: number; x: number; y: number} | undefined {
  let [left, right, top, bottom] = [Number.POSITIVE_INFINITY, -1, Number.POSITIVE_INFINITY, -1];
  let [mass, x, y] = [0, 0, 0];
  ink.forEach((value, i) => {
    if (value < FAINT) return;
    const [row, column] = [Math.floor(i / width), i % width];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    mass += value;
    x += value * (column + 0.5);
    y += value * (row + 0.5);
  });
  if (mass === 0) return undefined;
  return {size: Math.max(right - left, bottom - top) + 1, x: x / mass, y: y / mass};
}

/** For each pixel of the result along one axis, the pixels of the drawing under it, and how much of each, in pixels of the drawing. */
function overlaps(length: number, scale: number, center: number): [number, number][][] {
  return Array.from({length: SIDE}, (_, i) => {
    const begin = center + (i - CENTER) / scale;
    const end = center + (i + 1 - CENTER) / scale;
    const under: [number, number][] = [];
    for (let at = Math.max(0, Math.floor(begin)); at < Math.min(length, end); ++at) {
      under.push([at, Math.min(end, at + 1) - Math.max(begin, at)]);
    }
    return under;
  });
}
