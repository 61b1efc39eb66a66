// The parts of search-cell: collapse, temperatures, entropy, options, halves, lookups, tables and charts.
// SPDX-License-Identifier: Apache-2.0
import {Command} from 'commander';
import {beforeEach, describe, expect, test, vi} from 'vitest';
import type {NasBenchTable} from '../../examples/data/nas-bench-table.js';
import {comparisonChart, runChart} from '../../examples/search-cell/chart.js';
import {summarizeCell} from '../../examples/search-cell/collapse.js';
import {describeMean, groupRuns} from '../../examples/search-cell/compare.js';
import {loadData, makeBatch} from '../../examples/search-cell/data.js';
import {judge} from '../../examples/search-cell/judge.js';
import {addOptions, chooseSettings, type Options, outputName, toOptions} from '../../examples/search-cell/options.js';
import type {EpochRecord} from '../../examples/search-cell/run-state.js';
import type {Settings} from '../../examples/search-cell/settings.js';
import {batchesPerEpoch, entropyOf, temperatureAt} from '../../examples/search-cell/training.js';

describe('collapse', () => {
  /** The four paths of a cell, as edges in the order 0>1, 0>2, 1>2, 0>3, 1>3, 2>3. */
  const PATHS = [[3], [0, 4], [1, 5], [0, 2, 5]];
  const cellOf = (code: number) => Array.from(code.toString(5).padStart(6, '0'), Number);

  test('is that no path without a none has a convolution, for every cell', () => {
    let collapsed = 0;
    for (let code = 0; code < 5 ** 6; ++code) {
      const cell = cellOf(code);
      const hasConvolution = PATHS.map(path => path.map(edge => cell[edge]!)).some(
        operations => !operations.includes(0) && operations.some(operation => operation === 2 || operation === 3),
      );
      expect(summarizeCell(cell).hasCollapsed, String(cell)).toBe(!hasConvolution);
      collapsed += Number(!hasConvolution);
    }
    // At least the cells without any convolution, 3 ** 6, and fewer than all.
    expect(collapsed).toBeGreaterThan(729);
    expect(collapsed).toBeLessThan(15_625);
  });

  test('comes with how many edges have each operation', () => {
    expect(summarizeCell([3, 0, 1, 3, 3, 4]).counts).toEqual({
      ...{none: 1, skip_connect: 1, nor_conv_1x1: 0, nor_conv_3x3: 3, avg_pool_3x3: 1},
    });
  });
});

describe('the loop', () => {
  test('the temperature goes in a straight line from the first epoch to the last', () => {
    const settings = {temperature: 10, finalTemperature: 0.1, epochs: 100};
    expect(temperatureAt(0, settings)).toBe(10);
    // As in GDAS: 10 - 9.9 * epoch / 99
    expect(temperatureAt(33, settings)).toBeCloseTo(6.7, 12);
    expect(temperatureAt(99, settings)).toBeCloseTo(0.1, 12);
    expect(temperatureAt(0, {...settings, epochs: 1})).toBe(10);
  });

  test('the last batch of an epoch may be smaller', () => {
    expect(batchesPerEpoch({images: 5000, batchSize: 64})).toBe(79); // 78 of 64, and 8
    expect(batchesPerEpoch({images: 128, batchSize: 64})).toBe(2);
  });

  test('the entropy is the mean over the edges, ln 5 where all is even and 0 where all is certain', () => {
    const even = new Array(5).fill(0.2);
    expect(entropyOf([even, even])).toBeCloseTo(Math.log(5), 12);
    expect(entropyOf([even, [0, 1, 0, 0, 0]])).toBeCloseTo(Math.log(5) / 2, 12);
  });
});

