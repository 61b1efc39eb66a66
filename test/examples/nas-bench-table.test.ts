// The table of NAS-Bench-201 says what is published, its ranks and regrets are those of a slow count, and a damaged file is refused in words.
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeAll, beforeEach, describe, expect, test, vi} from 'vitest';
import {parseNasBench} from '../../examples/data/nas-bench-file.js';
import {loadNasBenchTable, type NasBenchTable} from '../../examples/data/nas-bench-table.js';

/** The real file, where the machine has it. */
const REAL = process.env.TFJS_MOE_DATA && join(process.env.TFJS_MOE_DATA, 'nasbench201');
const HAS_REAL = Boolean(REAL && existsSync(REAL));
const WHY_SKIPPED = HAS_REAL ? '' : ' (skipped: TFJS_MOE_DATA names no folder with nasbench201)';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-nas-'));
  vi.stubEnv('TFJS_MOE_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, {recursive: true});
});

const COUNT = 5 ** 6;
const SPACES = ['cifar10', 'cifar100', 'imagenet16'] as const;
const SPLITS = ['valid', 'test'] as const;
const ALL = ([200, 12] as const).flatMap(epochs =>
  SPACES.flatMap(space => SPLITS.map(split => ({space, split, epochs}))),
);

const HEADER =
  'index,ops,trials,params_m,flops_m,train_time_s,c10_val_200,c10_test_200,c100_val_200,c100_test_200,in16_val_200,in16_test_200,' +
  'c10_val_12,c10_test_12,c100_val_12,c100_test_12,in16_val_12,in16_test_12';
/** Every cell once, in an order of its own: 7919 is prime, so that it runs through all residues of 5^6. */
const opsOf = (i: number) => ((i * 7919 + 5) % COUNT).toString(5).padStart(6, '0');
/** Accuracies with many ties, from 0 to 100: column j of cell i. */
const madeUp = (i: number, j: number) => ((i * (2 * j + 3) * 31) % 1001) / 10;
const rowOf = (i: number) =>
  [i, opsOf(i), 2 + (i % 2), i / 8, i / 4, i / 2, ...Array.from({length: 12}, (_, j) => madeUp(i, j))].join(',');
const ROWS = Array.from({length: COUNT}, (_, i) => rowOf(i));
const fileOf = (rows: readonly string[], header = HEADER) => Buffer.from(`${[header, ...rows].join('\n')}\n`);
/** The file with another line in place of one. */
const withLine = (index: number, change: (fields: string[]) => void) => {
  const fields = ROWS[index]!.split(',');
  change(fields);
  return fileOf(ROWS.with(index, fields.join(',')));
};

describe('parseNasBench', () => {
  const parse = (bytes: Uint8Array) => () => parseNasBench(bytes, 'x.csv');

  test('a file whose lines end as on Windows is read as the plain one', () => {
    const plain = fileOf(ROWS);
    expect(parse(Buffer.from(plain.toString().replaceAll('\n', '\r\n')))()).toEqual(parse(plain)());
  });

  test('another header, too few lines, too many, and a cut gzip are refused with the path', () => {
    expect(parse(fileOf(ROWS, HEADER.replace('val', 'valid')))).toThrow('the first line of x.csv must be "index,ops');
    expect(parse(new Uint8Array(0))).toThrow('but it is ""');
    expect(parse(fileOf(ROWS.slice(0, -1)))).toThrow('x.csv must have 15625 architectures, one a line, but has 15624.');
    expect(parse(fileOf([...ROWS, rowOf(COUNT)]))).toThrow('but has 15626.');
    expect(parse(gzipSync(fileOf(ROWS)).subarray(0, 2000))).toThrow('x.csv cannot be unpacked');
  });

  // The header is line 1, so that index 7 is line 9.
  test('a line that is out of order, short, of an unknown operation, or a repetition is refused with its number', () => {
    const fails = (change: (fields: string[]) => void, words: string) =>
      expect(parse(withLine(7, change))).toThrow(`parseNasBench: line 9 of x.csv ${words}`);
    fails(fields => fields.splice(0, 1, '8'), 'must have the index 7, but has "8".');
    fails(fields => fields.pop(), 'must have 18 values, but has 17.');
    fails(fields => fields.splice(1, 1, '012345'), 'must have six operations from 0 to 4, but has "012345".');
    fails(fields => fields.splice(1, 1, '01234'), 'must have six operations from 0 to 4, but has "01234".');
    fails(fields => fields.splice(1, 1, opsOf(3)), `has the architecture of index 3, ${opsOf(3)}, again.`);
  });

  test('an accuracy outside [0, 100], a cost below 0, and what is no number are refused with the column', () => {
    const fails = (column: number, text: string, words: string) =>
      expect(parse(withLine(7, fields => fields.splice(column, 1, text)))).toThrow(`line 9 of x.csv ${words}`);
    fails(6, '100.01', 'must have a number from 0 to 100 as c10_val_200, but has "100.01".');
    fails(17, '-1', 'must have a number from 0 to 100 as in16_test_12, but has "-1".');
    fails(12, '', 'must have a number from 0 to 100 as c10_val_12, but has "".');
    fails(3, 'many', 'must have a number of at least 0 as params_m, but has "many".');
    fails(5, '-0.5', 'must have a number of at least 0 as train_time_s, but has "-0.5".');
  });
});

