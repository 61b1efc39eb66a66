// The program as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {generateExpressions} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import {TOKEN_NAMES} from '../../examples/listops/grammar.js';
import {filterSequences, type LabelledSequences, sequenceAt, sliceSequences} from '../../examples/listops/sequences.js';
import {treeLine} from '../../examples/listops/tree-pictures.js';
import {seeded} from '../../src/estimators/index.js';
import {start} from './run-program.js';

const SMALL = ['--units', '16', '--embedding', '8', '--batch-size', '20'];
const OPTIONS = [
  ...['--setting', 'gumbel-rao', '--max-length', '7', '--estimator', 'reinmax', '--temperature', '1', ...SMALL],
  ...['--dropout', '0', '--optimizer', 'adam', '--learning-rate', '0.02', '--epochs', '6', '--validations', '1'],
  ...['--limit', '240', '--seed', '3'],
];

interface TestFigures {
  accuracy: number;
  error: number;
  count: number;
  byLength: {count: number}[];
  trees: Record<string, {micro: number}> | null;
}
interface Result {
  figures: Record<'last' | 'best', {epoch: number; validationAccuracy: number; test: TestFigures}>;
  settings: Record<string, unknown>;
  steps: number;
}

let folder: string;
let printed: string;
const path = (...names: string[]) => join(folder, ...names);
const withData = (...args: string[]) => ['listops', ...args, '--data-dir', path('data')];
const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(path(name, 'result.json'), 'utf8'));
const readLines = async (...names: string[]) =>
  (await readFile(path(...names), 'utf8'))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

/** A file as ListOps is published. */
async function writeSet(name: string, set: LabelledSequences): Promise<void> {
  const lines = Array.from({length: set.count}, (_, i) => {
    const tokens = sequenceAt(set, i);
    const names = Array.from(tokens, token => TOKEN_NAMES[token]!);
    return `${set.labels[i]}\t${treeLine(goldMerges(tokens), names)}\n`;
  });
  await writeFile(path('data', `${name}_d20s.tsv.gz`), gzipSync(lines.join('')));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-listops-'));
  await mkdir(path('data'));
  const all = filterSequences(generateExpressions(2500, {random: seeded(1)}), ({length}) => length <= 12);
  await writeSet('train', sliceSequences(all, 0, 900));
  await writeSet('valid', sliceSequences(all, 900, 1000));
  await writeSet('test', sliceSequences(all, 1000, 1200));
  const done = await start(withData(...OPTIONS, '--output', path('whole'))).finished;
  expect(done.stderr).toBe('');
  expect(done.code).toBe(0);
  printed = done.stdout;
}, 120_000);
afterAll(() => rm(folder, {recursive: true}));

