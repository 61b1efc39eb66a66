// A picture shows its images pixel by pixel, in order, and nothing that is no image.
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {decode} from 'fast-png';
import {describe, expect, test} from 'vitest';
import {type GridImages, imageGrid, pairRows, saveImageGrid} from '../../examples/shared/image-grid.js';

const PIXELS = 784;
/** Cells of 28 with 2 between them and around them; 96 where no image is. */
const [STEP, GAP, BETWEEN] = [30, 2, 96];

/** Image i has pixel j at ((100 i + j) mod 256) / 255, so that no two are equal and each is a byte exactly. */
const example = (i: number) => Float32Array.from({length: PIXELS}, (_, j) => ((100 * i + j) % 256) / 255);
const examples = (count: number) => Array.from({length: count}, (_, i) => example(i));
const flat = (images: readonly Float32Array[]) => Float32Array.from(images.flatMap(image => [...image]));

/** The pixel that the picture must have, found pixel by pixel from its place. */
function pixelAt(images: readonly (ArrayLike<number> | undefined)[], columns: number, x: number, y: number): number {
  const [column, row] = [Math.floor((x - GAP) / STEP), Math.floor((y - GAP) / STEP)];
  const [dx, dy] = [x - GAP - column * STEP, y - GAP - row * STEP];
  const image = column >= 0 && column < columns && row >= 0 ? images[row * columns + column] : undefined;
  return image && dx < 28 && dy < 28 ? Math.round(image[dy * 28 + dx]! * 255) : BETWEEN;
}

describe('imageGrid', () => {
  for (const scale of [1, 3]) {
    test(`the picture decodes to the images and the gaps, each pixel ${scale} x ${scale}`, () => {
      const images = examples(5);
      const {width, height, channels, depth, data} = decode(imageGrid(flat(images), {columns: 3, scale}));
      expect([width, height, channels, depth]).toEqual([(GAP + 3 * STEP) * scale, (GAP + 2 * STEP) * scale, 1, 8]);
      const expected = Uint8Array.from({length: width * height}, (_, k) =>
        pixelAt(images, 3, Math.floor((k % width) / scale), Math.floor(Math.floor(k / width) / scale)),
      );
      expect(Buffer.compare(Buffer.from(data as Uint8Array), expected)).toBe(0);
    });
  }

  test('the file begins as a PNG of 8 bits of gray must', () => {
    const bytes = Buffer.from(imageGrid(examples(1), {columns: 1}));
    // Signature; IHDR of 13 bytes: width and height 2 x 32, depth 8, colour type 0 (gray), deflate, filters, not interlaced.
    const header = '89504e470d0a1a0a' + '0000000d49484452' + '00000040' + '00000040' + '0800000000';
    expect(bytes.subarray(0, 29).toString('hex')).toBe(header);
  });

  test('a value between two bytes becomes the nearer one', () => {
    // 100.4 and 100.6 of 255.
    const image = Array.from({length: PIXELS}, (_, j) => (j % 2 === 0 ? 100.4 : 100.6) / 255);
    const {width, data} = decode(imageGrid([image], {columns: 1, scale: 1}));
    expect([...data.slice(GAP * width + GAP, GAP * width + GAP + 4)]).toEqual([100, 101, 100, 101]);
  });

  test('plain numbers, an empty cell, and rows to spare are drawn', () => {
    const images = [Array.from(example(0)), undefined, example(2)];
    const {width, height, data} = decode(imageGrid(images, {columns: 2, rows: 3, scale: 1}));
    expect([width, height]).toEqual([GAP + 2 * STEP, GAP + 3 * STEP]);
    const expected = Uint8Array.from({length: width * height}, (_, k) =>
      pixelAt(images, 2, k % width, Math.floor(k / width)),
    );
    expect(Buffer.compare(Buffer.from(data as Uint8Array), expected)).toBe(0);
  });

  test('a value outside [0, 1], an image of another size, and no image are refused', () => {
    for (const value of [-0.01, 1.001, Number.NaN, Number.POSITIVE_INFINITY]) {
      const images = examples(2);
      images[1]![7] = value;
      expect(() => imageGrid(images, {columns: 2})).toThrow('imageGrid: pixel 7 of image 1 must be from 0 to 1');
    }
    expect(() => imageGrid([[0, 1]], {columns: 1})).toThrow('imageGrid: image 0 must have 784 values, but has 2.');
    expect(() => imageGrid(new Float32Array(PIXELS + 1), {columns: 1})).toThrow('image 1 must have 784 values');
    expect(() => imageGrid([], {columns: 1})).toThrow('there must be an image at least');
  });

  test('counts that are no whole numbers from 1, and too few rows, are refused', () => {
    const images = examples(3);
    for (const wrong of [0, 1.5, Number.NaN]) {
      expect(() => imageGrid(images, {columns: wrong})).toThrow(
        'imageGrid: columns must be a whole number of at least 1',
      );
      expect(() => imageGrid(images, {columns: 1, scale: wrong})).toThrow('scale must be a whole number');
      expect(() => pairRows(images, images, wrong)).toThrow('pairRows: columns must be a whole number');
    }
    expect(() => imageGrid(images, {columns: 2, rows: 1})).toThrow(
      'imageGrid: rows (=1) must be at least 2 for 3 images in 2 columns.',
    );
  });
});

describe('saveImageGrid', () => {
  test('the file holds the picture, and nothing else is left beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-grid-'));
    try {
      const path = join(folder, 'pictures', 'grid.png');
      await saveImageGrid(path, examples(4), {columns: 2});
      expect(new Uint8Array(await readFile(path))).toEqual(imageGrid(examples(4), {columns: 2}));
      expect(await readdir(join(folder, 'pictures'))).toEqual(['grid.png']);
    } finally {
      await rm(folder, {recursive: true});
    }
  });
});

describe('pairRows', () => {
  test('a row of originals stands over the row of their reconstructions, and the last ones may be shorter', () => {
    const [originals, reconstructions] = [examples(5), examples(10).slice(5)];
    const [a, b] = [originals, reconstructions];
    const expected: GridImages = [a[0], a[1], a[2], b[0], b[1], b[2], a[3], a[4], undefined, b[3], b[4], undefined];
    expect(pairRows(originals, reconstructions, 3)).toEqual(expected);
    expect(pairRows(flat(originals), flat(reconstructions), 3)).toEqual(expected);
  });

  test('originals and reconstructions of different numbers are refused', () => {
    expect(() => pairRows(examples(3), examples(2), 2)).toThrow(
      'pairRows: there must be as many reconstructions as originals (3), but got 2.',
    );
  });
});