describe('loadNasBenchTable', () => {
  test('without a folder that could have it there is no table', async () => {
    expect(await loadNasBenchTable()).toBeUndefined();
    vi.stubEnv('TFJS_MOE_DATA', folder);
    expect(await loadNasBenchTable()).toBeUndefined();
  });

  test('the file is found in the folder that is named, in its subfolder, and in that of TFJS_MOE_DATA, packed or not', async () => {
    const inner = join(folder, 'nasbench201');
    await mkdir(inner);
    await writeFile(join(inner, 'nasbench201.csv'), fileOf(ROWS));
    expect((await loadNasBenchTable({dataDir: folder}))!.folder).toBe(inner);
    expect((await loadNasBenchTable({dataDir: inner}))!.folder).toBe(inner);
    vi.stubEnv('TFJS_MOE_DATA', folder);
    expect((await loadNasBenchTable())!.folder).toBe(inner);
    expect(await loadNasBenchTable({environment: false})).toBeUndefined();
    // By its first bytes, not by its name; and the folder itself comes before its subfolder.
    await writeFile(join(folder, 'nasbench201.csv'), gzipSync(fileOf(ROWS)));
    const outer = await loadNasBenchTable({dataDir: folder});
    expect([outer!.folder, outer!.count]).toEqual([folder, COUNT]);
  });

  test('a folder that is named and lacks the file is refused with the ways', async () => {
    await expect(loadNasBenchTable({dataDir: folder})).rejects.toThrow(
      /nasbench201\.csv\.gz .*do not exist.*--data-dir <folder>.*TFJS_MOE_DATA/,
    );
    await mkdir(join(folder, 'nasbench201'));
    vi.stubEnv('TFJS_MOE_DATA', folder);
    await expect(loadNasBenchTable()).rejects.toThrow('do not exist');
  });
});

