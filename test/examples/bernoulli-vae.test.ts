// The program bernoulli-vae as its user runs it.
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {idxBytes} from './idx-bytes.js';
import {start} from './run-program.js';

const UPDATES = 24;
const OPTIONS = [
  '--updates',
  String(UPDATES),
  '--report-every',
  '8',
  '--batch-size',
  '5',
  '--seed',
  '3',
  '--bound-samples',
  '4',
];

interface Result {
  settings: {method: string; numSamples: number; temperature: number | null; [other: string]: unknown};
  figures: {
    trainNegativeElbo: number;
    trainUpdates: number;
    gradientVariance: number;
    validNegativeElbo: number;
    testNegativeElbo: number;
    testNegativeBound: number;
    testSamples: number;
    testCount: number;
    evaluations: number;
  };
  steps: number;
  [other: string]: unknown;
}

let folder: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-bernoulli-vae-'));
  const pixels = (count: number) =>
    Uint8Array.from({length: count * 784}, (_, i) => (i % 784 < 300 ? 0 : (13 * i) % 256));
  await mkdir(join(folder, 'data', 'mnist'), {recursive: true});
  // Of 48 images a sixth is kept to choose by: 40, 8 and 6.
  await writeFile(join(folder, 'data', 'mnist', 'train-images-idx3-ubyte'), idxBytes([48, 28, 28], pixels(48)));
  await writeFile(join(folder, 'data', 'mnist', 't10k-images-idx3-ubyte'), idxBytes([6, 28, 28], pixels(6)));
  const done = await run('doubleCV', '--output', join(folder, 'runs', 'whole'));
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