describe('the options', () => {
  const choose = (...args: string[]) => {
    const command = addOptions(new Command().exitOverride().configureOutput({writeErr: () => {}}), 'comparison.svg');
    return chooseSettings(command.parse(args, {from: 'user'}).opts<Options>());
  };

  test('the warm-up has the share of the epochs that it has in the setting, and leaves some for the choices', () => {
    expect(choose()).toMatchObject({epochs: 140, warmUp: 80});
    expect(choose('--epochs', '4')).toMatchObject({epochs: 4, warmUp: 2});
    expect(choose('--epochs', '4', '--warm-up', '3')).toMatchObject({warmUp: 3});
    expect(() => choose('--epochs', '4', '--warm-up', '4')).toThrow(
      '--warm-up: must leave epochs for the choices, fewer than --epochs (=4), but got 4.',
    );
  });

  test('the setting gdas is that of GDAS on NAS-Bench-201', () => {
    expect(choose('--setting', 'gdas', '--estimator', 'stgs')).toEqual({
      ...{setting: 'gdas', estimator: 'straightThroughGumbelSoftmax', temperature: 10, finalTemperature: 0.1},
      ...{unsampled: 'ones', shrink: 1, channels: 16, cells: 5, epochs: 250, warmUp: 0, batchSize: 64, images: null},
      ...{weightRate: 0.025, choiceRate: 3e-4, clip: 5, seed: 0, dataset: null},
    });
  });

  test.each([
    ['reinmax', 1, 1],
    ['st', 1, 1],
    ['gst', 1, 1],
    ['stgs', 10, 0.1],
    ['gr', 10, 0.1],
    ['gs', 10, 0.1],
  ])('%s goes from temperature %d to %d unless one is named', (estimator, first, last) => {
    expect(choose('--estimator', estimator)).toMatchObject({temperature: first, finalTemperature: last});
    expect(choose('--estimator', estimator, '--temperature', '0.7')).toMatchObject({
      ...{temperature: 0.7, finalTemperature: 0.7},
    });
    expect(choose('--estimator', estimator, '--final-temperature', '0.7')).toMatchObject({
      ...{temperature: first, finalTemperature: 0.7},
    });
  });

  test('a relaxed draw has all operations computed, and nothing else is taken', () => {
    expect(choose('--estimator', 'gs').unsampled).toBe('computed');
    expect(() => choose('--estimator', 'gs', '--unsampled', 'ones')).toThrow(
      '--unsampled: must be computed with gumbelSoftmax, whose draw is a mixture of all operations, but got ones.',
    );
  });

  test('the output folder tells runs apart', () => {
    expect(outputName(choose())).toBe('small-reinmax-t1-computed-seed0');
    expect(outputName(choose('--estimator', 'stgs', '--dataset', 'mnist', '--unsampled', 'zeros', '--seed', '2'))).toBe(
      'small-mnist-straightThroughGumbelSoftmax-t10-0.1-zeros-seed2',
    );
  });

  test('the options of a saved run give its settings again', () => {
    const {images: _, dataset: __, ...choice} = choose('--estimator', 'stgs', '--clip', '0', '--epochs', '3');
    const settings: Settings = {
      ...choice,
      ...{images: 70, backend: 'wasm', trainingKernels: true, dataset: 'mnist', data: 'somewhere'},
      ...{dataDir: null, tableDir: '/table'},
    };
    const again = toOptions(settings) as Options;
    expect(chooseSettings(again)).toEqual({...choice, images: 70, dataset: 'mnist'});
    expect(again).not.toHaveProperty('tableDir');
  });

  test.each([
    [['--batch-size', '1'], 'It must be a whole number of at least 2.'],
    [['--clip', '-1'], 'It must be a number of at least 0'],
    [['--unsampled', 'one'], 'Allowed choices are ones, zeros, computed.'],
    [['--temperature', '0'], 'It must be a number above 0'],
  ])('%j is refused in words', (args, message) => {
    expect(() => choose(...args)).toThrow(message);
  });
});

describe('the data', () => {
  beforeEach(() => {
    vi.stubEnv('TFJS_MOE_DATA', '');
    vi.spyOn(console, 'log').mockImplementation(() => {});
    return () => {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
    };
  });
  const load = (images: number | null) => loadData({setting: 'small', images, dataset: 'mnist'});

  test('the halves share no image, and are those of the setting, or all that there are', async () => {
    const {halves, table} = await load(null);
    // 8,000 digits are fewer than two times 5,000.
    expect([halves.weights.length, halves.choices.length]).toEqual([4000, 4000]);
    expect(new Set([...halves.weights, ...halves.choices]).size).toBe(8000);
    expect(table).toBeUndefined();
    const few = (await load(30)).halves;
    expect(Math.max(...few.weights, ...few.choices)).toBe(59);
  });

  test('more images than there are in a half are refused', async () => {
    await expect(load(4001)).rejects.toThrow(/^--images: a half of MNIST.* has at most 4000 images, but got 4001\.$/);
  });

  test('shrunk images are shrunk in both parts, and their sides must be multiples', async () => {
    const {train, test} = await loadData({setting: 'small', images: 10, dataset: 'mnist', shrink: 2});
    expect([train, test].map(({height, width}) => [height, width])).toEqual([
      [14, 14],
      [14, 14],
    ]);
    await expect(loadData({setting: 'small', images: 10, dataset: 'mnist', shrink: 3})).rejects.toThrow(
      '--shrink: must divide the sides of the images (28 x 28), but got 3.',
    );
  });

  test('a batch has the labels of its images', async () => {
    const {train, statistics} = await load(10);
    const {labels, shape, images} = makeBatch(train, Uint32Array.of(7, 3, 7), {statistics});
    expect(shape).toEqual([3, 28, 28, 1]);
    expect([...labels]).toEqual([7, 3, 7].map(row => train.labels[row]));
    expect(images.subarray(0, 784)).toEqual(images.subarray(2 * 784));
  });
});

