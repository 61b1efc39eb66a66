// The program as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

const COUNT = 5 ** 6;
/** Every cell once, in an order of its own: 7919 is prime, so that it runs through all residues of 5^6. */
const opsOf = (i: number) => ((i * 7919 + 5) % COUNT).toString(5).padStart(6, '0');
/** An accuracy of cell i in column j, in percent, with ties. */
const madeUp = (i: number, j: number) => ((i * (2 * j + 3) * 31) % 1001) / 10;
const HEADER =
  'index,ops,trials,params_m,flops_m,train_time_s,c10_val_200,c10_test_200,c100_val_200,c100_test_200,in16_val_200,in16_test_200,' +
  'c10_val_12,c10_test_12,c100_val_12,c100_test_12,in16_val_12,in16_test_12';

const OPERATIONS = ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'];
const TINY = [
  ...['--dataset', 'mnist', '--images', '30', '--batch-size', '10', '--channels', '2', '--epochs', '3'],
  ...['--choice-rate', '0.1', '--seed', '4'],
];

interface Result {
  figures: {
    architecture: string;
    choices: number[];
    counts: Record<string, number>;
    hasCollapsed: boolean;
    table: {
      index: number;
      accuracies: Record<string, {valid: number; test: number}>;
      rank: Record<string, number>;
      regret: Record<string, number>;
    } | null;
    last: {probabilities: number[][]; validationAccuracy: number};
    test: {accuracy: number; count: number};
  };
  settings: Record<string, unknown>;
  steps: number;
}

let folder: string;
let printed: string;
const path = (...names: string[]) => join(folder, ...names);
const run = (...args: string[]) => start(['search-cell', ...args], {TFJS_MOE_DATA: path('data')});
const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(path(name, 'result.json'), 'utf8'));
const readLines = async (...names: string[]) =>
  (await readFile(path(...names), 'utf8'))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-search-cell-'));
  await mkdir(path('data', 'nasbench201'), {recursive: true});
  const rows = Array.from({length: COUNT}, (_, i) =>
    [i, opsOf(i), 3, 1, 1, 1, ...Array.from({length: 12}, (_, j) => madeUp(i, j))].join(','),
  );
  await writeFile(path('data', 'nasbench201', 'nasbench201.csv'), `${[HEADER, ...rows].join('\n')}\n`);
  const done = await run(...TINY, '--output', path('whole')).finished;
  expect(done.stderr).toBe('');
  expect(done.code).toBe(0);
  printed = done.stdout;
}, 240_000);
afterAll(() => rm(folder, {recursive: true}));

