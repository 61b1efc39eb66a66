// Batches of images are what a slow program makes of the same draws, moves are as likely as they should be, and halves are halves.
import {describe, expect, test} from 'vitest';
import {type Augmentation, imageBatch} from '../../examples/data/augment.js';
import {firstImages, type LabelledImages} from '../../examples/data/labelled-images.js';
import {splitHalves} from '../../examples/data/split-halves.js';
import {type RandomSource, seeded} from '../../src/estimators/index.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';

/** Half a step of float32 at numbers below 4. */
const ROUNDING = 2 ** -23;

/** Images wider than high, so that an exchange of the axes shows; no byte is 0, which stands for what moves in. */
const [HEIGHT, WIDTH, CHANNELS, COUNT] = [5, 6, 3, 4];
const SIZE = HEIGHT * WIDTH * CHANNELS;
const IMAGES: LabelledImages = {
  height: HEIGHT,
  width: WIDTH,
  channels: CHANNELS,
  count: COUNT,
  pixels: Uint8Array.from({length: COUNT * SIZE}, (_, k) => 1 + ((k * 37) % 255)),
  labels: Uint8Array.of(3, 1, 4, 1),
};
const STATISTICS = {means: [0.5, 0.4, 0.3], deviations: [0.2, 0.25, 0.3]};
const rowsOf = (...rows: number[]) => Uint32Array.from(rows);

/** A byte of an image; 0 outside of it. */
const byteAt = (row: number, y: number, x: number, c: number) =>
  y < 0 || y >= HEIGHT || x < 0 || x >= WIDTH ? 0 : IMAGES.pixels[((row * HEIGHT + y) * WIDTH + x) * CHANNELS + c]!;
const normal = (byte: number, c: number) => (byte / 255 - STATISTICS.means[c]!) / STATISTICS.deviations[c]!;

/** torchvision step by step: a mirrored copy, a frame of zeros around it, a window out of that, and then the normalisation. */
function slowImage(row: number, isMirrored: boolean, top: number, left: number, padding: number): number[] {
  const frame: number[][][] = [];
  for (let y = -padding; y < HEIGHT + padding; ++y) {
    const line: number[][] = [];
    for (let x = -padding; x < WIDTH + padding; ++x) {
      line.push([0, 1, 2].map(c => byteAt(row, y, isMirrored ? WIDTH - 1 - x : x, c)));
    }
    frame.push(line);
  }
  const cropped = frame.slice(top, top + HEIGHT).map(line => line.slice(left, left + WIDTH));
  return cropped.flatMap(line => line.flatMap(pixel => pixel.map(normal)));
}

/** A source that gives these numbers. */
const given = (...values: number[]): RandomSource => ({
  uniform: count => Float64Array.from(values.splice(0, count)),
  split: () => given(...values),
});

const expectSame = (actual: Float32Array, expected: readonly number[]) => {
  expect(actual).toHaveLength(expected.length);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  expect(worst).toBeLessThan(ROUNDING);
};

