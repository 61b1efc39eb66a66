// The expressions of a run: the published ones, where they are at hand, and generated ones in place of those that are not.
// SPDX-License-Identifier: Apache-2.0
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {gunzipIfPacked} from '../data/idx.js';
import {type DataFile, type FileSource, findSource, hasFile, type SourceOptions} from '../data/image-files.js';
import {generateExpressions, POOL_SIZE} from './generate.js';
import type {LengthFilter} from './length-filter.js';
import {parseLines} from './parse.js';
import {filterSequences, keyOf, type LabelledSequences, sequenceAt, sliceSequences} from './sequences.js';

/** Expressions to train on, to choose by, and to measure with, as ids of `TOKEN_NAMES`; no two are the same. */
export interface ListOps {
  train: LabelledSequences;
  valid: LabelledSequences;
  test: LabelledSequences;
  /** Where the expressions came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where they were read from one. */
  folder?: string;
}

/** Which expressions to load: those of dataDir, of the folder listops in the one that TFJS_MOE_DATA names, or generated ones. */
export interface ListOpsOptions extends Pick<SourceOptions, 'dataDir' | 'environment' | 'report'> {
  /** Of the expressions that are generated. It is not the seed of a training, whose runs are to have the same data. Default 2018. */
  seed?: number | undefined;
  /** Keep these only, in all three sets. Default: all. */
  filter?: LengthFilter | undefined;
  /** Use only this many, after the filter. Default: all. */
  trainSize?: number | undefined;
  validSize?: number | undefined;
  testSize?: number | undefined;
}

type Parts = Pick<ListOps, 'train' | 'valid' | 'test'>;
const PARTS = ['train', 'valid', 'test'] as const;

const OWNER = 'loadListOps';
const TEST: DataFile = {name: 'test_d20s.tsv.gz'};
const VALID: DataFile = {name: 'valid_d20s.tsv.gz'};
const TRAIN: DataFile = {name: 'train_d20s.tsv.gz'};
const GENERATED_TRAIN: DataFile = {name: 'train_generated_d20s.tsv.gz'};
/** The sizes of the published sets. */
const SIZES = {train: 89_000, valid: 1_000, test: 10_000};

const WAYS =
  `The published expressions can come from a folder with ${TEST.name}, ${VALID.name} and, if there is one, ${TRAIN.name} (--data-dir <folder>), or ` +
  'from the folder listops in the folder that TFJS_MOE_DATA names. Without either all are generated.';

/**
 * Loads expressions. Those that are generated are distributed as the published ones are, and none of them is in another set.
 *
 * @throws ValueError where a folder is named and lacks the test or the validation file, where a file is damaged, and where a set does not
 *   have as many expressions as are asked for.
 */
export async function loadListOps(options: ListOpsOptions = {}): Promise<ListOps> {
  const {seed = 2018, filter} = options;
  const source = findSource({owner: OWNER, name: 'listops', mirrors: [], ways: WAYS}, options);
  const {name, ...all} = source ? await fromFiles(source, seed) : fromGenerator(seed);
  const parts = {...all};
  for (const part of PARTS)
    parts[part] = limit(part, filter ? filterSequences(all[part], filter.keeps) : all[part], options);
  const {folder} = source ?? {};
  return {
    source: describe(filter ? `${name}, of ${filter.title}` : name, parts),
    ...(folder !== undefined && {folder}),
    ...parts,
  };
}

async function fromFiles(source: FileSource, seed: number): Promise<Parts & {name: string}> {
  const read = async (file: DataFile) => {
    const {path, bytes} = await source.read(file);
    return parseLines(gunzipIfPacked(bytes, path), path);
  };
  const [test, valid] = [await read(TEST), await read(VALID)];
  const found = [TRAIN, GENERATED_TRAIN].find(file => hasFile(source.folder!, file));
  if (!found) {
    const count = POOL_SIZE - test.count - valid.count;
    const train = generateExpressions(Math.max(count, 0), {random: seeded(seed), exclude: [test, valid]});
    return {name: `ListOps, files of a folder; those to train on generated from seed ${seed}`, train, valid, test};
  }
  // The 90,000 lines of the published file have the 1,000 to choose by among them.
  const heldOut = new Set<string>();
  for (const set of [test, valid]) for (let i = 0; i < set.count; ++i) heldOut.add(keyOf(sequenceAt(set, i)));
  const train = filterSequences(await read(found), tokens => !heldOut.has(keyOf(tokens)));
  const origin = found === GENERATED_TRAIN ? '; those to train on from a file of generated ones' : '';
  return {name: `ListOps, files of a folder${origin}`, train, valid, test};
}

function fromGenerator(seed: number): Parts & {name: string} {
  const pool = generateExpressions(POOL_SIZE, {random: seeded(seed)});
  const boundary = SIZES.train + SIZES.valid;
  return {
    name: `ListOps, generated from seed ${seed}`,
    train: sliceSequences(pool, 0, SIZES.train),
    valid: sliceSequences(pool, SIZES.train, boundary),
    test: sliceSequences(pool, boundary),
  };
}

function limit(part: (typeof PARTS)[number], set: LabelledSequences, options: ListOpsOptions): LabelledSequences {
  const size = options[`${part}Size`] ?? set.count;
  if (!Number.isSafeInteger(size) || size < 1 || size > set.count) {
    throw new ValueError(
      `${OWNER}: ${part}Size must be a whole number from 1 to ${set.count}, as many as there are, but got ${size}.`,
    );
  }
  return sliceSequences(set, 0, size);
}

function describe(name: string, {train, valid, test}: Parts): string {
  const number = ({count}: LabelledSequences) => count.toLocaleString('en-US');
  return `${name}: ${number(train)} to train on, ${number(valid)} to choose by, ${number(test)} held out`;
}
