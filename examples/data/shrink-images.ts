// Images at a fraction of their width and height, for networks that must be cheap.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import type {LabelledImages} from './labelled-images.js';

/**
 * The same images with the mean of each square of pixels in its place, rounded to a byte.
 *
 * @param side Pixels of a side of the square, from 1 on; 1 gives the images themselves.
 * @throws ValueError where the sides of the images are no multiples of it.
 */
export function shrinkImages(images: LabelledImages, side: number): LabelledImages {
  const {width, height, channels, count, pixels} = images;
  if (!Number.isSafeInteger(side) || side < 1 || width % side !== 0 || height % side !== 0) {
    throw new ValueError(
      `shrinkImages: side must be a whole number that divides the height and width of the images (${height} x ${width}), but got ${side}.`,
    );
  }
  if (side === 1) return images;
  const [rows, columns] = [height / side, width / side];
  const means = new Uint8Array(count * rows * columns * channels);
  const sums = new Uint32Array(columns * channels);
  for (let row = 0; row < count * rows; ++row) {
    sums.fill(0);
    for (let y = 0; y < side; ++y) {
      const begin = (row * side + y) * width * channels;
      for (let x = 0; x < width; ++x) {
        const target = Math.floor(x / side) * channels;
        for (let channel = 0; channel < channels; ++channel) {
          sums[target + channel]! += pixels[begin + x * channels + channel]!;
        }
      }
    }
    sums.forEach((sum, i) => {
      means[row * sums.length + i] = Math.round(sum / side ** 2);
    });
  }
  return {...images, width: columns, height: rows, pixels: means};
}
