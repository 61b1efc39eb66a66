// The format of CIFAR-10's binary files: records of a label and an image, its channels one after the other.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import type {LabelledImages} from './labelled-images.js';

/** Colour images of CIFAR's size. */
export interface ColourImages extends LabelledImages {
  width: 32;
  height: 32;
  channels: 3;
}

/** Pixels of an image, each of three values: red, green, blue. */
export const CIFAR_PIXELS = 32 * 32;
/** Bytes of an image. */
const SIZE = 3 * CIFAR_PIXELS;
const RECORD = 1 + SIZE;
const NUM_CLASSES = 10;

/**
 * Reads records: a byte from 0 to 9, then 1,024 of red, of green and of blue, row by row.
 *
 * @param bytes The records, not packed.
 * @param path Names the file in errors.
 * @throws ValueError if there is none, one is cut short, or a label is not from 0 to 9.
 */
export function parseCifarBatch(bytes: Uint8Array, path: string): ColourImages {
  if (bytes.length === 0 || bytes.length % RECORD !== 0) {
    throw new ValueError(
      `parseCifarBatch: ${path} must be a multiple of ${RECORD} bytes long, a record for each image, but it has ${bytes.length}.`,
    );
  }
  const count = bytes.length / RECORD;
  const labels = new Uint8Array(count);
  const pixels = new Uint8Array(count * SIZE);
  for (let i = 0; i < count; ++i) {
    const start = i * RECORD;
    const label = bytes[start]!;
    if (label >= NUM_CLASSES) {
      throw new ValueError(`parseCifarBatch: image ${i} of ${path} must have a label from 0 to 9, but has ${label}.`);
    }
    labels[i] = label;
    let target = i * SIZE;
    for (let red = start + 1; red <= start + CIFAR_PIXELS; ++red) {
      pixels[target++] = bytes[red]!;
      pixels[target++] = bytes[red + CIFAR_PIXELS]!;
      pixels[target++] = bytes[red + 2 * CIFAR_PIXELS]!;
    }
  }
  return {width: 32, height: 32, channels: 3, count, pixels, labels};
}

/**
 * Writes records: the inverse of `parseCifarBatch`.
 *
 * @param pixels [count, 32, 32, 3] bytes.
 * @param labels [count].
 */
export function formatCifarBatch(pixels: Uint8Array, labels: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(labels.length * RECORD);
  for (let i = 0; i < labels.length; ++i) {
    const start = i * RECORD;
    bytes[start] = labels[i]!;
    let source = i * SIZE;
    for (let red = start + 1; red <= start + CIFAR_PIXELS; ++red) {
      bytes[red] = pixels[source++]!;
      bytes[red + CIFAR_PIXELS] = pixels[source++]!;
      bytes[red + 2 * CIFAR_PIXELS] = pixels[source++]!;
    }
  }
  return bytes;
}

/** Images one after the other. */
export function joinColourImages(parts: readonly ColourImages[]): ColourImages {
  if (parts.length === 1) return parts[0]!;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const pixels = new Uint8Array(count * SIZE);
  const labels = new Uint8Array(count);
  let begin = 0;
  for (const part of parts) {
    pixels.set(part.pixels, begin * SIZE);
    labels.set(part.labels, begin);
    begin += part.count;
  }
  return {width: 32, height: 32, channels: 3, count, pixels, labels};
}