describe('NasBenchTable', () => {
  let table: NasBenchTable;
  beforeEach(async () => {
    await writeFile(join(folder, 'nasbench201.csv'), fileOf(ROWS));
    table = (await loadNasBenchTable({dataDir: folder}))!;
  });

  test('each cell is found under its index and each index under its cell', () => {
    for (let i = 0; i < COUNT; ++i) {
      const choices = table.choices(i);
      if (choices.join('') !== opsOf(i) || table.indexOf(choices) !== i) expect.fail(`index ${i}: ${choices}`);
    }
  });

  test('each column is the one of the header, and the costs are those of the line', () => {
    ALL.forEach(({space, split, epochs}, j) => {
      const column = table.column(space, split, epochs);
      expect(Array.from(column.subarray(0, 2000))).toEqual(Array.from({length: 2000}, (_, i) => madeUp(i, j)));
      expect(table.accuracy(1234, space, split, epochs)).toBe(madeUp(1234, j));
    });
    expect(table.accuracy(99, 'cifar100', 'test')).toBe(table.accuracy(99, 'cifar100', 'test', 200));
    expect([table.trials(9), table.params(9), table.flops(9), table.trainSeconds(9)]).toEqual([3, 9 / 8, 9 / 4, 9 / 2]);
  });

  test('a column is a copy: what the caller writes into it does not reach the table', () => {
    table.column('cifar10', 'valid').fill(0);
    expect(table.accuracy(1234, 'cifar10', 'valid')).toBe(madeUp(1234, 0));
  });

  test('the best, the ranks and the regrets are those of a slow count, ties sharing the better rank', () => {
    ALL.forEach(({space, split, epochs}, j) => {
      let best = 0;
      for (let i = 1; i < COUNT; ++i) if (madeUp(i, j) > madeUp(best, j)) best = i;
      expect(table.best(space, split, epochs)).toEqual({index: best, accuracy: madeUp(best, j)});
      for (const index of [0, best, 5, 1006, 1007, COUNT - 1]) {
        let rank = 1;
        for (let i = 0; i < COUNT; ++i) if (madeUp(i, j) > madeUp(index, j)) ++rank;
        expect(table.rank(index, space, split, epochs)).toBe(rank);
        expect(table.regret(index, space, split, epochs)).toBe(madeUp(best, j) - madeUp(index, j));
      }
    });
    // 31 * 3 has no factor in common with 1001, so that indices 1001 apart, and no others, have the same accuracy.
    expect(table.rank(5, 'cifar10', 'valid')).toBe(table.rank(1006, 'cifar10', 'valid'));
    expect(table.rank(5, 'cifar10', 'valid')).not.toBe(table.rank(6, 'cifar10', 'valid'));
  });

  test('an index, a cell and a column that the table does not have are refused', () => {
    for (const index of [-1, COUNT, 0.5, Number.NaN]) {
      const words = `an index must be a whole number from 0 to 15624, but got ${index}.`;
      expect(() => table.choices(index)).toThrow(words);
      expect(() => table.rank(index, 'cifar10', 'test')).toThrow(words);
      expect(() => table.params(index)).toThrow(words);
    }
    for (const choices of [[0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 5], [0, 0, 0, 0, -1, 0], [0.5, 0, 0, 0, 0, 0], []]) {
      expect(() => table.indexOf(choices)).toThrow(`6 whole numbers from 0 to 4, but got [${choices.join(', ')}].`);
    }
    expect(() => table.accuracy(0, 'cifar10', 'test', 90 as 12)).toThrow('no accuracies of cifar10, test, after 90');
  });
});

