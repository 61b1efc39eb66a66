// Images with classes, of any size and number of channels, as a classifier's batches are drawn from.
// SPDX-License-Identifier: Apache-2.0

/** Images and their classes. */
export interface LabelledImages {
  width: number;
  height: number;
  channels: number;
  count: number;
  /** [count, height, width, channels] in row-major order, 0 to 255. */
  pixels: Uint8Array;
  /** [count]; from 0. */
  labels: Uint8Array;
}

/** What brings each channel of a data set to mean 0 and deviation 1, where its pixels are taken from 0 to 1. */
export interface ChannelStatistics {
  /** [channels]. */
  means: readonly number[];
  /** [channels]. */
  deviations: readonly number[];
}

/** The first so many images, which share the memory of all. */
export function firstImages<T extends LabelledImages>(images: T, count: number): T {
  const {width, height, channels, pixels, labels} = images;
  const size = width * height * channels;
  return {...images, count, pixels: pixels.subarray(0, count * size), labels: labels.subarray(0, count)};
}
