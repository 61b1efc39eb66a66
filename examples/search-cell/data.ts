// The images of a search in two halves, and the table in which the cells that it finds are looked up.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {imageBatch} from '../data/augment.js';
import {hasFile} from '../data/image-files.js';
import type {LabelledImages} from '../data/labelled-images.js';
import {loadNasBenchTable, NAS_BENCH_WAYS, type NasBenchTable} from '../data/nas-bench-table.js';
import {loadSearchImages, type SearchImages, type SearchImagesOptions} from '../data/search-images.js';
import {shrinkImages} from '../data/shrink-images.js';
import {splitHalves} from '../data/split-halves.js';
import {PRESETS} from './presets.js';
import type {SettingName} from './settings.js';
import type {Batch} from './steps.js';

/** What a search works with. */
export interface SearchData extends SearchImages {
  /** Rows of the training images: those that the weights learn from, and those that the choices do. As many each. */
  halves: {weights: Uint32Array; choices: Uint32Array};
  table: NasBenchTable | undefined;
}

/** Which data. */
export interface DataOptions extends Pick<SearchImagesOptions, 'dataset' | 'dataDir' | 'environment'> {
  setting: SettingName;
  /** The side of the squares of pixels that become one; default 1. */
  shrink?: number | undefined;
  /** Of each half; null for those of the setting, or all where there are fewer. */
  images: number | null;
  /** Where the table lies. Default: in dataDir, if it is there, or where TFJS_MOE_DATA says. */
  tableDir?: string | undefined;
}

/** The split is one and the same for every run, whatever the seed of the search. */
const SPLIT_SEED = 201;

/**
 * Loads the images, and the table if there is one, and says what they are.
 *
 * @throws ValueError where there are fewer images than the user asks for, or they cannot be shrunk so.
 */
export async function loadData({setting, images, tableDir, shrink = 1, ...where}: DataOptions): Promise<SearchData> {
  const found = await loadSearchImages({...where, report: line => console.log(line)});
  console.log(found.source);
  const most = Math.floor(found.train.count / 2);
  if (images !== null && images > most) {
    throw new ValueError(`--images: a half of ${found.source} has at most ${most} images, but got ${images}.`);
  }
  const {width, height} = found.train;
  if (width % shrink !== 0 || height % shrink !== 0) {
    throw new ValueError(`--shrink: must divide the sides of the images (${height} x ${width}), but got ${shrink}.`);
  }
  const {train, valid} = splitHalves(2 * (images ?? Math.min(PRESETS[setting].images ?? most, most)), SPLIT_SEED);
  const table = await loadTable({...where, dataDir: tableDir ?? where.dataDir});
  console.log(
    table
      ? `${table.source}, to look up what is found`
      : `There is no table to look up what is found. ${NAS_BENCH_WAYS}`,
  );
  return {
    ...found,
    train: shrinkImages(found.train, shrink),
    test: shrinkImages(found.test, shrink),
    halves: {weights: train, choices: valid},
    table,
  };
}

const TABLE = {name: 'nasbench201.csv.gz'};

async function loadTable({
  dataDir,
  environment,
}: Pick<DataOptions, 'dataDir' | 'environment'>): Promise<NasBenchTable | undefined> {
  // A folder of images need not have the table.
  const hasTable =
    dataDir !== undefined && [dataDir, join(dataDir, 'nasbench201')].some(folder => hasFile(folder, TABLE));
  return loadNasBenchTable({environment, ...(hasTable && {dataDir})});
}

/** Images as the network takes them. @param augmentation As in `imageBatch`; the default is none. */
export function makeBatch(images: LabelledImages, rows: Uint32Array, options: Parameters<typeof imageBatch>[2]): Batch {
  const {height, width, channels, labels} = images;
  return {
    images: imageBatch(images, rows, options),
    shape: [rows.length, height, width, channels],
    labels: Uint8Array.from(rows, row => labels[row]!),
  };
}
