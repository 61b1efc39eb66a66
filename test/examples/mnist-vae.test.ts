// The program as its user runs it.
import {readFileSync} from 'node:fs';
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {decode} from 'fast-png';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {presetFor, SIZES} from '../../examples/mnist-vae/presets.js';
import {
  describeTemperatures,
  type TemperaturePoint,
  temperatureChart,
  temperaturePoints,
} from '../../examples/mnist-vae/temperatures.js';
import {renderChart} from '../../examples/shared/charts.js';
import {start} from './run-program.js';

/** The promise of --resume: figures of the resumed and of the uninterrupted run agree to this share of their size. */
const RESUMED = 1e-5;

const OPTIONS = ['--limit', '1000', '--epochs', '4', '--seed', '3', '--batch-size', '50'];

interface Result {
  figures: Record<string, number>;
  settings: Record<string, unknown>;
  steps: number;
}

let folder: string;
let printed: string;
const path = (...names: string[]) => join(folder, ...names);
const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(path(name, 'result.json'), 'utf8'));
const readLines = async (...names: string[]) =>
  (await readFile(path(...names), 'utf8'))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-vae-'));
  const done = await start(['mnist-vae', ...OPTIONS, '--output', path('whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

describe('mnist-vae', () => {
  test('it learns, and its line, its results and its history say the same', async () => {
    const {figures, settings, steps} = await readResult('whole');
    const history = await readLines('whole', 'history.jsonl');
    expect(steps).toBe(80);
    expect(settings).toMatchObject({estimator: 'reinmax', temperature: 1.3, optimizer: 'adam', learningRate: 5e-4});
    expect(history.map(({epoch}) => epoch)).toEqual([1, 2, 3, 4]);
    const [first, last] = [history[0], history[3]];
    expect(last.trainNegativeElbo).toBe(figures.trainNegativeElbo);
    // 784 pixels with no information cost 784 ln 2 = 543 nats; the mean picture about 206.
    expect(first.trainNegativeElbo).toBeGreaterThan(last.trainNegativeElbo);
    expect(last.trainNegativeElbo).toBeLessThan(225);
    expect(figures.trainReconstruction! + figures.trainKl!).toBeCloseTo(figures.trainNegativeElbo!, 6);
    expect(figures.testReconstruction! + figures.testKl!).toBeCloseTo(figures.testNegativeElbo!, 6);
    expect(printed).toContain(`test -ELBO ${figures.testNegativeElbo!.toFixed(2)} nats`);
  });

  test('it leaves a chart, a model, and pictures of digits', async () => {
    expect((await readdir(path('whole'))).sort()).toEqual([
      'chart.svg',
      'checkpoint.bin',
      'history.jsonl',
      'model',
      'reconstructions.png',
      'result.json',
      'samples.png',
    ]);
    expect(await readFile(path('whole', 'chart.svg'), 'utf8')).toContain('Negative evidence lower bound');
    const picture = decode(await readFile(path('whole', 'reconstructions.png')));
    // 16 columns and 2 x 4 rows of 28 pixels, gaps of 2, each pixel 2 x 2.
    expect([picture.width, picture.height]).toEqual([2 * (16 * 30 + 2), 2 * (8 * 30 + 2)]);
  });

  test('each finished run adds its line beside the folders', async () => {
    const [line] = await readLines('results.jsonl');
    expect(line).toEqual(JSON.parse(await readFile(path('whole', 'result.json'), 'utf8')));
  });

  test('--evaluate measures the saved model as the run did', async () => {
    const {stdout, code} = await start(['mnist-vae', '--evaluate', path('whole')]).finished;
    expect(code).toBe(0);
    const line = (text: string) => text.match(/^test -ELBO .*$/m)?.[0];
    expect(line(stdout)).toBe(line(printed));
  });

  test('--compare draws the finished runs below a folder and prints their figures', async () => {
    const {stdout, code} = await start(['mnist-vae', '--compare', path()]).finished;
    expect(code).toBe(0);
    const {figures} = await readResult('whole');
    expect(stdout).toMatch(new RegExp(`^8x4, ReinMax, τ = 1.3 +3 +4 +${figures.trainNegativeElbo!.toFixed(2)} `, 'm'));
    expect(await readFile(path('comparison.svg'), 'utf8')).toContain('ReinMax, τ = 1.3');
    expect(await readdir(path())).not.toContain('temperatures.svg');
    const none = await start(['mnist-vae', '--compare', path('whole', 'model')]).finished;
    expect(none).toMatchObject({code: 1});
    expect(none.stderr).toContain('--compare: there is no finished run of mnist-vae below');
  });

  test('a run that is stopped and goes on comes to the numbers of one that was not, by RAdam and Gumbel-Rao too', async () => {
    const options = [
      ...['--size', '4x24', '--estimator', 'gumbelRao', '--num-samples', '5', '--limit', '300', '--epochs', '3'],
      ...['--seed', '5'],
    ];
    const whole = await start(['mnist-vae', ...options, '--output', path('gr')]).finished;
    expect(whole.code).toBe(0);
    const stopped = start(['mnist-vae', ...options, '--output', path('gr-resumed')]);
    await stopped.seen('epoch 1/3');
    stopped.child.kill('SIGINT');
    expect((await stopped.finished).code).toBe(130);
    const resumed = await start(['mnist-vae', '--resume', '--output', path('gr-resumed')]).finished;
    expect(resumed.stderr).not.toContain('Error');
    expect(resumed.code).toBe(0);
    const [a, b] = [await readResult('gr'), await readResult('gr-resumed')];
    expect(b.settings).toEqual(a.settings);
    expect(a.settings).toMatchObject({optimizer: 'radam', learningRate: 5e-4, temperature: 0.3, numSamples: 5});
    for (const [name, value] of Object.entries(a.figures)) {
      expect(Math.abs(b.figures[name]! - value), name).toBeLessThanOrEqual(RESUMED * Math.abs(value));
    }
  }, 120_000);

  test('a finished run goes on for more epochs, to what it would have been with these from the start', async () => {
    // Of each epoch the last step takes 20 digits.
    const options = ['mnist-vae', '--estimator', 'st', '--limit', '220', '--temperature'];
    const run = (temperature: string, epochs: string, output: string) =>
      start([...options, temperature, '--epochs', epochs, '--output', path('more', output)]).finished;
    expect(await run('0.5', '2', 'extended')).toMatchObject({code: 0, stderr: ''});
    const goOn = (...args: string[]) =>
      start(['mnist-vae', '--resume', ...args, '--output', path('more', 'extended')]).finished;
    expect((await goOn()).stderr).toContain('is finished');
    expect((await goOn('--epochs', '2')).stderr).toContain('is finished');
    expect((await goOn('--epochs', '1')).stderr).toContain('the run has gone through 2 epochs already, but got 1.');
    expect((await readResult('more/extended')).settings).toMatchObject({epochs: 2}); // still there
    expect(await goOn('--epochs', '4')).toMatchObject({code: 0, stderr: ''});
    expect(await run('0.5', '4', 'at-once')).toMatchObject({code: 0});
    const [a, b] = [await readResult('more/at-once'), await readResult('more/extended')];
    expect(b.settings).toEqual(a.settings);
    expect(b.figures).toEqual(a.figures);
    expect(b.steps).toBe(a.steps);
    expect(await run('1', '4', 'other')).toMatchObject({code: 0});
    const {stdout} = await start(['mnist-vae', '--compare', path('more')]).finished;
    const mean = a.figures.trainNegativeElbo!.toFixed(2); // of two runs that are the same
    expect(stdout).toMatch(new RegExp(`^8x4, Straight-through +${mean} +\\d+\\.\\d\\d$`, 'm'));
    expect(await readFile(path('more', 'temperatures.svg'), 'utf8')).toContain('Training bound and temperature');
  }, 120_000);

  test.each([
    [['--size', '8by4'], 'It must be two whole numbers with an x between, such as 8x4.'],
    [['--estimator', 'reimax'], 'Allowed choices are'],
    [['--resume', '--output', 'none'], 'there is no checkpoint.bin in none'],
  ])('%j is refused in words', async (args, message) => {
    const {code, stderr} = await start(['mnist-vae', ...args]).finished;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  test('--help names the options and what becomes of a run', async () => {
    const {code, stdout} = await start(['mnist-vae', '--help']).finished;
    expect(code).toBe(0);
    for (const word of ['--size', '--estimator', '--compare', '--resume', 'samples.png', 'results.jsonl']) {
      expect(stdout).toContain(word);
    }
  });
});

describe('the settings of mnist-vae', () => {
  test('there are tuned ones for each estimator at each size of the paper, and for no other', () => {
    for (const estimator of Object.keys(ESTIMATORS) as EstimatorName[]) {
      for (const size of SIZES) expect(presetFor(estimator, size)!.temperature).toBeGreaterThan(0);
      expect(presetFor(estimator, '3x3')).toBeUndefined();
    }
  });
});

describe('runs that differ in their temperatures', () => {
  const runs = readFileSync('docs/results/mnist-vae-study.jsonl', 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  const [first] = runs;
  const other = (settings: object, trainNegativeElbo: number) => ({
    settings: {...first.settings, ...settings},
    figures: {...first.figures, trainNegativeElbo},
  });

  test('those of the docs make five methods at four sizes, each at seven temperatures', () => {
    const points = temperaturePoints(runs);
    const count = (field: keyof TemperaturePoint) => new Set(points.map(point => point[field])).size;
    expect([count('size'), count('method'), count('temperature'), points.length]).toEqual([4, 5, 7, 140]);
    const found = points.find(
      ({size, method, temperature}) => `${size} ${method} ${temperature}` === '8x4 ReinMax 1.3',
    );
    const {figures} = runs.find(
      ({settings: {size, estimator, temperature}}) => `${size} ${estimator} ${temperature}` === '8x4 reinmax 1.3',
    );
    expect(found).toMatchObject({trainNegativeElbo: figures.trainNegativeElbo, seeds: 1});
  });

  test('the figure has a panel a size in the order of the paper, and a line a method', async () => {
    const points = temperaturePoints([...runs].reverse());
    expect([...new Set(points.map(({size}) => size))]).toEqual(['8x4', '4x24', '8x16', '16x12']);
    const svg = await renderChart(temperatureChart(points));
    for (const {method, size} of points) for (const text of [method, size]) expect(svg).toContain(`>${text}<`);
    expect(svg).not.toContain('NaN');
  });

  test('seeds are one point, and settings that differ make methods of their own', () => {
    const points = temperaturePoints([
      other({temperature: 0.1}, 100),
      other({temperature: 0.1, seed: 1}, 103),
      other({temperature: 0.1, seed: 2}, 106),
      other({temperature: 0.3}, 90),
      other({temperature: 0.3, epochs: 4}, 80),
    ]);
    const title = 'Straight-through Gumbel-softmax';
    expect(points).toEqual([
      {size: '8x4', method: `${title}, 2 epochs`, temperature: 0.1, trainNegativeElbo: 103, seeds: 3},
      {size: '8x4', method: `${title}, 2 epochs`, temperature: 0.3, trainNegativeElbo: 90, seeds: 1},
      {size: '8x4', method: `${title}, 4 epochs`, temperature: 0.3, trainNegativeElbo: 80, seeds: 1},
    ]);
  });

  test('where each method has one temperature, there is nothing to show', () => {
    expect(
      temperaturePoints([other({}, 1), other({seed: 1}, 1), other({estimator: 'reinmax', temperature: 1}, 1)]),
    ).toEqual([]);
  });

  test('the table has a row a size and method and leaves out what is not there', () => {
    const point = {size: '8x4', method: 'ReinMax', temperature: 1.3, trainNegativeElbo: 150.456, seeds: 1};
    const table = describeTemperatures([
      point,
      {...point, method: 'Straight-through', temperature: 0.1, trainNegativeElbo: 160},
    ]).split('\n');
    expect(table[0]).toMatch(/0\.1 +1\.3$/);
    expect(table[2]).toMatch(/^8x4, ReinMax +150\.46$/);
    expect(table[3]).toMatch(/^8x4, Straight-through +160\.00 *$/);
  });
});