describe('listops', () => {
  test('it learns, and its lines, its results and its history say the same', async () => {
    const {figures, settings, steps} = await readResult('whole');
    const history = await readLines('whole', 'history.jsonl');
    expect(steps).toBe(72);
    expect(settings).toMatchObject({setting: 'gumbel-rao', estimator: 'reinmax', maxLength: 7, limit: 240});
    expect(history.map(({epoch}) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
    // A guess costs ln 10 = 2.303 nats.
    expect(history[0].trainLoss).toBeGreaterThan(2.2);
    expect(history[5].trainLoss).toBeLessThan(2);
    expect(figures.last).toMatchObject({epoch: 6, validationAccuracy: history[5].validationAccuracy});
    const accuracies = history.map(({validationAccuracy}) => validationAccuracy);
    const highest = Math.max(...accuracies);
    expect(figures.best).toMatchObject({epoch: 1 + accuracies.indexOf(highest), validationAccuracy: highest});
    for (const [name, title] of [
      ['last', 'last weights'],
      ['best', 'best validation'],
    ] as const) {
      const {accuracy, error, count} = figures[name].test;
      expect(error).toBeCloseTo(Math.sqrt((accuracy * (1 - accuracy)) / count), 12);
      expect(printed).toContain(
        `test accuracy ${(100 * accuracy).toFixed(2)} % +- ${(100 * error).toFixed(2)} (${title}; ${count} held-out expressions)`,
      );
    }
  });

  test('it scores the trees against right ones and three shapes, and by length only what there is', async () => {
    const {trees, byLength, count} = (await readResult('whole')).figures.last.test;
    expect(Object.keys(trees!)).toEqual(['gold', 'right-branching', 'left-branching', 'balanced']);
    for (const {micro} of Object.values(trees!)) {
      expect(micro).toBeGreaterThan(0);
      expect(micro).toBeLessThanOrEqual(100);
    }
    expect(byLength.map(group => group.count)).toEqual([count]); // of 7 tokens at most
    expect(printed).toMatch(new RegExp(`^with gold trees +${trees!.gold!.micro.toFixed(2)} `, 'm'));
  });

  test('it leaves a chart, two models, and trees to be read', async () => {
    expect((await readdir(path('whole'))).sort()).toEqual([
      'best-model',
      'chart.svg',
      'checkpoint.bin',
      'history.jsonl',
      'model',
      'result.json',
      'trees.txt',
    ]);
    expect(await readFile(path('whole', 'chart.svg'), 'utf8')).toContain('Accuracy (%)');
    expect(await readFile(path('whole', 'trees.txt'), 'utf8')).toMatch(
      /value \d, answer \d; F1 \d+ %\n\nthe right tree:/,
    );
  });

  test('each finished run adds its line beside the folders', async () => {
    const [line] = await readLines('results.jsonl');
    expect(line).toEqual(JSON.parse(await readFile(path('whole', 'result.json'), 'utf8')));
  });

  test('--evaluate measures both models as the run did', async () => {
    const {stdout, code} = await start(['listops', '--evaluate', path('whole')]).finished;
    expect(code).toBe(0);
    const lines = (text: string) => text.match(/^(test accuracy|with .* trees) .*$/gm);
    expect(lines(stdout)).toHaveLength(6);
    expect(lines(stdout)).toEqual(lines(printed));
  });

  test('--compare draws the finished runs below a folder and prints their figures', async () => {
    const {stdout, code} = await start(['listops', '--compare', path()]).finished;
    expect(code).toBe(0);
    const {figures} = await readResult('whole');
    const percent = (share: number) => (100 * share).toFixed(1);
    const cells = [percent(figures.best.validationAccuracy), `${percent(figures.last.test.accuracy)} \\+- `];
    expect(stdout).toMatch(
      new RegExp(`^at most 7 tokens; ReinMax, τ = 1 +adam 0.02 +3 +6.0 +${cells.join(' +')}`, 'm'),
    );
    expect(await readFile(path('comparison.svg'), 'utf8')).toContain('ReinMax, τ = 1');
  });

  test('a run that is stopped and goes on is bit for bit one that was not', async () => {
    const options = [
      ...['--tokens', 'character', '--max-length', '5', '--estimator', 'stgs', '--leaf', 'dense', ...SMALL],
      ...['--epochs', '3', '--limit', '100', '--seed', '5'],
    ];
    const whole = await start(withData(...options, '--output', path('characters'))).finished;
    expect(whole.stderr).toBe('');
    expect(whole.code).toBe(0);
    const stopped = start(withData(...options, '--output', path('resumed')));
    await stopped.seen('epoch 0.60/3');
    stopped.child.kill('SIGINT');
    expect((await stopped.finished).code).toBe(130);
    const refused = await start(['listops', '--resume', '--minutes', '3', '--output', path('resumed')]).finished;
    expect(refused.stderr).toContain('epochs was 3, now null; minutes was null, now 3');
    const resumed = await start(['listops', '--resume', '--output', path('resumed')]).finished;
    expect(resumed.stderr).toBe('');
    expect(resumed.code).toBe(0);
    const [a, b] = [await readResult('characters'), await readResult('resumed')];
    expect(b.settings).toEqual(a.settings);
    expect(b.figures).toEqual(a.figures);
    expect(a.settings).toMatchObject({optimizer: 'radam', temperature: 0.1, tokens: 'character', dropout: 0.5});
    expect(a.figures.last.test.trees).toBeNull();
    expect(await readdir(path('characters'))).not.toContain('trees.txt');
    const untimed = async (name: string) =>
      (await readLines(name, 'history.jsonl')).map(({seconds: _, examplesPerSecond: __, ...record}) => record);
    expect(await untimed('resumed')).toEqual(await untimed('characters'));
  }, 240_000);

  test('a finished run goes on for more epochs, to what it would have been with these from the start', async () => {
    const options = [...OPTIONS, '--limit', '60', '--epochs', '2', '--output', path('extended')];
    const {code} = await start(withData(...options)).finished;
    expect(code).toBe(0);
    const goOn = (...args: string[]) => start(['listops', '--resume', ...args, '--output', path('extended')]).finished;
    expect((await goOn()).stderr).toContain('is finished');
    expect((await goOn('--epochs', '2')).stderr).toContain('is finished');
    expect((await goOn('--epochs', '1')).stderr).toContain('the run has gone through 2 epochs already, but got 1.');
    expect((await readResult('extended')).settings).toMatchObject({epochs: 2}); // still there
    expect((await goOn('--epochs', '4')).stderr).toBe('');
    const atOnce = [...OPTIONS, '--limit', '60', '--epochs', '4', '--output', path('at-once')];
    expect((await start(withData(...atOnce)).finished).code).toBe(0);
    const [a, b] = [await readResult('at-once'), await readResult('extended')];
    expect(b.settings).toEqual(a.settings);
    expect(b.figures).toEqual(a.figures);
    expect(b.steps).toBe(a.steps);
    const read = (name: string) => readFile(path(name, 'model', 'model.json'), 'utf8');
    expect(await read('extended')).toBe(await read('at-once'));
  }, 240_000);

  test.each([
    [['--estimator', 'reimax'], 'Allowed choices are'],
    [['--num-samples', '10'], '--num-samples: reinmax has none'],
    [['--resume', '--output', 'none'], 'there is no checkpoint.bin in none'],
  ])('%j is refused in words', async (args, message) => {
    const {code, stderr} = await start(['listops', ...args]).finished;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('--help names the options and what becomes of a run', async () => {
    const {code, stdout} = await start(['listops', '--help']).finished;
    expect(code).toBe(0);
    for (const word of ['--setting', '--tokens', '--minutes', '--resume', 'trees.txt', 'results.jsonl']) {
      expect(stdout).toContain(word);
    }
  });
});
