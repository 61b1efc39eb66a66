// The program polynomial as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {copyFile, mkdir, mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

// An estimator that learns a coefficient beside the logits, each with its moments.
const OPTIONS = [
  ...['--estimator', 'doubleCV', '--p', '2', '--latents', '16', '--learning-rate', '0.01', '--seed', '1'],
  ...['--steps', '1000', '--report-every', '150'],
];

interface Result {
  settings: Record<string, unknown>;
  figures: {
    trainingLoss: number;
    expectedLoss: number;
    meanProbability: number;
    curve: {step: number[]; expectedLoss: number[]};
  };
  steps: number;
  command: string;
  [other: string]: unknown;
}

let folder: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-polynomial-'));
  const done = await start(['polynomial', ...OPTIONS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).toBe('');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(join(folder, name, 'result.json'), 'utf8'));

async function readHistory(name: string): Promise<Record<string, number>[]> {
  const lines = (await readFile(join(folder, name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line)).map(({seconds: _, ...figures}) => figures);
}

/** The same numbers to the last bit, whatever the time took. */
async function expectSameRun(name: string): Promise<void> {
  const {settings, figures, steps} = await readResult(name);
  expect({settings, figures, steps}).toEqual({settings: whole.settings, figures: whole.figures, steps: whole.steps});
  expect(await readHistory(name)).toEqual(await readHistory('whole'));
}

describe('polynomial', () => {
  test('a run leaves its results, which agree with each other and with what is printed', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    expect(whole).toMatchObject({program: 'polynomial', seed: 1, steps: 1000, backend: 'wasm'});
    expect(whole.settings).toEqual({
      ...{estimator: 'doubleCV', temperature: null, p: 2, latents: 16, batchSize: 64, target: 0.45},
      ...{steps: 1000, reportEvery: 150, learningRate: 0.01, seed: 1},
      ...{backend: 'wasm', trainingKernels: true, data: 'none'},
    });
    const history = await readHistory('whole');
    expect(history.map(({step}) => step)).toEqual([150, 300, 450, 600, 750, 900, 1000]);
    const {trainingLoss, expectedLoss, meanProbability, curve} = whole.figures;
    expect(history.at(-1)).toEqual({step: 1000, trainingLoss, expectedLoss, meanProbability});
    expect(curve.step).toEqual([0, ...history.map(({step}) => step)]);
    // .2525 for fair bits, .2025 for bits that are surely 0.
    expect(expectedLoss).toBeLessThan(0.24);
    expect(printed).toContain(`training loss ${trainingLoss.toFixed(6)}, the mean of the last 100 steps`);
    expect(printed).toContain('of the way from 0.252500 to 0.202500 at the optimum');
    const lines = (await readFile(join(folder, 'results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(JSON.parse(lines[0]!)).toEqual(whole);
  });

  test('the chart names the estimator, and what is dashed', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of ['Double CV', 'p = 2, 16 bits', 'Dashed: the optimum, and fair bits']) {
      expect(svg).toContain(label);
    }
    expect(svg).not.toContain('NaN');
  });

  test('stopped by SIGINT and by SIGTERM, a resumed run has the same numbers', async () => {
    const output = join(folder, 'stopped');
    const stop = async (args: string[], after: string, signal: NodeJS.Signals, code: number) => {
      const run = start(['polynomial', ...args, '--output', output]);
      await run.seen(after);
      run.child.kill(signal);
      const stopped = await run.finished;
      expect(stopped).toMatchObject({code});
      expect(await readdir(output)).not.toContain('result.json');
      return Number(/Saved after step (\d+) in /.exec(stopped.stdout)![1]);
    };
    const first = await stop(OPTIONS, 'step 150/', 'SIGINT', 130);
    expect(first).toBeGreaterThanOrEqual(150);
    const second = await stop(['--resume'], `step ${150 * Math.floor(first / 150) + 150}/`, 'SIGTERM', 143);
    const {code, stdout} = await start(['polynomial', '--resume', '--output', output]).finished;
    expect(code).toBe(0);
    expect(stdout).toContain(`, from step ${second}`);
    await expectSameRun('stopped');
  }, 60_000);

  test('a finished run goes on for more steps, to what it would have been with these from the start', async () => {
    const output = join(folder, 'extended');
    // Its end cuts a line short, which the longer run has whole.
    const short = await start(['polynomial', ...OPTIONS, '--steps', '500', '--output', output]).finished;
    expect(short.code).toBe(0);
    const goOn = (...args: string[]) => start(['polynomial', '--resume', ...args, '--output', output]).finished;
    expect((await goOn()).stderr).toContain('is finished');
    expect((await goOn('--steps', '500')).stderr).toContain('is finished');
    expect((await goOn('--steps', '400')).stderr).toContain('the run has gone through 500 steps already, but got 400.');
    expect((await goOn('--steps', '1000', '--p', '3')).stderr).toContain('other settings: p was 2, now 3.');
    expect((await readResult('extended')).steps).toBe(500); // still there
    expect(await goOn('--steps', '1000')).toMatchObject({code: 0, stderr: ''});
    await expectSameRun('extended');
  }, 60_000);

  test('--evaluate prints the figures again, and refuses a folder without a finished run', async () => {
    const {code, stdout} = await start(['polynomial', '--evaluate', join(folder, 'whole')]).finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^training loss .*\nexpected loss .*\nmean probability .*\n$/);
    expect(printed).toContain(stdout);
    const none = await start(['polynomial', '--evaluate', folder]).finished;
    expect(none).toMatchObject({code: 1});
    expect(none.stderr).toContain(`--evaluate: ${folder} has no finished run of polynomial.`);
  });

  test('--compare prints the runs below a folder and draws them', async () => {
    const below = join(folder, 'compared');
    for (const [name, ...args] of [
      ['a', '--estimator', 'reinmax:1.3'],
      ['b', '--estimator', 'reinmax', '--temperature', '1.3', '--seed', '2'],
      ['c', '--estimator', 'exact'],
    ]) {
      const options = ['--latents', '4', '--steps', '20', '--report-every', '10', '--learning-rate', '0.01'];
      const done = await start(['polynomial', ...options, ...args, '--output', join(below, name!)]).finished;
      expect(done).toMatchObject({code: 0, stderr: ''});
    }
    const {code, stdout} = await start(['polynomial', '--compare', below]).finished;
    expect(code).toBe(0);
    expect(stdout).toContain('p = 2, c = 0.45, 4 bits, batch 64: from 0.252500 to 0.202500 at the optimum');
    expect(stdout).toMatch(/^ReinMax, τ = 1\.3 +2 /m);
    expect(stdout).toMatch(/^Exact gradient +1 /m);
    const svg = await readFile(join(below, 'comparison.svg'), 'utf8');
    expect(svg).toContain('ReinMax, τ = 1.3');
    expect(svg).toContain('from the lowest to the highest seed');
  }, 60_000);

  test('a finished run is never destroyed unasked, and never resumed under other settings', async () => {
    const output = join(folder, 'whole');
    const again = await start(['polynomial', '--output', output]).finished;
    expect(again).toMatchObject({code: 1});
    expect(again.stderr).toMatch(/already holds a finished run.*--overwrite/);
    await mkdir(join(folder, 'other'));
    await copyFile(join(output, 'checkpoint.bin'), join(folder, 'other', 'checkpoint.bin'));
    const resume = ['polynomial', '--resume', '--output', join(folder, 'other')];
    const other = await start([...resume, '--estimator', 'reinmax:1.3']).finished;
    expect(other).toMatchObject({code: 1});
    expect(other.stderr).toContain('estimator was "doubleCV", now "reinmax"; temperature was null, now 1.3.');
  });

  test('--help lists the options, the estimators and examples', async () => {
    const {code, stdout} = await start(['polynomial', '--help']).finished;
    expect(code).toBe(0);
    for (const option of [
      ...['--p', '--latents', '--batch-size', '--target', '--estimator', '--temperature', '--steps'],
      ...['--report-every', '--learning-rate', '--seed', '--compare', '--evaluate', '(default: reinmax)'],
    ]) {
      expect(stdout).toContain(option);
    }
    for (const name of ['exact', 'gappedStraightThrough', 'rodeo', 'reinmax:1.3']) expect(stdout).toContain(name);
  });

  test.each([
    [['--estimator', 'reimax'], /There is no "reimax"; the names are exact, .*reinmax/],
    [['--estimator', 'reinmax,exact'], /There is no "reinmax,exact"/],
    [['--estimator', 'reinforce', '--temperature', '2'], /--temperature: reinforce has none, but got 2\./],
    [['--compare', '/nowhere'], /--compare: \/nowhere cannot be read/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['polynomial', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