describe('search-cell', () => {
  test('the cell found is the likeliest of the last epoch, and its name, its choices and its lines say the same', async () => {
    const {figures, settings, steps} = await readResult('whole');
    const history = await readLines('whole', 'history.jsonl');
    expect(steps).toBe(9);
    expect(settings).toMatchObject({setting: 'small', estimator: 'reinmax', dataset: 'mnist', images: 30, epochs: 3});
    expect(history.map(({epoch, step}) => [epoch, step])).toEqual([
      [1, 3],
      [2, 6],
      [3, 9],
    ]);
    const likeliest = figures.last.probabilities.map(row => row.indexOf(Math.max(...row)));
    expect(figures.choices).toEqual(likeliest);
    const [a, b, c, d, e, f] = likeliest.map(choice => OPERATIONS[choice]);
    expect(figures.architecture).toBe(`|${a}~0|+|${b}~0|${c}~1|+|${d}~0|${e}~1|${f}~2|`);
    expect(history[2]).toMatchObject({architecture: figures.architecture, hasCollapsed: figures.hasCollapsed});
    expect(printed).toContain(`the cell found: ${figures.architecture}`);
    expect(Object.values(figures.counts).reduce((sum, count) => sum + count)).toBe(6);
    // Rates of 0.1 in nine steps: the choices have left the even ones.
    expect(history[2].entropy).toBeLessThan(history[0].entropy);
    expect(history[0].entropy).toBeLessThan(Math.log(5));
  });

  test('the cell is looked up in the table, and ranked by a slow count', async () => {
    const {choices, table} = (await readResult('whole')).figures;
    const index = Array.from({length: COUNT}, (_, i) => i).find(i => opsOf(i) === choices.join(''))!;
    expect(table!.index).toBe(index);
    (['cifar10', 'cifar100', 'imagenet16'] as const).forEach((space, i) => {
      const [valid, test] = [madeUp(index, 2 * i), madeUp(index, 2 * i + 1)];
      expect(table!.accuracies[space]).toEqual({valid, test});
      const all = Array.from({length: COUNT}, (_, k) => madeUp(k, 2 * i + 1));
      expect(table!.rank[space]).toBe(1 + all.filter(other => other > test).length);
      expect(table!.regret[space]).toBeCloseTo(Math.max(...all) - test, 10);
    });
    const {cifar10} = table!.accuracies;
    expect(printed).toMatch(new RegExp(`^CIFAR-10 +${cifar10!.valid.toFixed(2)} +${cifar10!.test.toFixed(2)} `, 'm'));
    expect((await readLines('whole', 'history.jsonl'))[2].table.cifar10).toEqual(cifar10);
  });

  test('it leaves a drawing of the cell, a chart, a model and a line beside its folder', async () => {
    expect((await readdir(path('whole'))).sort()).toEqual([
      ...['cell.svg', 'chart.svg', 'checkpoint.bin', 'history.jsonl', 'model', 'result.json'],
    ]);
    const {figures} = await readResult('whole');
    expect(await readFile(path('whole', 'cell.svg'), 'utf8')).toContain(OPERATIONS[figures.choices[0]!]);
    const chart = await readFile(path('whole', 'chart.svg'), 'utf8');
    for (const text of ['0 &gt; 1', '2 &gt; 3', 'nor_conv_3x3', 'Temperature']) expect(chart).toContain(text);
    const model = JSON.parse(await readFile(path('whole', 'model', 'model.json'), 'utf8'));
    const classes = JSON.stringify(model.modelTopology).match(/"class_name":"\w+"/g)!;
    expect(classes.some(name => /Search|Architecture|ConvolutionBlock/.test(name))).toBe(false);
    const [line] = await readLines('results.jsonl');
    expect(line).toEqual(await readResult('whole'));
  });

  test('--evaluate measures the plain network as the run did', async () => {
    const {stdout, stderr, code} = await run('--evaluate', path('whole')).finished;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const {accuracy, count} = (await readResult('whole')).figures.test;
    expect(count).toBe(2000);
    const line = /^test accuracy .*$/m;
    expect(stdout.match(line)![0]).toBe(printed.match(line)![0]);
    expect(stdout).toContain(`test accuracy ${(100 * accuracy).toFixed(2)} %`);
  });

  test('a run that is stopped and goes on is bit for bit one that was not, and without a table says so', async () => {
    const options = [...TINY, '--estimator', 'stgs', '--unsampled', 'computed'];
    const whole = await start(['search-cell', ...options, '--output', path('stgs')]).finished;
    expect(whole.stderr).toBe('');
    expect(whole.stdout).toContain('There is no table to look it up.');
    const stopped = start(['search-cell', ...options, '--output', path('resumed')]);
    await stopped.seen('epoch 1/3');
    stopped.child.kill('SIGINT');
    const outcome = await stopped.finished;
    expect(outcome.code).toBe(130);
    expect(outcome.stdout).toMatch(/^Saved after step [3-8] in .* Go on with --resume\.$/m);
    const refused = await start(['search-cell', '--resume', '--choice-rate', '0.2', '--output', path('resumed')])
      .finished;
    expect(refused.stderr).toContain('choiceRate was 0.1, now 0.2');
    const longer = await start(['search-cell', '--resume', '--epochs', '4', '--output', path('resumed')]).finished;
    expect(longer.stderr).toContain(
      '--epochs: the run was started for 3, and the learning rate of its weights falls and its temperature moves over all of them',
    );
    // The table that is there now was not there when the run began.
    const resumed = await start(['search-cell', '--resume', '--output', path('resumed')]).finished;
    expect(resumed.stderr).toBe('');
    expect(resumed.code).toBe(0);
    const [a, b] = [await readResult('stgs'), await readResult('resumed')];
    expect(a.figures.table).toBeNull();
    expect(b.settings).toEqual(a.settings);
    expect(b.figures).toEqual(a.figures);
    const untimed = async (name: string) =>
      (await readLines(name, 'history.jsonl')).map(({seconds: _, examplesPerSecond: __, ...record}) => record);
    const records = await untimed('stgs');
    expect(await untimed('resumed')).toEqual(records);
    expect(records.map(({temperature}) => temperature)).toEqual([10, 5.05, expect.closeTo(0.1, 10)]);
  }, 240_000);

  test('--compare sets the estimators beside what is published, and draws the runs', async () => {
    const {stdout, stderr, code} = await run('--compare', path()).finished;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const {architecture, table, hasCollapsed} = (await readResult('whole')).figures;
    const test = table!.accuracies.cifar10!.test.toFixed(2);
    expect(stdout).toMatch(
      new RegExp(`ReinMax, τ = 1, computed +1 +1 +${test} +93\\.44 \\+- 0\\.23 +${Number(hasCollapsed)}$`, 'm'),
    );
    expect(stdout).toMatch(
      /Straight-through Gumbel-softmax, τ = 10 to 0\.1, computed +2 +1 +- +93\.23 \+- 0\.58 +\d$/m,
    );
    expect(stdout).toContain(architecture);
    const chart = await readFile(path('comparison.svg'), 'utf8');
    expect(chart).toContain('Test accuracy (%), in the table');
    expect(chart).toContain('ReinMax, τ = 1, computed');
  });

  test.each([
    [['--estimator', 'reimax'], 'Allowed choices are'],
    [['--estimator', 'gs', '--unsampled', 'zeros'], '--unsampled: must be computed with gumbelSoftmax'],
    [['--dataset', 'mnist', '--images', '4001'], 'has at most 4000 images, but got 4001'],
    [['--resume', '--output', 'none'], 'there is no checkpoint.bin in none'],
  ])('%j is refused in words', async (args, message) => {
    const {code, stderr} = await run(...args).finished;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
