// The program as its user runs it, and what its estimators find: the numbers of a simulation in float64 of the same runs.
// SPDX-License-Identifier: Apache-2.0
import {copyFile, mkdir, mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

const STEPS = 400;
// Of each kind, among them some that keep something from step to step: a baseline, a learned coefficient with its moments.
const ESTIMATORS = [
  'exact',
  'reinmax',
  'reinmax:1.3',
  'straightThrough',
  'straightThroughGumbelSoftmax',
  'reinforce',
  'doubleCV',
];
const SIZES = ['--p', '2', '--latents', '16', '--steps', String(STEPS), '--learning-rate', '0.01'];
const OPTIONS = [...SIZES, '--estimators', ESTIMATORS.join(','), '--seeds', '3'];

interface Line {
  command: string;
  seed: number;
  settings: {estimator: {name: string; temperature: number | null}};
  figures: {
    trainingLoss: number;
    expectedLoss: number;
    meanProbability: number;
    curve: {step: number[]; expectedLoss: number[]};
  };
  seconds: number;
}

let folder: string;
let whole: Line[];
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-polynomial-'));
  const done = await start(['polynomial', ...OPTIONS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readLines('whole');
}, 180_000);
afterAll(() => rm(folder, {recursive: true}));

async function readLines(name: string): Promise<Line[]> {
  const lines = (await readFile(join(folder, name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line));
}

/** The mean over the seeds of a figure of an estimator. */
function meanOf(name: string, temperature: number | null, figure: 'meanProbability' | 'expectedLoss'): number {
  const runs = whole.filter(
    ({settings: {estimator}}) => estimator.name === name && estimator.temperature === temperature,
  );
  expect(runs).toHaveLength(3);
  return runs.reduce((sum, {figures}) => sum + figures[figure] / 3, 0);
}

describe('polynomial', () => {
  // Simulated in float64 with the same settings, the mean of 3 seeds: mean probability and expected loss at the end. The bounds are
  // those within which any seeds fall; a temperature or a factor that stood in the wrong place would lead out of them.
  test.each([
    ['exact', null, [0.0195, 0.0205], 0.2045],
    ['reinmax', 1, [0.03, 0.1], 0.2074],
    ['reinmax', 1.3, [0.28, 0.34], 0.234],
    ['straightThrough', 1, [0.42, 0.48], 0.2478],
    ['straightThroughGumbelSoftmax', 1, [0.38, 0.47], 0.2458],
    ['reinforce', null, [0.05, 0.15], 0.2102],
  ] as const)('%s at temperature %s ends where the simulation does', (name, temperature, [low, high], loss) => {
    const probability = meanOf(name, temperature, 'meanProbability');
    expect(probability).toBeGreaterThan(low);
    expect(probability).toBeLessThan(high);
    expect(Math.abs(meanOf(name, temperature, 'expectedLoss') - loss)).toBeLessThan(0.0015);
  });

  test('the runs leave their results, which agree with each other and with what is printed', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    const result = JSON.parse(await readFile(join(folder, 'whole', 'result.json'), 'utf8'));
    expect(result).toMatchObject({program: 'polynomial', seed: 0, steps: 21 * STEPS, backend: 'wasm'});
    const [panel] = result.figures.panels;
    expect(panel).toMatchObject({p: 2, latents: 16, batchSize: 64, target: 0.45});
    expect(panel.estimators.map(({estimator}: {estimator: string}) => estimator)).toEqual(ESTIMATORS);
    expect(panel.estimators[1].expectedLoss).toBeCloseTo(meanOf('reinmax', 1, 'expectedLoss'), 12);
    // (.2025 + .3025) / 2 for fair bits, .2025 for bits that are surely 0.
    expect(printed).toContain('p = 2, c = 0.45, 16 bits, batch 64, 3 seeds: from 0.252500 to 0.202500 at the optimum');
    expect(printed).toMatch(new RegExp(`^REINFORCE +${panel.estimators[5].trainingLoss.toFixed(6)} `, 'm'));
    expect(whole.map(({seed}) => seed)).toEqual([0, 1, 2].flatMap(seed => ESTIMATORS.map(() => seed)));
  });

  test('a run is told in 40 epochs, by the loss that is expected and not by the one that was drawn', () => {
    for (const {figures} of whole) {
      expect(figures.curve.step).toEqual(Array.from({length: 41}, (_, epoch) => 10 * epoch));
      // All bits have p = 2 and c = .45 in common, so that the expectation is linear in their mean probability.
      expect(figures.curve.expectedLoss[40]).toBeCloseTo(0.2025 + 0.1 * figures.meanProbability, 9);
      // Logits within .01 of 0: probabilities within .005 of a half.
      expect(Math.abs(figures.curve.expectedLoss[0]! - 0.2525)).toBeLessThan(0.0005);
    }
  });

  test('the chart names each estimator once, and both of what is dashed', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of ['Exact gradient', 'ReinMax, τ = 1.3', 'Straight-through', 'REINFORCE', 'p = 2, 16 bits']) {
      expect(svg).toContain(label);
    }
    expect(svg).toContain('Dashed: the optimum, and fair bits');
    expect(svg).not.toContain('NaN');
  });

  test('the command of a line makes the same run again, alone', async () => {
    const line = whole[1 * ESTIMATORS.length + 2]!;
    expect(line).toMatchObject({seed: 1, settings: {estimator: {name: 'reinmax', temperature: 1.3}}});
    const [, , ...args] = line.command.split(' ');
    expect(await start([...args, '--output', join(folder, 'alone')]).finished).toMatchObject({code: 0});
    expect(await readLines('alone')).toEqual([{...line, seconds: expect.any(Number)}]);
  });

  test('--evaluate prints the same table, also where not all runs are finished', async () => {
    const {code, stdout} = await start(['polynomial', '--evaluate', join(folder, 'whole')]).finished;
    expect(code).toBe(0);
    expect(printed).toContain(stdout.trim());
    await mkdir(join(folder, 'partial'));
    await copyFile(join(folder, 'whole', 'history.jsonl'), join(folder, 'partial', 'history.jsonl'));
    expect((await start(['polynomial', '--evaluate', join(folder, 'partial')]).finished).stdout).toBe(stdout);
  });

  test('stopped by SIGINT in a run and by SIGTERM in a later one, resumed runs have the same numbers', async () => {
    const output = join(folder, 'interrupted');
    const stop = async (args: string[], after: string, signal: NodeJS.Signals, code: number) => {
      const run = start(['polynomial', ...args, '--output', output]);
      await run.seen(after);
      await new Promise(resolve => setTimeout(resolve, 40)); // into the run that comes next
      run.child.kill(signal);
      const stopped = await run.finished;
      expect(stopped).toMatchObject({code});
      expect(stopped.stdout).toMatch(/Saved after step \d+ in /);
      expect(await readdir(output)).not.toContain('result.json');
      return Number(/Saved after step (\d+) in /.exec(stopped.stdout)![1]);
    };
    const first = await stop(OPTIONS, 'run 5/21', 'SIGINT', 130);
    const second = await stop(['--resume'], 'run 13/21', 'SIGTERM', 143);
    expect(first).toBeGreaterThanOrEqual(5 * STEPS);
    expect(second).toBeGreaterThanOrEqual(13 * STEPS);
    const {code, stdout} = await start(['polynomial', '--resume', '--output', output]).finished;
    expect(code).toBe(0);
    expect(stdout).toContain(`, from step ${second}`);
    const expected = whole.map(line => ({...line, seconds: expect.any(Number)}));
    expect(await readLines('interrupted')).toEqual(expected); // to the last bit
  }, 240_000);

  test('finished runs are never destroyed unasked, and never resumed under other settings', async () => {
    const output = join(folder, 'whole');
    const again = await start(['polynomial', '--output', output]).finished;
    expect(again).toMatchObject({code: 1});
    expect(again.stderr).toMatch(/already holds a finished run.*--overwrite/);
    const checkpoint = join(folder, 'other', 'checkpoint.bin');
    await mkdir(join(folder, 'other'));
    await copyFile(join(output, 'checkpoint.bin'), checkpoint);
    const other = await start(['polynomial', '--resume', '--seeds', '4', '--output', join(folder, 'other')]).finished;
    expect(other).toMatchObject({code: 1});
    expect(other.stderr).toMatch(/other settings: seeds was 3, now 4\./);
  });

  test('--help lists the options, the estimators and examples', async () => {
    const {code, stdout} = await start(['polynomial', '--help']).finished;
    expect(code).toBe(0);
    for (const option of ['--p', '--latents', '--batch-size', '--target', '--estimators', '--steps', '--seeds']) {
      expect(stdout).toContain(option);
    }
    for (const name of ['exact', 'gappedStraightThrough', 'rodeo', 'reinmax:1.1']) expect(stdout).toContain(name);
  });

  test.each([
    [['--estimators', 'reimax'], /There is no "reimax"; the names are exact, .*reinmax/],
    [['--evaluate', '/nowhere'], /\/nowhere\/history\.jsonl has no finished run of polynomial/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['polynomial', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
