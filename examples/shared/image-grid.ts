// Pictures of images of 28 x 28 side by side, as PNG files.
// SPDX-License-Identifier: Apache-2.0
import {encode} from 'fast-png';
import {ValueError, writeAtomically} from 'tfjs-moe/node';

/** Images of 784 values from 0 (black) to 1 (white): flat, or one by one, where undefined leaves a cell empty. */
export type GridImages = Float32Array | readonly (ArrayLike<number> | undefined)[];

/** How the cells lie. */
export interface ImageGridOptions {
  /** Cells a row. */
  columns: number;
  /** Default: as many as the images need. */
  rows?: number;
  /** A pixel of an image becomes a square of so many. A whole number; default 2. */
  scale?: number;
}

/** The side of an image, in its pixels. */
const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Between cells and around them, in pixels of an image. */
const GAP = 2;
/** Of the gaps and the empty cells: neither an image's paper nor its ink. */
const GRAY = 96;

/**
 * Draws images row by row into a gray PNG of 8 bits.
 *
 * @returns The file's bytes.
 * @throws ValueError for a value outside [0, 1], an image of another size, and where the cells are too few.
 */
export function imageGrid(images: GridImages, {columns, rows, scale = 2}: ImageGridOptions): Uint8Array {
  const cells = toCells('imageGrid', images);
  const needed = Math.ceil(cells.length / columns);
  const numRows = rows ?? needed;
  checkCounts('imageGrid', {columns, rows: numRows, scale});
  if (numRows < needed) {
    throw new ValueError(
      `imageGrid: rows (=${numRows}) must be at least ${needed} for ${cells.length} images in ${columns} columns.`,
    );
  }
  const [width, height] = [columns, numRows].map(count => GAP + count * (SIDE + GAP)) as [number, number];
  const small = new Uint8Array(width * height).fill(GRAY);
  cells.forEach((cell, i) => {
    if (!cell) return;
    const left = GAP + (i % columns) * (SIDE + GAP);
    const top = GAP + Math.floor(i / columns) * (SIDE + GAP);
    for (let j = 0; j < PIXELS; ++j) {
      const value = cell[j]!;
      if (!(value >= 0 && value <= 1)) {
        throw new ValueError(`imageGrid: pixel ${j} of image ${i} must be from 0 to 1, but got ${value}.`);
      }
      small[(top + Math.floor(j / SIDE)) * width + left + (j % SIDE)] = Math.round(255 * value);
    }
  });
  return encode({
    width: width * scale,
    height: height * scale,
    data: magnify(small, width, scale),
    depth: 8,
    channels: 1,
  });
}

/** Draws images into a file, which is replaced as a whole. */
export async function saveImageGrid(path: string, images: GridImages, options: ImageGridOptions): Promise<void> {
  await writeAtomically(path, imageGrid(images, options));
}

/**
 * Lays originals and their reconstructions out for `imageGrid` with as many columns: a row of originals, the row of their
 * reconstructions under it, and so on. The last two rows may have empty cells at their ends.
 */
export function pairRows(
  originals: GridImages,
  reconstructions: GridImages,
  columns: number,
): (ArrayLike<number> | undefined)[] {
  checkCounts('pairRows', {columns});
  const [upper, lower] = [toCells('pairRows', originals), toCells('pairRows', reconstructions)];
  if (upper.length !== lower.length) {
    throw new ValueError(
      `pairRows: there must be as many reconstructions as originals (${upper.length}), but got ${lower.length}.`,
    );
  }
  const paired: (ArrayLike<number> | undefined)[] = [];
  for (let begin = 0; begin < upper.length; begin += columns) {
    for (const row of [upper, lower]) for (let i = begin; i < begin + columns; ++i) paired.push(row[i]);
  }
  return paired;
}

function toCells(owner: string, images: GridImages): readonly (ArrayLike<number> | undefined)[] {
  const cells =
    images instanceof Float32Array
      ? Array.from({length: Math.ceil(images.length / PIXELS)}, (_, i) => images.subarray(i * PIXELS, (i + 1) * PIXELS))
      : images;
  if (cells.length === 0) throw new ValueError(`${owner}: there must be an image at least, but got none.`);
  cells.forEach((cell, i) => {
    if (cell && cell.length !== PIXELS) {
      throw new ValueError(`${owner}: image ${i} must have ${PIXELS} values, but has ${cell.length}.`);
    }
  });
  return cells;
}

function checkCounts(owner: string, counts: Record<string, number>): void {
  for (const [field, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ValueError(`${owner}: ${field} must be a whole number of at least 1, but got ${value}.`);
    }
  }
}

function magnify(pixels: Uint8Array, width: number, scale: number): Uint8Array {
  const wide = width * scale;
  const large = new Uint8Array(pixels.length * scale * scale);
  for (let i = 0; i < large.length; ++i) {
    const [row, column] = [Math.floor(i / wide), i % wide];
    large[i] = pixels[Math.floor(row / scale) * width + Math.floor(column / scale)]!;
  }
  return large;
}
