// Files of CIFAR-10's form with made-up images, and what is in them; where the real ones are.
import {existsSync} from 'node:fs';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {CIFAR10_FILES, type Cifar10Options} from '../../examples/data/cifar10.js';
import type {LabelledImages} from '../../examples/data/labelled-images.js';

/** The real files, where the machine has them. */
export const REAL = process.env.TFJS_MOE_DATA;
export const hasReal = (name: string) => Boolean(REAL && existsSync(join(REAL, name)));
export const whySkipped = (name: string) =>
  hasReal(name) ? '' : ` (skipped: TFJS_MOE_DATA names no folder with ${name})`;

/** Three images a file, of which this is the byte at (y, x) of a channel; `part` is 1 to 5, and 6 for the test. */
export const PER_FILE = 3;
const byteAt = (part: number, image: number, y: number, x: number, c: number) =>
  (part * 41 + image * 17 + y * 37 + x * 3 + c * 101) % 256;
const labelAt = (part: number, image: number) => (part * PER_FILE + image) % 10;

/** The published format by its definition: label, red, green, blue. */
export function recordsOf(part: number): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < PER_FILE; ++i) {
    bytes.push(labelAt(part, i));
    for (let c = 0; c < 3; ++c) {
      for (let y = 0; y < 32; ++y) for (let x = 0; x < 32; ++x) bytes.push(byteAt(part, i, y, x, c));
    }
  }
  return Uint8Array.from(bytes);
}

/** What TensorFlow.js takes: row, column, channel. */
export function pixelsOf(...parts: number[]): number[] {
  const values: number[] = [];
  for (const part of parts) {
    for (let i = 0; i < PER_FILE; ++i) {
      for (let y = 0; y < 32; ++y) {
        for (let x = 0; x < 32; ++x) for (let c = 0; c < 3; ++c) values.push(byteAt(part, i, y, x, c));
      }
    }
  }
  return values;
}
export const labelsOf = (...parts: number[]) => parts.flatMap(part => [0, 1, 2].map(i => labelAt(part, i)));

/** Writes the files of these parts. */
export async function writeBatches(target: string, parts: readonly number[], {packed = false} = {}): Promise<void> {
  await mkdir(target, {recursive: true});
  for (const part of parts) {
    const name = `${part === 6 ? 'test_batch' : `data_batch_${part}`}.bin`;
    const bytes = recordsOf(part);
    await writeFile(join(target, packed ? `${name}.gz` : name), packed ? gzipSync(bytes) : bytes);
  }
}

/** For loadCifar10: the published names; three images have no published checksum. */
export const FILES = {
  train: CIFAR10_FILES.train.map(({name}) => ({name})),
  test: {name: CIFAR10_FILES.test.name},
};

const notInstalled = (name: string): string => {
  throw Object.assign(new Error(`no ${name}`), {code: 'MODULE_NOT_FOUND'});
};
/** Made-up files, and no package. */
export const small: Cifar10Options = {files: FILES, resolveModule: notInstalled};

/** Mean and deviation of a channel, its bytes taken from 0 to 1. */
export function statisticsOf({pixels, channels}: LabelledImages, channel: number): [number, number] {
  let [sum, squares] = [0, 0];
  for (let k = channel; k < pixels.length; k += channels) {
    sum += pixels[k]!;
    squares += pixels[k]! ** 2;
  }
  const mean = sum / (pixels.length / channels);
  return [mean / 255, Math.sqrt(squares / (pixels.length / channels) - mean ** 2) / 255];
}
