// The images that an architecture search trains on: CIFAR-10 as in the papers, or what stands in for it where it is not at hand.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {ValueError} from 'tfjs-moe/node';
import {CIFAR10_CLASSES, CIFAR10_STATISTICS, CIFAR10_WAYS, type Cifar10Options, loadCifar10} from './cifar10.js';
import {findSource, hasFile, type SourceOptions} from './image-files.js';
import type {ChannelStatistics, LabelledImages} from './labelled-images.js';
import {type DigitSet, loadMnist, MNIST_FILES, type MnistOptions} from './mnist.js';

/** The data sets, in the order in which they are tried. */
export const SEARCH_DATASETS = ['cifar10', 'fashion-mnist', 'mnist'] as const;
export type SearchDataset = (typeof SEARCH_DATASETS)[number];

/** Images to search on and those that are held out, in ten classes. */
export interface SearchImages {
  dataset: SearchDataset;
  /** Where the images came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where they were read from one. */
  folder?: string;
  train: LabelledImages;
  test: LabelledImages;
  numClasses: 10;
  classNames: readonly string[];
  /** Of all published training images, whichever are used. */
  statistics: ChannelStatistics;
  /** Whether a mirrored image still shows its class, so that training may mirror some: a digit does not. */
  canMirror: boolean;
}

/** Which images to load. */
export interface SearchImagesOptions extends Pick<SourceOptions, 'dataDir' | 'environment' | 'report'> {
  /** Default: CIFAR-10 where a folder is named, else the first data set that is at hand. */
  dataset?: SearchDataset | undefined;
  /** Use only this many of the training images, the first ones. Default: all. */
  limitTrain?: number | undefined;
  /** Where Debian's package puts Fashion-MNIST; a test may say another place. */
  debianFolder?: string | undefined;
  /** For tests, as in `loadCifar10` and `loadMnist`. */
  cifar?: Pick<Cifar10Options, 'files' | 'resolveModule'> | undefined;
  readPackage?: MnistOptions['readPackage'];
}

type Found = Pick<SearchImages, 'source' | 'folder' | 'train' | 'test'>;
type Entry = Pick<SearchImages, 'classNames' | 'statistics' | 'canMirror'> & {
  /** Undefined where the data set is not at hand. */
  load: (options: SearchImagesOptions) => Promise<Found | undefined>;
  ways: string;
};

const OWNER = 'loadSearchImages';
const FASHION = {
  owner: OWNER,
  name: 'fashion-mnist',
  mirrors: [],
  ways:
    'Fashion-MNIST can come from a folder with its four idx files (--data-dir <folder>), from the folder fashion-mnist in the folder that ' +
    "TFJS_MOE_DATA names, or from Debian's package (apt-get install dataset-fashion-mnist).",
};

const ENTRIES: Record<SearchDataset, Entry> = {
  cifar10: {
    classNames: CIFAR10_CLASSES,
    statistics: CIFAR10_STATISTICS,
    canMirror: true,
    load: ({limitTrain, cifar, ...options}) => loadCifar10({...options, ...cifar, limit: limitTrain}),
    ways: CIFAR10_WAYS,
  },
  'fashion-mnist': {
    classNames: [
      ...['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat'],
      ...['Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    ],
    statistics: {means: [0.28604], deviations: [0.35302]},
    canMirror: true,
    load: loadFashion,
    ways: FASHION.ways,
  },
  mnist: {
    classNames: Array.from({length: 10}, (_, digit) => String(digit)),
    statistics: {means: [0.13066], deviations: [0.30811]},
    canMirror: false,
    load: loadDigits, // throws where there are none, with the ways
    ways: '',
  },
};

/**
 * Loads images.
 *
 * @throws ValueError where a folder is named and lacks the files, where a file is damaged, where the data set that is asked for is not at
 *   hand, and where limitTrain is more than there are.
 */
export async function loadSearchImages(options: SearchImagesOptions = {}): Promise<SearchImages> {
  const {dataset, dataDir, report} = options;
  const only = dataset ?? (dataDir === undefined ? undefined : 'cifar10');
  const candidates = only === undefined ? SEARCH_DATASETS : [only];
  for (const candidate of candidates) {
    const {load, ways, ...known} = ENTRIES[candidate];
    const found = await load(options);
    if (found) return {dataset: candidate, ...found, numClasses: 10, ...known};
    if (only === undefined) report?.(`There are no images of ${candidate}; others take their place. ${ways}`);
  }
  const ways = candidates.map(candidate => ENTRIES[candidate].ways).join(' ');
  throw new ValueError(`${OWNER}: there are no images of ${candidates.join(', ')}. ${ways}`);
}

async function loadFashion(options: SearchImagesOptions): Promise<Found | undefined> {
  const {debianFolder = '/usr/share/datasets/fashion-mnist', limitTrain} = options;
  const folder = findSource(FASHION, options)?.folder ?? (existsSync(debianFolder) ? debianFolder : undefined);
  if (folder === undefined) return undefined;
  const missing = Object.values(MNIST_FILES).find(file => !hasFile(folder, file));
  if (missing) throw new ValueError(`${OWNER}: ${folder} has no ${missing.name}. ${FASHION.ways}`);
  // The same files by name and form as those of the digits.
  const {source, train, test} = await loadMnist({dataDir: folder, limit: limitTrain});
  return {source: `Fashion-${source}`, folder, train: toImages(train), test: toImages(test)};
}

async function loadDigits({
  dataDir,
  environment,
  report,
  limitTrain,
  readPackage,
}: SearchImagesOptions): Promise<Found> {
  const digits = await loadMnist({dataDir, environment, report, limit: limitTrain, ...(readPackage && {readPackage})});
  return {...digits, train: toImages(digits.train), test: toImages(digits.test)};
}

function toImages({images, labels, count}: DigitSet): LabelledImages {
  return {width: 28, height: 28, channels: 1, count, pixels: images, labels};
}