const program = (...args: string[]) => start(['bernoulli-vae', ...args], {TFJS_MOE_DATA: join(folder, 'data')});
const run = (method: string, ...args: string[]) => program('--method', method, ...OPTIONS, ...args).finished;
const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(join(folder, 'runs', name, 'result.json'), 'utf8'));
const readHistory = async (name: string): Promise<Record<string, number>[]> => {
  const lines = (await readFile(join(folder, 'runs', name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line)).map(({seconds: _, ...figures}) => figures);
};

describe('bernoulli-vae', () => {
  test('a run leaves its results, learns, and says what it found', async () => {
    const files = [
      'chart.svg',
      'checkpoint.bin',
      'history.jsonl',
      'model',
      'reconstructions.png',
      'result.json',
      'samples.png',
    ];
    expect((await readdir(join(folder, 'runs', 'whole'))).sort()).toEqual(files);
    expect(whole).toMatchObject({program: 'bernoulli-vae', seed: 3, steps: UPDATES, backend: 'wasm'});
    expect(whole.settings).toMatchObject({
      dataset: 'mnist',
      method: 'doubleCV',
      numSamples: 2,
      temperature: null,
      optimizer: 'adam',
      learningRate: 1e-3,
      controlLearningRate: 1e-3,
    });
    expect(whole.figures).toMatchObject({trainUpdates: UPDATES, testSamples: 4, testCount: 6, evaluations: 2});
    const history = await readHistory('whole');
    expect(history.map(({step}) => step)).toEqual([8, 16, 24]);
    // At first it knows nothing: 784 ln 2 = 543.4 nats.
    expect(history[0]!.trainNegativeElbo).toBeLessThan(560);
    expect(history[2]!.trainNegativeElbo).toBeLessThan(history[0]!.trainNegativeElbo! - 20);
    const mean = history.reduce((sum, {trainNegativeElbo}) => sum + trainNegativeElbo! / 3, 0);
    expect(whole.figures.trainNegativeElbo).toBeCloseTo(mean, 6);
    expect(whole.figures.testNegativeBound).toBeLessThan(whole.figures.testNegativeElbo);
    expect(printed).toContain('40 to train on, 8 to choose by, 6 held out');
    expect(printed).toContain('Double CV, K = 2, 2 evaluations of the bound an update, adam 0.001');
    expect(printed).toContain(
      `test -ELBO ${whole.figures.testNegativeElbo.toFixed(2)} nats, bound ${whole.figures.testNegativeBound.toFixed(2)} with 4 draws`,
    );
    const results = (await readFile(join(folder, 'runs', 'results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(JSON.parse(results[0]!)).toEqual(whole);
  });

  test('stopped by SIGINT, a resumed run has the same numbers', async () => {
    const output = join(folder, 'runs', 'stopped');
    const first = program('--method', 'doubleCV', ...OPTIONS, '--output', output);
    await first.seen('update 8/');
    first.child.kill('SIGINT');
    const stopped = await first.finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toMatch(/Saved after step \d+ in /);
    const second = await program('--resume', '--output', output, '--bound-samples', '4').finished;
    expect(second.stdout).toMatch(/, from update \d+$/m);
    expect(second.code).toBe(0);
    expect((await readResult('stopped')).figures).toEqual(whole.figures);
    expect(await readHistory('stopped')).toEqual(await readHistory('whole'));
  });

  test('a finished run goes on for more updates, to what it would have been with these from the start', async () => {
    const output = join(folder, 'runs', 'extended');
    // Its end cuts a line of the history short, which the longer run has whole.
    const short = await run('doubleCV', '--updates', '12', '--output', output);
    expect(short).toMatchObject({code: 0, stderr: ''});
    const goOn = (...args: string[]) =>
      program('--resume', ...args, '--output', output, '--bound-samples', '4').finished;
    expect((await goOn()).stderr).toContain('is finished');
    expect((await goOn('--updates', '9')).stderr).toContain('the run has gone through 12 updates already, but got 9.');
    expect((await readResult('extended')).settings).toMatchObject({updates: 12}); // still there
    expect(await goOn('--updates', String(UPDATES))).toMatchObject({code: 0, stderr: ''});
    const {settings, figures, steps} = await readResult('extended');
    expect({settings, figures, steps}).toEqual({settings: whole.settings, figures: whole.figures, steps: whole.steps});
    expect(await readHistory('extended')).toEqual(await readHistory('whole'));
  }, 60_000);

  test('--evaluate loads the saved model and prints the same bound', async () => {
    const {code, stdout} = await program('--evaluate', join(folder, 'runs', 'whole'), '--bound-samples', '4').finished;
    expect(code).toBe(0);
    expect(stdout).toContain(printed.match(/^test -ELBO .*$/m)![0]);
  });

  test('--compare draws all finished runs below a folder, the best first', async () => {
    const reinmax = await run('reinmax', '--output', join(folder, 'runs', 'more', 'reinmax'));
    expect(reinmax.code).toBe(0);
    expect(reinmax.stdout).toContain(
      'ReinMax, K = 2 at temperature 1.1, 2 evaluations of the bound an update, radam 0.0003',
    );
    const {code, stdout} = await program('--compare', join(folder, 'runs')).finished;
    expect(code).toBe(0);
    const rows = stdout.split('\n').filter(line => line.startsWith('mnist, '));
    expect(rows.length).toBeGreaterThanOrEqual(2);
    expect(rows.at(-1)).toContain('ReinMax, K = 2'); // at its smaller learning rate, after so few updates
    expect(rows[0]).toContain(whole.figures.trainNegativeElbo.toFixed(2));
    const svg = await readFile(join(folder, 'runs', 'comparison.svg'), 'utf8');
    for (const text of ['Double CV, K = 2', 'ReinMax, K = 2', "Variance of the encoder's gradient"]) {
      expect(svg).toContain(text);
    }
  });

  test.each([
    [['--method', 'relax', '--num-samples', '3'], '--num-samples: relax draws 1, but got 3.'],
    [['--method', 'disarm', '--temperature', '1'], '--temperature: disarm has none, but got 1.'],
    [['--control-learning-rate', '0.1'], '--control-learning-rate: reinmax learns nothing, but got 0.1.'],
    [['--batch-size', '41'], '--batch-size: must be at most 40, the training images, but got 41.'],
    [['--bound-images', '7'], 'limit must be a whole number from 1 to 6, those held out, but got 7.'],
    [['--dataset', 'omniglot'], 'there are no images of omniglot'],
  ])('%j is refused in a line', async (args, message) => {
    const {code, stderr} = await program(...args, '--output', join(folder, 'refused')).finished;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('there must be something to compare', async () => {
    await mkdir(join(folder, 'empty'));
    const {code, stderr} = await program('--compare', join(folder, 'empty')).finished;
    expect(code).toBe(1);
    expect(stderr).toContain('there is no finished run of bernoulli-vae below');
  });

  test('--help lists the options and the methods', async () => {
    const {code, stdout} = await program('--help').finished;
    expect(code).toBe(0);
    for (const text of [
      '--dataset',
      '--num-samples',
      '--compare',
      '--control-learning-rate',
      'leaveOneOut',
      'rodeo',
      'Examples:',
    ]) {
      expect(stdout).toContain(text);
    }
  });
});
