// Where the expressions of ListOps come from: the generator, and the published files.
import {existsSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeAll, beforeEach, describe, expect, test, vi} from 'vitest';
import {loadListOps} from '../../examples/listops/data-source.js';
import {evaluateExpression} from '../../examples/listops/evaluate-expression.js';
import {generateExpressions, POOL_SIZE} from '../../examples/listops/generate.js';
import {CLOSE, FIRST_OPERATOR, isOperator} from '../../examples/listops/grammar.js';
import {atMostTokens, FEWER_THAN_100_WORDS} from '../../examples/listops/length-filter.js';
import {filterSequences, keyOf, type LabelledSequences, sliceSequences} from '../../examples/listops/sequences.js';
import {encodeSequences} from '../../examples/listops/tokenize.js';
import {seeded} from '../../src/estimators/index.js';
import {chiSquare, chiSquareBound, meanAndError} from '../support/statistics.js';
import {
  all,
  depthOf,
  drawPool,
  fromCumulative,
  histogram,
  homogeneity,
  lengthHistogram,
  lineOf,
  PUBLISHED,
  texts,
} from './listops-sets.js';

/** The published files, where the machine has them. */
const REAL = process.env.TFJS_MOE_DATA && join(process.env.TFJS_MOE_DATA, 'listops');
const HAS_REAL = Boolean(REAL && existsSync(REAL));

let pool: LabelledSequences;
/** The tokens of each of the pool, and the depth of its lists. */
let pooled: Uint8Array[];
let depths: number[];
beforeAll(() => {
  pool = drawPool();
  pooled = all(pool);
  depths = pooled.map(depthOf);
}, 60_000);

describe('generateExpressions', () => {
  const draw = (count: number, seed: number) => generateExpressions(count, {random: seeded(seed)});

  test('the same seed gives the same expressions, and another seed others', () => {
    expect(draw(500, 7)).toEqual(draw(500, 7));
    expect(draw(500, 7)).not.toEqual(draw(500, 8));
  });

  test('no expression comes twice', () => {
    expect(new Set(pooled.map(keyOf)).size).toBe(POOL_SIZE);
  });

  test('no excluded expression comes, and all others take its place', () => {
    const first = draw(300, 7);
    const second = generateExpressions(300, {random: seeded(7), exclude: [first, sliceSequences(first, 0, 10)]});
    expect(second.count).toBe(300);
    expect(new Set([...all(first), ...all(second)].map(keyOf)).size).toBe(600);
  });

  test('every list has 2 to 5 arguments, and lists are at most 19 deep', () => {
    const counts = new Set<number>();
    for (const tokens of pooled.slice(0, 10_000)) {
      const open: number[] = [];
      for (const token of tokens) {
        if (token === CLOSE) counts.add(open.pop()!);
        if (open.length > 0 && !isOperator(token)) ++open[open.length - 1]!;
        if (isOperator(token)) open.push(0);
      }
    }
    expect([...counts].sort()).toEqual([2, 3, 4, 5]);
    expect(depths.reduce((a, b) => Math.max(a, b))).toBe(19);
  });

  // Two samples of one distribution exceed the bound once in 10,000 seeds; that the pool draws without replacement makes them more alike still.
  test('the lengths, their quantiles with them, are distributed as in the published test set', () => {
    expect(homogeneity(lengthHistogram(pool), fromCumulative(PUBLISHED.lengths))).toBeLessThan(chiSquareBound(18));
    // 42.8451 +- 75.6 / 100, by another program.
    const {mean, error} = meanAndError(pooled.map(({length}) => length));
    expect(Math.abs(mean - 42.8451)).toBeLessThan(4 * Math.hypot(error, 0.756));
  });

  test('depths are distributed as in the published test set', () => {
    const [, ...counts] = histogram(depths, 20);
    expect(homogeneity(counts, PUBLISHED.depths)).toBeLessThan(chiSquareBound(18));
  });

  test('labels are distributed as in the published test set', () => {
    expect(homogeneity(histogram(pool.labels, 10), PUBLISHED.labels)).toBeLessThan(chiSquareBound(9));
  });

  test('the operators, each a fair draw, are equally many', () => {
    const counts = histogram(pool.tokens, CLOSE + 1).slice(FIRST_OPERATOR, CLOSE);
    const expected = counts.map(() => counts.reduce((a, b) => a + b) / 4);
    expect(chiSquare(counts, expected)).toBeLessThan(chiSquareBound(3));
  });

  test('short expressions do not come first', () => {
    const mean = (begin: number) => meanAndError(depths.slice(begin, begin + 10_000));
    const [first, last] = [mean(0), mean(POOL_SIZE - 10_000)];
    expect(Math.abs(first.mean - last.mean)).toBeLessThan(4 * Math.hypot(first.error, last.error));
  });

  test('a bad count is refused', () => {
    expect(() => draw(1.5, 1)).toThrow('generateExpressions: count must be a whole number of at least 0, but got 1.5.');
  });
});

