// The program as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

const OPTIONS = ['--temperatures', '0.5,1', '--num-samples', '1,20', '--draws', '2000', '--seed', '3'];
const DESCENTS = ['--descent-temperatures', '1', '--runs', '4', '--steps', '5'];
// Five estimators and Gumbel-Rao with two K, at two temperatures and for one descent.
const CELLS = 7 * 3;

interface Result {
  figures: {probs: number[]; trueGradient: number[]; cells: {kind: string; name: string; seconds: number}[]};
  [other: string]: unknown;
}

let folder: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-toy-'));
  const done = await start(['toy-variance', ...OPTIONS, ...DESCENTS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

async function readResult(name: string): Promise<Result> {
  return JSON.parse(await readFile(join(folder, name, 'result.json'), 'utf8'));
}

const withoutTimes = ({figures}: Result) => figures.cells.map(({seconds, ...figures}) => figures);

describe('toy-variance', () => {
  test('a run leaves its results, a record for each cell, and tables', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    expect(whole).toMatchObject({program: 'toy-variance', seed: 3, steps: CELLS, backend: 'wasm'});
    expect(whole.settings).toMatchObject({logits: [0, 0, 1], temperatures: [0.5, 1], numSamples: [1, 20], draws: 2000});
    expect(whole.figures.cells).toHaveLength(CELLS);
    const lines = (await readFile(join(folder, 'whole', 'history.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map(line => JSON.parse(line))).toEqual(whole.figures.cells);
    expect(printed).toMatch(/^Bias in % of the true gradient/m);
    expect(printed).toMatch(/^ReinMax +[\d.]+ +0\.00$/m);
    expect(printed).toMatch(/^Gumbel-Rao, K = 20 +-\d\.\d+\(\d+\) +-\d\.\d+\(\d+\)$/m);
  });

  test('the chart has a panel for each figure', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of [
      'Bias, % of the true gradient',
      'Variance, trace of the covariance',
      'Mean squared error',
      'Gumbel-Rao: variance against K',
      'Descent at temperature 1',
    ]) {
      expect(svg).toContain(label);
    }
    expect(svg).not.toContain('NaN');
  });

  test('--evaluate prints the tables of a finished run', async () => {
    const {code, stdout} = await start(['toy-variance', '--evaluate', join(folder, 'whole')]).finished;
    expect(code).toBe(0);
    expect(stdout.trim().length).toBeGreaterThan(500);
    expect(printed).toContain(stdout.trim());
  });

  test('stopped by SIGINT in the middle, a resumed run has the same numbers', async () => {
    const output = join(folder, 'stopped');
    const first = start(['toy-variance', ...OPTIONS, ...DESCENTS, '--output', output]);
    await first.seen('cell 2:');
    first.child.kill('SIGINT');
    const stopped = await first.finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toMatch(/Saved after step \d+ in /);
    expect(await readdir(output)).not.toContain('result.json');
    const second = await start(['toy-variance', '--resume', '--output', output]).finished;
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/, from cell \d+$/m);
    expect(withoutTimes(await readResult('stopped'))).toEqual(withoutTimes(whole));
  });

  test('--resume refuses other settings', async () => {
    const output = join(folder, 'other');
    const first = start(['toy-variance', ...OPTIONS, '--output', output]);
    await first.seen('cell 1:');
    first.child.kill('SIGINT');
    expect((await first.finished).code).toBe(130);
    const {code, stderr} = await start(['toy-variance', '--resume', '--draws', '7', '--output', output]).finished;
    expect(code).toBe(1);
    expect(stderr).toContain('the run was started with other settings: draws was 2000, now 7');
  });

  test('--help lists the options', async () => {
    const {code, stdout} = await start(['toy-variance', '--help']).finished;
    expect(code).toBe(0);
    for (const option of ['--logits', '--temperatures', '--num-samples', '--draws', '--descent-temperatures']) {
      expect(stdout).toContain(option);
    }
  });

  test.each([
    [['--logits', '0,1'], /It must hold 3 numbers\./],
    [['--logits', '0,1.3862943611,0'], /--logits: category 1 must not have the probability 2\/3/],
    [['--temperatures', '1,0'], /It must be a number above 0/],
    [['--num-samples', '1,1'], /It must hold each value once/],
    [['--evaluate', '/nowhere'], /loadJson: \/nowhere\/result\.json cannot be read/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['toy-variance', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