// Dong and Yang 2020, as checked in the description of the file; the architectures in the order of the official records.
describe.skipIf(!HAS_REAL)(`the published table${WHY_SKIPPED}`, () => {
  let table: NasBenchTable;
  const cells = Array.from({length: COUNT}, (_, i) => i);
  beforeAll(async () => {
    table = (await loadNasBenchTable({dataDir: REAL!, environment: false}))!;
  });
  const six = (index: number, epochs: 12 | 200 = 200) =>
    SPACES.flatMap(space => SPLITS.map(split => table.accuracy(index, space, split, epochs)));

  test('every cell comes once, and index 0 is the official record of it', () => {
    expect(new Set(cells.map(i => table.choices(i).join(''))).size).toBe(COUNT);
    // |avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|
    expect(table.choices(0)).toEqual([4, 2, 1, 2, 1, 1]);
    expect(six(0)).toEqual([81.9827, 85.8633, 52.7, 52.9133, 28.2111, 26.6333]);
    expect(six(0, 12)).toEqual([63.364, 69.55, 31.84, 31.26, 18.4667, 17]);
  });

  test('the cell without any operation guesses: 1 of 10, of 100 and of 120 classes', () => {
    const index = table.indexOf([0, 0, 0, 0, 0, 0]);
    expect(SPACES.map(space => table.accuracy(index, space, 'test'))).toEqual([10, 1, 0.8333]);
  });

  test('the optima are the published ones', () => {
    const optima = SPACES.flatMap(space => SPLITS.map(split => table.best(space, split)));
    expect(optima.map(({index}) => index)).toEqual([6111, 6111, 9930, 9930, 10_676, 857]);
    expect(optima.map(({accuracy}) => accuracy.toFixed(2))).toEqual([
      '91.61',
      '94.37',
      '73.49',
      '73.51',
      '46.73',
      '47.31',
    ]);
    expect([table.rank(6111, 'cifar10', 'test'), table.regret(6111, 'cifar10', 'test')]).toEqual([1, 0]);
  });

  // Liu et al. 2023, Table 4: 39.55 and 39.40 without a deviation, since all three searches ended in this cell.
  test('index 6960 is the cell of GDAS with straight-through Gumbel-softmax on ImageNet16-120', () => {
    expect(table.indexOf([0, 0, 0, 3, 0, 0])).toBe(6960);
    expect(SPLITS.map(split => table.accuracy(6960, 'imagenet16', split).toFixed(2))).toEqual(['39.55', '39.40']);
  });

  // 16, 32 and 64 channels in five cells each: a convolution of 1 x 1 has 5 (16^2 + 32^2 + 64^2) = 26,880 weights and 5 * 224 = 1,120
  // of its normalisation, 0.028 million in all; one of 3 x 3 has 9 * 26,880 + 1,120 = 243,040.
  test('parameters and multiply-adds of every cell follow from its convolutions', () => {
    for (const i of cells) {
      const choices = table.choices(i);
      const [ones, threes] = [2, 3].map(operation => choices.filter(choice => choice === operation).length);
      const params = 0.073306 + 0.028 * ones! + 0.24304 * threes!;
      const flops = 7.78305 + 3.93216 * ones! + 35.38944 * threes!;
      if (Math.abs(table.params(i) - params) > 1e-9 || Math.abs(table.flops(i) - flops) > 1e-9) {
        expect.fail(`index ${i}: ${table.params(i)} and ${table.flops(i)}, expected ${params} and ${flops}`);
      }
    }
  });

  test('7,456 cells were trained twice, the others three times', () => {
    const counts = [2, 3].map(trials => cells.filter(i => table.trials(i) === trials).length);
    expect(counts).toEqual([7456, 8169]);
  });

  // A mean of so many trainings over so many images: 25,000 of CIFAR-10 to choose by and 10,000 held out, 5,000 and 3,000 of the others.
  test('accuracies after 200 epochs are whole numbers of images over the trainings', () => {
    const images = {cifar10: [25_000, 10_000], cifar100: [5000, 5000], imagenet16: [3000, 3000]};
    for (const space of SPACES) {
      SPLITS.forEach((split, part) => {
        const column = table.column(space, split);
        const worst = cells.reduce((most, i) => {
          const hits = (column[i]! / 100) * images[space][part]! * table.trials(i);
          return Math.max(most, Math.abs(hits - Math.round(hits)));
        }, 0);
        // Four decimals of a percent: half a unit of the last is 0.0000005 of 75,000 images at most.
        expect(worst).toBeLessThan(0.0376);
      });
    }
  });

  test('accuracy after 12 epochs goes with that after 200 as is known: correlation .912', () => {
    const [short, long] = [table.column('cifar10', 'valid', 12), table.column('cifar10', 'valid', 200)];
    const mean = (values: Float64Array) => values.reduce((a, b) => a + b) / COUNT;
    const covariance = (a: Float64Array, b: Float64Array) => {
      const [meanA, meanB] = [mean(a), mean(b)];
      return a.reduce((sum, value, i) => sum + (value - meanA) * (b[i]! - meanB), 0);
    };
    const correlation = covariance(short, long) / Math.sqrt(covariance(short, short) * covariance(long, long));
    expect(correlation.toFixed(3)).toBe('0.912');
  });
});