test('a cell is judged by its index in each data set', () => {
  const asked: unknown[] = [];
  const table = {
    indexOf: (choices: readonly number[]) => choices[0]! + 100,
    accuracy: (...args: unknown[]) => asked.push(args),
    rank: (index: number, space: string, split: string) => `rank ${index} ${space} ${split}`,
    regret: (index: number, space: string, split: string) => `regret ${index} ${space} ${split}`,
  } as unknown as NasBenchTable;
  const {index, rank, regret} = judge(table, [3, 0, 0, 0, 0, 0]);
  expect(index).toBe(103);
  expect(asked).toEqual(
    ['cifar10', 'cifar100', 'imagenet16'].flatMap(space => [
      [103, space, 'valid'],
      [103, space, 'test'],
    ]),
  );
  expect(rank.cifar100).toBe('rank 103 cifar100 test');
  expect(regret.imagenet16).toBe('regret 103 imagenet16 test');
});

describe('the comparison', () => {
  test('a mean has the deviation of a sample', () => {
    expect(describeMean([])).toBe('-');
    expect(describeMean([93.5])).toBe('93.50');
    // mean 2, squares 1 + 0 + 1 over 2
    expect(describeMean([1, 2, 3])).toBe('2.00 +- 1.00');
  });

  test('runs that differ by their seed only are a group', () => {
    const settings = {
      ...{
        setting: 'small',
        dataset: 'mnist',
        shrink: 2,
        channels: 8,
        cells: 1,
        epochs: 2,
        images: 60,
        unsampled: 'ones',
      },
      ...{estimator: 'reinmax', temperature: 1, finalTemperature: 1, seed: 1},
    } as Settings;
    const runs = [settings, {...settings, temperature: 2}, {...settings, seed: 0}].map(settings => ({settings}));
    const groups = groupRuns(runs);
    expect(groups.map(({method}) => method)).toEqual(['ReinMax, τ = 1, ones', 'ReinMax, τ = 2 to 1, ones']);
    expect(groups.map(group => group.runs.map(run => run.settings.seed))).toEqual([[0, 1], [1]]);
  });
});

describe('the charts', () => {
  const record = {
    ...{epoch: 1, step: 3, temperature: 2, validationAccuracy: 0.25, entropy: 1, architecture: '', seconds: 1},
    ...{table: {cifar10: {valid: 80, test: 90}}, probabilities: Array(6).fill([0.1, 0.2, 0.3, 0.15, 0.25])},
  } as unknown as EpochRecord;
  interface Panels {
    hconcat: [{data: {values: object[]}}, {vconcat: {data: {values: {value: number}[]}}[]}];
  }

  test('a run is drawn as the probabilities of each edge, and beside them validation, table and temperature', () => {
    const [edges, figures] = (runChart([record], 'title') as unknown as Panels).hconcat;
    expect(edges.data.values).toHaveLength(30);
    expect(edges.data.values[8]).toEqual({epoch: 1, edge: '0 > 2', operation: 'nor_conv_3x3', probability: 0.15});
    expect(figures.vconcat.map(({data}) => data.values)).toEqual([25, 90, 2].map(value => [{epoch: 1, value}]));
  });

  test('what no table said is not drawn', () => {
    const history = [{...record, table: null}];
    const [, figures] = (runChart(history, 'title') as unknown as Panels).hconcat;
    expect(figures.vconcat).toHaveLength(2);
    const {vconcat} = comparisonChart([{panel: 'a', label: 'b', history}], 'title') as unknown as {
      vconcat: {hconcat: {data: {values: object[]}}[]}[];
    };
    expect(vconcat[0]!.hconcat.map(({data}) => data.values)).toEqual([[{run: 0, label: 'b', epoch: 1, value: 25}]]);
  });
});
