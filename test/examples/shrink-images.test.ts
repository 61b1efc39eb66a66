// SPDX-License-Identifier: Apache-2.0
import {expect, test} from 'vitest';
import type {LabelledImages} from '../../examples/data/labelled-images.js';
import {shrinkImages} from '../../examples/data/shrink-images.js';
import {seeded} from '../../src/random/random-source.js';

const images = (count: number, height: number, width: number, channels: number) => ({
  ...{count, height, width, channels, labels: Uint8Array.from({length: count}, (_, i) => i)},
  pixels: Uint8Array.from(seeded(5).uniform(count * height * width * channels), u => Math.floor(256 * u)),
});

test.each([
  [2, 4, 6, 3, 2],
  [3, 6, 3, 1, 3],
])(
  'each pixel of %i images of %i x %i x %i is the mean of a square of side %i',
  (count, height, width, channels, side) => {
    const whole = images(count, height, width, channels);
    const small = shrinkImages(whole, side);
    const at = ({height: h, width: w, pixels}: LabelledImages, i: number, y: number, x: number, c: number) =>
      pixels[((i * h + y) * w + x) * channels + c]!;
    expect(small).toMatchObject({count, height: height / side, width: width / side, channels, labels: whole.labels});
    expect(small.pixels).toHaveLength(whole.pixels.length / side ** 2);
    for (let i = 0; i < count; ++i) {
      for (let y = 0; y < small.height; ++y) {
        for (let x = 0; x < small.width; ++x) {
          for (let c = 0; c < channels; ++c) {
            let sum = 0;
            for (let k = 0; k < side ** 2; ++k)
              sum += at(whole, i, side * y + Math.floor(k / side), side * x + (k % side), c);
            expect(at(small, i, y, x, c)).toBe(Math.round(sum / side ** 2));
          }
        }
      }
    }
  },
);

test('a side of 1 changes nothing', () => {
  const whole = images(1, 3, 3, 1);
  expect(shrinkImages(whole, 1)).toBe(whole);
});

test.each([0, 1.5, 4, Number.NaN])('a side of %d is refused', side => {
  expect(() => shrinkImages(images(1, 6, 6, 1), side)).toThrow(
    `shrinkImages: side must be a whole number that divides the height and width of the images (6 x 6), but got ${side}.`,
  );
});
