// The program as its user runs it.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

/** The promise of --resume: figures of the resumed and of the uninterrupted run agree to this share of their size. */
const RESUMED = 1e-5;

const STEPS = 60;
const SIZES = [
  '--blocks',
  '2',
  '--width',
  '16',
  '--heads',
  '2',
  '--context',
  '16',
  '--batch-size',
  '4',
  '--experts',
  '3',
];
const LENGTH = ['--steps', String(STEPS), '--report-every', '20', '--sample', '20'];
const OPTIONS = [...SIZES, ...LENGTH, '--learning-rate', '0.01', '--seed', '3'];

let folder: string;
let text: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-lm-'));
  text = join(folder, 'text.txt');
  // Lines in which each number comes after the one before it.
  await writeFile(text, Array.from({length: 600}, (_, i) => `let line${i % 10} = ${i % 10};\n`).join(''));
  const done = await start(['moe-lm', ...OPTIONS, '--text', text, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

interface Result {
  figures: {
    validationBitsPerByte: number;
    trainBitsPerByte: number;
    expertLoad: number[][];
    loadWithinBounds: boolean;
    parameters: {total: number; active: number};
    steps: number;
  };
  sample: {text: string} | null;
  steps: number;
  tokensPerSecond: number;
  [other: string]: unknown;
}

interface Line {
  step: number;
  trainBitsPerByte: number;
  validationBitsPerByte: number;
  expertLoad: number[][];
}

async function readResult(name: string): Promise<Result> {
  return JSON.parse(await readFile(join(folder, name, 'result.json'), 'utf8'));
}

async function readHistory(name: string): Promise<Line[]> {
  const lines = (await readFile(join(folder, name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line));
}

/** Every figure of a finished run is that of the uninterrupted one. */
async function expectSameNumbers(name: string): Promise<void> {
  const {figures, sample, steps} = await readResult(name);
  expect(steps).toBe(STEPS);
  expect(figures).toEqual(whole.figures); // to the last bit, and so without a clock
  expect(sample).toEqual(whole.sample);
  const [history, expected] = [await readHistory(name), await readHistory('whole')];
  expect(history.map(({step}) => step)).toEqual([20, 40, 60]);
  history.forEach(({trainBitsPerByte, validationBitsPerByte, expertLoad}, i) => {
    expect(Math.abs(trainBitsPerByte / expected[i]!.trainBitsPerByte - 1)).toBeLessThan(RESUMED);
    expect(Math.abs(validationBitsPerByte / expected[i]!.validationBitsPerByte - 1)).toBeLessThan(RESUMED);
    expect(expertLoad).toEqual(expected[i]!.expertLoad); // counts of choices: the same ones were made
  });
}

describe('moe-lm', () => {
  test('a run leaves its results, learns, and says what it found', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'model', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    expect(whole).toMatchObject({program: 'moe-lm', seed: 3, steps: STEPS, backend: 'wasm'});
    expect(whole.settings).toMatchObject({experts: 3, topK: 1, router: 'switch', width: 16, context: 16, text});
    // 4 windows of 16 bytes a step.
    expect(whole.tokensPerSecond).toBeCloseTo((STEPS * 4 * 16) / (whole.trainingSeconds as number), 6);
    // 600 lines of 15 bytes, a tenth of them held out.
    expect(whole.data).toContain('9,000 bytes: 8,100 to train on, the last 900 held out');
    const history = await readHistory('whole');
    // Without learning it would be 8 bits; the text needs almost none.
    expect(history[0]!.trainBitsPerByte).toBeGreaterThan(history[2]!.trainBitsPerByte);
    expect(whole.figures.validationBitsPerByte).toBeLessThan(4);
    expect(printed).toContain(
      `validation ${whole.figures.validationBitsPerByte.toFixed(4)} bits per byte (896 held-out bytes)`,
    );
  });

  test('the loads are shares, block by block, and the table says whether they lie within the bounds', () => {
    const {expertLoad, loadWithinBounds} = whole.figures;
    expect(expertLoad.map(load => load.length)).toEqual([3, 3]);
    for (const load of expertLoad) expect(load.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    const isWithin = expertLoad.flat().every(share => share >= 0.25 / 3 && share <= 2 / 3);
    expect(loadWithinBounds).toBe(isWithin);
    expect(printed).toMatch(/^% to expert +0 +1 +2 +least +most$/m);
    expect(printed).toContain(`${isWithin ? 'Each lies' : 'Not each lies'} within the bounds: 0.25 to 2 times`);
    expect(printed).toMatch(/^block 1 expert 2 {2}/m);
  });

  test('the weights are counted, all of them and those that a byte meets', () => {
    const width = 16;
    const expert = 2 * width * 4 * width + 4 * width + width;
    const router = 3 * width;
    const attention = 4 * width * width;
    const shared = 256 * width + 16 * width + 2 * (attention + router + 4 * width) + 2 * width + 256 * width;
    expect(whole.figures.parameters).toEqual({total: shared + 2 * 3 * expert, active: shared + 2 * expert});
  });

  test('the chart has a panel of bits per byte, and loads and readers of each block', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of [
      '3 experts, switch, top 1',
      'Cross-entropy (bits per byte)',
      'Block 0: load',
      'Block 1: who reads what',
    ]) {
      expect(svg).toContain(label);
    }
    expect(svg).not.toContain('NaN');
  });

  test('--evaluate loads the saved model and prints the same figure and the same sample', async () => {
    const options = ['--sample', '20', '--seed', '3'];
    const {code, stdout} = await start(['moe-lm', '--evaluate', join(folder, 'whole'), ...options]).finished;
    expect(code).toBe(0);
    expect(stdout).toContain(
      `validation ${whole.figures.validationBitsPerByte.toFixed(4)} bits per byte (896 held-out bytes)`,
    );
    expect(stdout).toContain(whole.sample!.text);
    expect(stdout).toMatch(/^block 1 expert 2 {2}/m);
  });

  test('stopped by SIGINT in the middle, a resumed run has the same numbers', async () => {
    const output = join(folder, 'stopped');
    const first = start(['moe-lm', ...OPTIONS, '--text', text, '--output', output]);
    await first.seen('step 20:');
    first.child.kill('SIGINT');
    const stopped = await first.finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toMatch(/Saved after step \d+ in /);
    expect(await readdir(output)).not.toContain('result.json');
    const second = await start(['moe-lm', '--resume', '--output', output, '--sample', '20']).finished;
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/, from step \d+$/m);
    await expectSameNumbers('stopped');
  });

  test('a finished run cannot go on for more steps, since its learning rate would have been another from the start', async () => {
    const {code, stderr} = await start(['moe-lm', '--resume', '--steps', '80', '--output', join(folder, 'whole')])
      .finished;
    expect(code).toBe(1);
    expect(stderr).toContain(
      '--steps: the run was started for 60, and its learning rate rises and falls to 0 over all of them',
    );
    expect(await readResult('whole')).toEqual(whole); // still there
  });

  test('a dense run has as many active weights, but for the router, and no table of experts', async () => {
    const sizes = SIZES.slice(0, -2);
    const options = [...sizes, '--steps', '4', '--sample', '0', '--text', text, '--dense'];
    const {code, stdout} = await start(['moe-lm', ...options, '--output', join(folder, 'dense')]).finished;
    expect(code).toBe(0);
    expect(stdout).not.toContain('expert');
    const {figures, sample} = await readResult('dense');
    const {total, active} = figures.parameters;
    expect(total).toBe(active);
    expect(active).toBe(whole.figures.parameters.active - 2 * 3 * 16);
    expect(figures.expertLoad).toEqual([]);
    expect(sample).toBeNull();
  });

  test('--minutes trains for a time instead of a number of steps', async () => {
    const options = [...SIZES, '--minutes', '0.02', '--sample', '0', '--text', text];
    const {code} = await start(['moe-lm', ...options, '--output', join(folder, 'timed')]).finished;
    expect(code).toBe(0);
    const {trainingSeconds, steps} = await readResult('timed');
    expect(steps).toBeGreaterThan(1);
    // It ends after the first step that comes to 1.2 seconds.
    expect(trainingSeconds).toBeGreaterThanOrEqual(1.2);
  });

  test('--help lists the options and the ways of the text', async () => {
    const {code, stdout} = await start(['moe-lm', '--help']).finished;
    expect(code).toBe(0);
    for (const option of [
      '--text',
      '--dense',
      '--experts',
      '--top-k',
      '--router',
      '--capacity-factor',
      '--minutes',
      '--prompt',
    ]) {
      expect(stdout).toContain(option);
    }
    expect(stdout).toContain('the TypeScript compiler');
  });

  test.each([
    [['--text', '/nowhere.txt'], /--text: \/nowhere\.txt cannot be read/],
    [['--text', 'package.json', '--context', '2000'], /--text: package\.json has [\d,]+ bytes, but .* 20,010 at least/],
    [['--heads', '3'], /CausalSelfAttention: the width \(=128\) must be a multiple of the heads \(=3\)\./],
    [['--top-k', '9', '--router', 'topK'], /topK/],
    [['--router', 'swich'], /unknown name "swich"\. Expected one of: .*switch/],
    [['--router', 'expertChoice'], /--router: with expertChoice .* look ahead\./],
    [['--experts', '0'], /'--experts <n>' argument '0' is invalid\. It must be a whole number of at least 1\./],
    [['--dense', '--experts', '4'], /'--dense' cannot be used with option '--experts <n>'/],
    [['--steps', '10', '--minutes', '1'], /'--minutes <m>' cannot be used with option '--steps <n>'/],
    [['--evaluate', '/nowhere'], /fileSystem: there is no model at \/nowhere\/model\.json/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['moe-lm', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
