// The program as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

/** The promise of --resume: figures of the resumed and of the uninterrupted run agree to this share of their size. */
const RESUMED = 1e-5;

const SIZES = ['--size', '3x2', '--limit', '200', '--batch-size', '20', '--images', '3', '--draws', '40'];
const OPTIONS = [...SIZES, '--points', '0,2,3', '--estimators', 'st:1,stgs:0.5,reinmax:1,leaveOneOut', '--seed', '3'];
/** Three epochs of 200 digits. */
const STEPS = 30;

interface Figure {
  mean: number;
  error: number;
}

interface Result {
  figures: {
    points: {
      epoch: number;
      seconds: number;
      loss: number;
      gradientNorm: number;
      variants: {name: string; cosine: Figure; expectedCosine: Figure | null; batch: {cosine: Figure}}[];
    }[];
  };
  [other: string]: unknown;
}

let folder: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-quality-'));
  const done = await start(['gradient-quality', ...OPTIONS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 120_000);
afterAll(() => rm(folder, {recursive: true}));

async function readResult(name: string): Promise<Result> {
  return JSON.parse(await readFile(join(folder, name, 'result.json'), 'utf8'));
}

describe('gradient-quality', () => {
  test('a run leaves its results and a measurement at each point', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'model', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    expect(whole).toMatchObject({program: 'gradient-quality', seed: 3, steps: STEPS, backend: 'wasm'});
    expect(whole.settings).toMatchObject({size: '3x2', points: [0, 2, 3], epochs: 3, estimator: 'reinmax', images: 3});
    const {points} = whole.figures;
    expect(points.map(({epoch}) => epoch)).toEqual([0, 2, 3]);
    expect(points[2]!.loss).toBeLessThan(points[0]!.loss); // it learns
    for (const {variants} of points) {
      expect(variants.map(({name}) => name)).toEqual([
        'straightThrough',
        'straightThroughGumbelSoftmax',
        'reinmax',
        'leaveOneOut',
      ]);
      for (const {cosine} of variants) expect(Math.abs(cosine.mean)).toBeLessThanOrEqual(1);
      expect(variants[2]!.expectedCosine!.mean).toBeGreaterThan(0);
      expect(variants[1]!.expectedCosine).toBeNull();
    }
    const lines = (await readFile(join(folder, 'whole', 'history.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map(line => JSON.parse(line))).toEqual(points);
    expect(printed).toMatch(/^after epoch 2, [\d.]+ s: reconstruction [\d.]+ nats/m);
    expect(printed).toMatch(/^Straight-through, 1 +-?\d\.\d{3} ±\d\.\d{3}/m);
  });

  test('the chart has a panel for each figure', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of ['all digits as one vector', 'a single draw', 'Bias', 'Deviation', 'Epochs of training']) {
      expect(svg).toContain(label);
    }
    expect(svg).not.toContain('NaN');
  });

  test('stopped by SIGINT in the middle of an epoch, a resumed run has the same numbers', async () => {
    const output = join(folder, 'stopped');
    const first = start(['gradient-quality', ...OPTIONS, '--output', output]);
    await first.seen('epoch 1/3:');
    first.child.kill('SIGINT');
    const stopped = await first.finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toMatch(/Saved after step \d+ in /);
    const second = await start(['gradient-quality', '--resume', '--output', output]).finished;
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/, from step \d+$/m);
    const resumed = await readResult('stopped');
    resumed.figures.points.forEach((point, i) => {
      const expected = whole.figures.points[i]!;
      expect(Math.abs(point.loss / expected.loss - 1)).toBeLessThan(RESUMED);
      expect(Math.abs(point.gradientNorm / expected.gradientNorm - 1)).toBeLessThan(1e-3);
      point.variants.forEach(({cosine, batch}, v) => {
        expect(Math.abs(cosine.mean - expected.variants[v]!.cosine.mean)).toBeLessThan(1e-3);
        expect(Math.abs(batch.cosine.mean - expected.variants[v]!.batch.cosine.mean)).toBeLessThan(1e-3);
      });
    });
  }, 120_000);

  test('--evaluate measures the saved network', async () => {
    const options = ['--images', '3', '--draws', '40', '--estimators', 'reinmax:1'];
    const {code, stdout} = await start(['gradient-quality', '--evaluate', join(folder, 'whole'), ...options]).finished;
    expect(code).toBe(0);
    const {loss, gradientNorm} = whole.figures.points[2]!;
    expect(stdout).toContain(
      `reconstruction ${loss.toFixed(2)} nats, length of the exact gradient ${gradientNorm.toFixed(3)}`,
    );
    expect(stdout).toMatch(/^ReinMax, 1 /m);
  });

  test('--help lists the options', async () => {
    const {code, stdout} = await start(['gradient-quality', '--help']).finished;
    expect(code).toBe(0);
    for (const option of ['--estimators', '--points', '--images', '--draws', '--train-estimator', 'leaveOneOut']) {
      expect(stdout).toContain(option);
    }
  });

  test.each([
    [['--size', '10x30'], /--size: the codes must be enumerated, at most 16384/],
    [['--size', '8by4'], /--size: it must be two whole numbers with an x between, such as 8x4, but got 8by4\./],
    [['--estimators', 'reinmax:1,reinmax:1'], /It must hold each value once/],
    [['--train-estimator', 'reimax'], /unknown name "reimax"/],
    [['--limit', '5', '--images', '9'], /--images: there are 5 training digits, but got 9\./],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['gradient-quality', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
