// Batches of images as a classifier takes them: normalised by channel and, for training, mirrored and moved at random.
// The augmentation of GDAS on CIFAR-10 (Dong and Yang 2019, https://arxiv.org/abs/1910.04465; its code by torchvision's RandomHorizontalFlip,
// then RandomCrop with a padding of 4, then Normalize).
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import type {ChannelStatistics, LabelledImages} from './labelled-images.js';

/** How images are varied. */
export interface Augmentation {
  /** Three numbers an image are drawn: whether it is mirrored, how far it moves down, and how far to the right. */
  random: RandomSource;
  /** Half of the images, at random, are mirrored left to right. Not for images whose mirror image shows something else, such as digits. */
  mirror: boolean;
  /**
   * An image moves by a whole number of pixels from -padding to padding in each direction, all equally likely, and what moves in is black:
   * a byte of 0, before the normalisation. From 0 on; default 4.
   */
  padding?: number;
}

/** Which images, and how. */
export interface ImageBatchOptions {
  statistics: ChannelStatistics;
  /** Default: the images as they are, for a measurement. */
  augmentation?: Augmentation | undefined;
}

const OWNER = 'imageBatch';

/**
 * The named images as a network takes them: (byte / 255 - mean) / deviation, with the channel's mean and deviation.
 *
 * A batch is a function of the stream, such as `seeded(seed).split(step)`, which is read from where it stands.
 *
 * @param images [count, height, width, channels] bytes.
 * @param rows Which images, in that order; one may be named twice, and is then varied twice.
 * @returns [rows.length, height, width, channels] in row-major order.
 * @throws ValueError for a row that there is not, statistics of another number of channels, and a padding that is no whole number from 0 on.
 */
export function imageBatch(
  images: LabelledImages,
  rows: Uint32Array,
  {statistics, augmentation}: ImageBatchOptions,
): Float32Array {
  const {width, height, channels, count, pixels} = images;
  const values = normalizedBytes(statistics, channels);
  const moves = augmentation && drawMoves(augmentation, rows.length);
  const size = height * width * channels;
  const batch = new Float32Array(rows.length * size);
  let target = 0;
  for (let i = 0; i < rows.length; ++i) {
    const row = rows[i]!;
    if (row >= count) throw new ValueError(`${OWNER}: a row must be from 0 to ${count - 1}, but got ${row}.`);
    const {isMirrored, down, right} = moves?.[i] ?? {isMirrored: false, down: 0, right: 0};
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x) {
        // Where the pixel comes from: it was moved after it was mirrored.
        const [fromY, movedX] = [y - down, x - right];
        const isInside = fromY >= 0 && fromY < height && movedX >= 0 && movedX < width;
        const fromX = isMirrored ? width - 1 - movedX : movedX;
        const source = row * size + (fromY * width + fromX) * channels;
        for (let c = 0; c < channels; ++c) {
          batch[target++] = values[c * 256 + (isInside ? pixels[source + c]! : 0)]!;
        }
      }
    }
  }
  return batch;
}

/** The number that each byte becomes, [channels, 256]. */
function normalizedBytes({means, deviations}: ChannelStatistics, channels: number): Float32Array {
  if (means.length !== channels || deviations.length !== channels) {
    throw new ValueError(
      `${OWNER}: statistics must have a mean and a deviation for each of ${channels} channels, ` +
        `but have ${means.length} and ${deviations.length}.`,
    );
  }
  return Float32Array.from({length: channels * 256}, (_, k) => {
    const channel = Math.floor(k / 256);
    return ((k % 256) / 255 - means[channel]!) / deviations[channel]!;
  });
}

interface Move {
  isMirrored: boolean;
  /** In pixels; negative is up. */
  down: number;
  /** In pixels; negative is to the left. */
  right: number;
}

function drawMoves({random, mirror, padding = 4}: Augmentation, count: number): Move[] {
  if (!Number.isSafeInteger(padding) || padding < 0) {
    throw new ValueError(`${OWNER}: padding must be a whole number of at least 0, but got ${padding}.`);
  }
  const uniforms = random.uniform(3 * count);
  const shift = (uniform: number) => Math.floor(uniform * (2 * padding + 1)) - padding;
  return Array.from({length: count}, (_, i) => ({
    isMirrored: mirror && uniforms[3 * i]! < 0.5, // drawn in any case: the moves do not depend on the option
    down: shift(uniforms[3 * i + 1]!),
    right: shift(uniforms[3 * i + 2]!),
  }));
}
