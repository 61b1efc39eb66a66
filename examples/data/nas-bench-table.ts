// The table of NAS-Bench-201: how accurate each of its 15,625 cells became by training alone, so that a search is judged by looking up.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {type DataFile, findSource, hasFile, type SourceOptions} from './image-files.js';
import {codeOf, NUM_ARCHITECTURES, NUM_EDGES, NUM_OPERATIONS, parseNasBench} from './nas-bench-file.js';

/** The data sets that the networks were trained on: CIFAR-10, CIFAR-100 and ImageNet16-120. */
export type Space = 'cifar10' | 'cifar100' | 'imagenet16';
/** The images that were counted: those that a search may choose by, or those held out. */
export type Split = 'valid' | 'test';
/** How long the networks were trained: a short training of its own, or the full one. */
export type Epochs = 12 | 200;

/** A cell's accuracy, and which cell. */
export interface BestArchitecture {
  /** The official index; the lowest of those that share the accuracy. */
  index: number;
  /** In percent. */
  accuracy: number;
}

/**
 * Every cell by its official index, from 0 to 15,624. A cell is `choices`: for each edge 0>1, 0>2, 1>2, 0>3, 1>3, 2>3 the index of its
 * operation in none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3. Accuracies are in percent, means over trainings with
 * different seeds; `epochs` is 200 where it is not given. An index, a cell or a column that the table does not have is a ValueError.
 *
 * Valid of CIFAR-10 is of networks trained on half of the training images, test of others trained on all; valid and test of CIFAR-100
 * and ImageNet16-120 are the two halves of their held-out images.
 */
export interface NasBenchTable {
  /** Where the table came from, in a line that results may quote. */
  readonly source: string;
  /** The folder that it was read from, absolute. */
  readonly folder: string;
  /** 15,625. */
  readonly count: number;
  choices(index: number): number[];
  indexOf(choices: readonly number[]): number;
  accuracy(index: number, space: Space, split: Split, epochs?: Epochs): number;
  /** The accuracies of all cells by index, as a copy that the caller owns. */
  column(space: Space, split: Split, epochs?: Epochs): Float64Array;
  best(space: Space, split: Split, epochs?: Epochs): BestArchitecture;
  /** 1 for the best; cells of the same accuracy share the better rank. */
  rank(index: number, space: Space, split: Split, epochs?: Epochs): number;
  /** The best accuracy minus the cell's, in points of percent. */
  regret(index: number, space: Space, split: Split, epochs?: Epochs): number;
  /** Parameters of the network for CIFAR-10, in millions. */
  params(index: number): number;
  /** Multiply-adds of one image through the network for CIFAR-10, in millions. */
  flops(index: number): number;
  /** Time of one training for 200 epochs on half of CIFAR-10, in seconds, as recorded. */
  trainSeconds(index: number): number;
  /** How many trainings the accuracies after 200 epochs are means of. */
  trials(index: number): number;
}

/** Where the table may lie: in dataDir or its subfolder nasbench201, or in the folder nasbench201 in the one that TFJS_MOE_DATA names. */
export type NasBenchOptions = Pick<SourceOptions, 'dataDir' | 'environment' | 'report'>;

const OWNER = 'loadNasBenchTable';
const NAME = 'nasbench201';
const FILE: DataFile = {name: 'nasbench201.csv.gz'};
const SPACES: Record<Space, string> = {cifar10: 'c10', cifar100: 'c100', imagenet16: 'in16'};
const SPLITS: Record<Split, string> = {valid: 'val', test: 'test'};

/** What a user can do to have the table, for errors. */
export const NAS_BENCH_WAYS =
  `The table can come from a folder with ${FILE.name}, packed or not, or with a subfolder ${NAME} that has it (--data-dir <folder>), or from ` +
  `the folder ${NAME} in the folder that TFJS_MOE_DATA names.`;

/**
 * Loads the table.
 *
 * @returns Undefined where no folder is named that could have it.
 * @throws ValueError where a folder is named and lacks the file, and where the file is damaged.
 */
export async function loadNasBenchTable({
  dataDir,
  ...others
}: NasBenchOptions = {}): Promise<NasBenchTable | undefined> {
  const inner = dataDir === undefined ? undefined : join(dataDir, NAME);
  const named = inner !== undefined && !hasFile(dataDir!, FILE) && hasFile(inner, FILE) ? inner : dataDir;
  const collection = {owner: OWNER, name: NAME, mirrors: [], ways: NAS_BENCH_WAYS};
  const found = findSource(collection, {...others, dataDir: named});
  if (!found) return undefined;
  const {path, bytes} = await found.read(FILE);
  return tableOf(bytes, path, found.folder!);
}

function tableOf(bytes: Uint8Array, path: string, folder: string): NasBenchTable {
  const {codes, columns} = parseNasBench(bytes, path);
  const indices = new Uint16Array(NUM_ARCHITECTURES); // by code
  codes.forEach((code, index) => {
    indices[code] = index;
  });
  const columnOf = (space: Space, split: Split, epochs: Epochs = 200) => {
    const column = columns.get(`${SPACES[space]}_${SPLITS[split]}_${epochs}`);
    if (column) return column;
    throw new ValueError(`NasBenchTable: there are no accuracies of ${space}, ${split}, after ${epochs} epochs.`);
  };
  const at = (column: ArrayLike<number>, index: number) => {
    if (Number.isInteger(index) && index >= 0 && index < NUM_ARCHITECTURES) return column[index]!;
    throw new ValueError(
      `NasBenchTable: an index must be a whole number from 0 to ${NUM_ARCHITECTURES - 1}, but got ${index}.`,
    );
  };
  const bestOf = (column: Float64Array): BestArchitecture => {
    const accuracy = column.reduce((most, value) => Math.max(most, value));
    return {index: column.indexOf(accuracy), accuracy};
  };
  return {
    source: 'NAS-Bench-201, 15,625 cells',
    folder,
    count: NUM_ARCHITECTURES,
    choices: index => Array.from(at(codes, index).toString(NUM_OPERATIONS).padStart(NUM_EDGES, '0'), Number),
    indexOf: choices => indices[codeOf(checkChoices(choices))]!,
    accuracy: (index, ...which) => at(columnOf(...which), index),
    column: (...which) => columnOf(...which).slice(),
    best: (...which) => bestOf(columnOf(...which)),
    rank: (index, ...which) => {
      const column = columnOf(...which);
      const accuracy = at(column, index);
      return 1 + column.reduce((better, value) => better + Number(value > accuracy), 0);
    },
    regret: (index, ...which) => {
      const column = columnOf(...which);
      return bestOf(column).accuracy - at(column, index);
    },
    params: index => at(columns.get('params_m')!, index),
    flops: index => at(columns.get('flops_m')!, index),
    trainSeconds: index => at(columns.get('train_time_s')!, index),
    trials: index => at(columns.get('trials')!, index),
  };
}

function checkChoices(choices: readonly number[]): readonly number[] {
  const isOperation = (choice: number) => Number.isInteger(choice) && choice >= 0 && choice < NUM_OPERATIONS;
  if (choices.length === NUM_EDGES && choices.every(isOperation)) return choices;
  throw new ValueError(
    `NasBenchTable.indexOf: choices must be ${NUM_EDGES} whole numbers from 0 to ${NUM_OPERATIONS - 1}, but got [${choices.join(', ')}].`,
  );
}