describe('imageBatch', () => {
  test('without augmentation it is the named images, normalised by channel, in the order of the rows', () => {
    const rows = rowsOf(2, 0, 2);
    const expected = Array.from(rows).flatMap(row => slowImage(row, false, 0, 0, 0));
    expectSame(imageBatch(IMAGES, rows, {statistics: STATISTICS}), expected);
    expect(imageBatch(IMAGES, rowsOf(), {statistics: STATISTICS})).toHaveLength(0);
  });

  test('each mirror and each move is what the slow program makes of it', () => {
    for (const padding of [0, 2, 4]) {
      const numShifts = 2 * padding + 1;
      for (const isMirrored of [false, true]) {
        for (let top = 0; top < numShifts; ++top) {
          for (let left = 0; left < numShifts; ++left) {
            // A window that begins at the frame's left edge moves the image to the right: the middle of the draw's interval is given.
            const [down, right] = [top, left].map(begin => (2 * padding - begin + 0.5) / numShifts) as [number, number];
            const random = given(isMirrored ? 0.49 : 0.51, down, right);
            const batch = imageBatch(IMAGES, rowsOf(1), {
              statistics: STATISTICS,
              augmentation: {random, mirror: true, padding},
            });
            expectSame(batch, slowImage(1, isMirrored, top, left, padding));
          }
        }
      }
    }
  });

  test('images of a batch are varied by draws of their own, also where a row is named twice', () => {
    const random = given(0.1, 0.5, 0.5, 0.9, 0.01, 0.99);
    const batch = imageBatch(IMAGES, rowsOf(3, 3), {statistics: STATISTICS, augmentation: {random, mirror: true}});
    // The first is mirrored and stays; the second moves up by 4 and to the right by 4, which is the frame's bottom left window.
    expectSame(batch, [...slowImage(3, true, 4, 4, 4), ...slowImage(3, false, 8, 0, 4)]);
  });

  test('without mirror no image is mirrored, and the moves are the same', () => {
    const random = given(0.1, 0.3, 0.8);
    const batch = imageBatch(IMAGES, rowsOf(0), {statistics: STATISTICS, augmentation: {random, mirror: false}});
    // .3 * 9 = 2.7 moves by -2 and .8 * 9 = 7.2 by 3: windows from 6 and from 1 of the frame.
    expectSame(batch, slowImage(0, false, 6, 1, 4));
  });

  // One lit pixel in the middle of an image of 11 x 11 says where it went; the brighter one right of it, whether it was mirrored.
  test('moves by -4 to 4 are equally likely in each direction, mirrored are half, and all three are independent', () => {
    const [side, middle, draws] = [11, 5, 20_000];
    const pixels = new Uint8Array(side * side);
    pixels.set([100, 200], middle * side + middle);
    const image: LabelledImages = {width: side, height: side, channels: 1, count: 1, pixels, labels: Uint8Array.of(0)};
    const batch = imageBatch(image, new Uint32Array(draws), {
      statistics: {means: [0], deviations: [1 / 255]},
      augmentation: {random: seeded(3), mirror: true},
    });
    const counts: number[] = Array(2 * 9 * 9).fill(0);
    for (let i = 0; i < draws; ++i) {
      const shown = batch.subarray(i * side * side, (i + 1) * side * side);
      const at = shown.findIndex(value => Math.round(value) === 100);
      const isMirrored = Math.round(shown[at + 1]!) !== 200;
      const [y, x] = [Math.floor(at / side), at % side];
      ++counts[(Number(isMirrored) * 9 + (y - middle + 4)) * 9 + (x - middle + 4)]!;
    }
    expect(counts.reduce((a, b) => a + b)).toBe(draws);
    expect(
      chiSquare(
        counts,
        counts.map(() => draws / counts.length),
      ),
    ).toBeLessThan(chiSquareBound(counts.length - 1));
  });

  test('a batch is a function of the seed and the step', () => {
    const rows = Uint32Array.from({length: 50}, (_, i) => i % COUNT);
    const at = (seed: number, step: number) => {
      const augmentation: Augmentation = {random: seeded(seed).split(step), mirror: true};
      return imageBatch(IMAGES, rows, {statistics: STATISTICS, augmentation});
    };
    expect(at(1, 7)).toEqual(at(1, 7));
    expect(at(1, 7)).not.toEqual(at(1, 8));
    expect(at(1, 7)).not.toEqual(at(2, 7));
  });

  test('a row that there is not, statistics of other channels, and a padding that is no count are refused', () => {
    const statistics = STATISTICS;
    expect(() => imageBatch(IMAGES, rowsOf(4), {statistics})).toThrow('a row must be from 0 to 3, but got 4.');
    // The memory may hold more than the images that are used.
    expect(() => imageBatch(firstImages(IMAGES, 2), rowsOf(2), {statistics})).toThrow('from 0 to 1, but got 2.');
    expect(() => imageBatch(IMAGES, rowsOf(0), {statistics: {means: [0], deviations: [1]}})).toThrow(
      'imageBatch: statistics must have a mean and a deviation for each of 3 channels, but have 1 and 1.',
    );
    for (const padding of [-1, 0.5, Number.NaN]) {
      const augmentation: Augmentation = {random: seeded(0), mirror: true, padding};
      expect(() => imageBatch(IMAGES, rowsOf(0), {statistics, augmentation})).toThrow(
        `imageBatch: padding must be a whole number of at least 0, but got ${padding}.`,
      );
    }
  });
});

describe('splitHalves', () => {
  for (const count of [2, 3, 1000, 1001]) {
    test(`of ${count} rows each is in one half, and the halves differ by one at most`, () => {
      const {train, valid} = splitHalves(count, 5);
      expect([train.length, valid.length]).toEqual([Math.ceil(count / 2), Math.floor(count / 2)]);
      expect([...train, ...valid].sort((a, b) => a - b)).toEqual(Array.from({length: count}, (_, i) => i));
      for (const half of [train, valid]) expect(half).toEqual(half.toSorted());
    });
  }

  test('the same seed gives the same halves, and another seed others', () => {
    expect(splitHalves(1000, 5)).toEqual(splitHalves(1000, 5));
    expect(splitHalves(1000, 5)).not.toEqual(splitHalves(1000, 6));
  });

  test('the rows are mixed: the first half has its share of each tenth', () => {
    const {train} = splitHalves(10_000, 5);
    const counts: number[] = Array(10).fill(0);
    for (const row of train) ++counts[Math.floor(row / 1000)]!;
    // Hypergeometric: 500 of each 1,000, deviation sqrt(1000 / 4 * 9000 / 9999) = 15; within 5 of them.
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(75);
    // And not alternate rows or another fixed order: neighbours are in the same half about as often as not.
    const inTrain = new Set(train);
    let same = 0;
    for (let i = 1; i < 10_000; ++i) same += Number(inTrain.has(i) === inTrain.has(i - 1));
    expect(Math.abs(same - 5000)).toBeLessThan(5 * 50);
  });

  test('fewer than two rows, and a count that is none, are refused', () => {
    for (const count of [0, 1, 2.5]) {
      expect(() => splitHalves(count, 0)).toThrow(
        `splitHalves: count must be a whole number of at least 2, but got ${count}.`,
      );
    }
  });
});