describe('loadListOps', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-listops-'));
    vi.stubEnv('TFJS_MOE_DATA', '');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, {recursive: true});
  });
  const write = (name: string, expressions: string[]) => {
    const text = expressions.map(lineOf).join('\n');
    return writeFile(join(folder, name), name.endsWith('.gz') ? gzipSync(text) : text);
  };
  const writeHeldOut = () =>
    Promise.all([write('test_d20s.tsv.gz', ['[MAX 2 4 ]', '5']), write('valid_d20s.tsv', ['[MIN 2 4 ]'])]);

  test('without files all are generated, 89,000, 1,000 and 10,000 of them, no two the same', async () => {
    const {train, valid, test: held, source, folder: found} = await loadListOps({seed: 1});
    expect(source).toBe('ListOps, generated from seed 1: 89,000 to train on, 1,000 to choose by, 10,000 held out');
    expect(found).toBeUndefined();
    expect([train, valid, held].flatMap(set => all(set).map(keyOf))).toEqual(pooled.map(keyOf));
  });

  test('a folder gives its files, without those to train on that are held out', async () => {
    await writeHeldOut();
    await write('train_d20s.tsv', ['5', '[SM 1 1 ]', '[MIN 2 4 ]', '[SM 1 2 ]']);
    const data = await loadListOps({dataDir: folder});
    expect([data.train, data.valid, data.test].map(texts)).toEqual([
      ['[SM 1 1 ]', '[SM 1 2 ]'],
      ['[MIN 2 4 ]'],
      ['[MAX 2 4 ]', '5'],
    ]);
    expect(data.source).toBe('ListOps, files of a folder: 2 to train on, 1 to choose by, 2 held out');
    expect(data.folder).toBe(folder);
  });

  test('the published training file comes before a generated one, of which the source says so', async () => {
    await writeHeldOut();
    await write('train_generated_d20s.tsv.gz', ['[SM 1 1 ]']);
    const generated = await loadListOps({dataDir: folder});
    expect(texts(generated.train)).toEqual(['[SM 1 1 ]']);
    expect(generated.source).toMatch(/those to train on from a file of generated ones: 1 to train on/);
    await write('train_d20s.tsv.gz', ['[SM 1 2 ]']);
    expect(texts((await loadListOps({dataDir: folder})).train)).toEqual(['[SM 1 2 ]']);
  });

  test('without a training file those to train on are generated, none of them held out', async () => {
    await writeHeldOut();
    vi.stubEnv('TFJS_MOE_DATA', folder);
    const {train, valid, test: held, source} = await loadListOps({dataDir: folder});
    expect(source).toMatch(
      /those to train on generated from seed 2018: 99,997 to train on, 1 to choose by, 2 held out/,
    );
    expect(new Set([train, valid, held].flatMap(set => all(set).map(keyOf))).size).toBe(100_000);
  });

  test('sizes count what the filter leaves', async () => {
    await writeHeldOut();
    await write('train_d20s.tsv', ['1', '[SM 1 1 2 ]', '[SM 1 1 ]', '[SM 1 2 ]']);
    const data = await loadListOps({dataDir: folder, filter: atMostTokens(4), trainSize: 2, testSize: 1});
    expect([data.train, data.test].map(texts)).toEqual([['1', '[SM 1 1 ]'], ['[MAX 2 4 ]']]);
    expect(data.source).toMatch(/of at most 4 tokens: 2 to train on, 1 to choose by, 1 held out/);
    await expect(loadListOps({dataDir: folder, filter: atMostTokens(4), trainSize: 4})).rejects.toThrow(
      'loadListOps: trainSize must be a whole number from 1 to 3, as many as there are, but got 4.',
    );
  });

  test('a folder without the test file, and one with a damaged file, are refused', async () => {
    await expect(loadListOps({dataDir: folder})).rejects.toThrow(
      /loadListOps: .*test_d20s\.tsv\.gz and .*test_d20s\.tsv do not exist\. .*--data-dir <folder>.*TFJS_MOE_DATA/,
    );
    await writeHeldOut();
    await writeFile(join(folder, 'train_d20s.tsv'), '5\t5\n5\t( 5\n');
    await expect(loadListOps({dataDir: folder})).rejects.toThrow(/train_d20s\.tsv, line 2: 1 "\(" without "\)"\./);
  });
});

describe.skipIf(!HAS_REAL)(
  `the published files${HAS_REAL ? '' : ' (skipped: TFJS_MOE_DATA names no folder with listops)'}`,
  () => {
    let data: Awaited<ReturnType<typeof loadListOps>>;
    beforeAll(async () => {
      data = await loadListOps({dataDir: REAL});
    }, 60_000);

    test('all labels of the test and the validation set are the values of their expressions', () => {
      for (const set of [data.test, data.valid]) {
        expect(all(set).filter((tokens, i) => evaluateExpression(tokens) !== set.labels[i])).toEqual([]);
      }
      expect([data.test.count, data.valid.count]).toEqual([10_000, 1_000]);
    });

    test('the statistics that generated expressions are held against are those of the test set', () => {
      expect(histogram(data.test.labels, 10)).toEqual(PUBLISHED.labels);
      expect(lengthHistogram(data.test)).toEqual(fromCumulative(PUBLISHED.lengths));
      expect(histogram(all(data.test).map(depthOf), 20).slice(1)).toEqual(PUBLISHED.depths);
    });

    test('the filter of GST and ReinMax keeps 8,689 and 857, whose texts have 55 characters on average and 231 at most', () => {
      const [held, valid] = [data.test, data.valid].map(set => filterSequences(set, FEWER_THAN_100_WORDS.keeps));
      expect([held!.count, valid!.count]).toEqual([8_689, 857]);
      const lengths = all(encodeSequences(held!, 'character')).map(({length}) => length);
      expect([Math.round(meanAndError(lengths).mean), Math.max(...lengths)]).toEqual([55, 231]);
    });

    test('of the test set 3,531, 6,477 and 7,966 have at most 10, 25 and 50 tokens', () => {
      const counts = [10, 25, 50].map(length => filterSequences(data.test, atMostTokens(length).keeps).count);
      expect(counts).toEqual([3_531, 6_477, 7_966]);
    });
  },
);
