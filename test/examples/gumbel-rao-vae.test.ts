// The program gumbel-rao-vae as its user runs it.
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {defaultNumSamples, presetFor} from '../../examples/gumbel-rao-vae/presets.js';
import {designOf} from '../../examples/gumbel-rao-vae/settings.js';
import {codeUnits} from '../../examples/sampled-vae/code.js';
import {idxBytes} from './idx-bytes.js';
import {start} from './run-program.js';

const UPDATES = 24;
const OPTIONS = ['--updates', String(UPDATES), '--report-every', '8', '--batch-size', '5', '--seed', '3'];
const OWN = ['--arity', '4', '--latent-units', '24', '--noise-samples', '5'];
const BOUND = ['--bound-samples', '4'];

interface Result {
  settings: Record<string, unknown>;
  figures: Record<string, number>;
  [other: string]: unknown;
}

let folder: string;
let whole: Result;
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-gumbel-rao-vae-'));
  const pixels = (count: number) =>
    Uint8Array.from({length: count * 784}, (_, i) => (i % 784 < 300 ? 0 : Number((13 * i) % 29 < 9)));
  const data = join(folder, 'data', 'binarized-mnist');
  await mkdir(data, {recursive: true});
  for (const [part, count] of [
    ['train', 40],
    ['valid', 8],
    ['test', 6],
  ] as const) {
    await writeFile(join(data, `binarized_mnist-${part}-images-idx3-ubyte`), idxBytes([count, 28, 28], pixels(count)));
  }
  const done = await run(...OWN, '--output', join(folder, 'runs', 'whole'));
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

const program = (...args: string[]) => start(['gumbel-rao-vae', ...args], {TFJS_MOE_DATA: join(folder, 'data')});
const run = (...args: string[]) => program(...OPTIONS, ...BOUND, ...args).finished;
const readResult = async (name: string): Promise<Result> =>
  JSON.parse(await readFile(join(folder, 'runs', name, 'result.json'), 'utf8'));
const readHistory = async (name: string): Promise<Record<string, number>[]> => {
  const lines = (await readFile(join(folder, 'runs', name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line)).map(({seconds: _, ...figures}) => figures);
};

describe('the settings', () => {
  test('every arity has a code of 240 numbers as one-hot vectors, and bits a number each', () => {
    const shapes = [2, 4, 8, 16].map(arity => designOf({arity, latentUnits: 240}));
    expect(shapes.map(({numLatents}) => numLatents)).toEqual([120, 60, 30, 15]);
    expect(shapes.map(codeUnits)).toEqual([120, 240, 240, 240]);
  });

  test('the temperatures are those of the paper, and one code is drawn wherever that is enough', () => {
    expect(presetFor('straightThroughGumbelSoftmax')).toMatchObject({optimizer: 'momentum', temperature: 0.65});
    expect(presetFor('gumbelRao').temperature).toBe(0.35);
    expect(presetFor('reinforce')).toMatchObject({temperature: null, controlLearningRate: null});
    expect(presetFor('relax').controlLearningRate).toBe(1e-3);
    const names = ['gumbelRao', 'reinforce', 'relax', 'foust', 'leaveOneOut', 'disarm'] as const;
    expect(names.map(defaultNumSamples)).toEqual([1, 1, 1, 1, 2, 2]);
  });
});

describe('gumbel-rao-vae', () => {
  test('a run leaves its results, learns, and says what it found', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'model', 'reconstructions.png', 'result.json'];
    expect((await readdir(join(folder, 'runs', 'whole'))).sort()).toEqual([...files, 'samples.png']);
    expect(whole).toMatchObject({program: 'gumbel-rao-vae', seed: 3, steps: UPDATES, backend: 'wasm'});
    expect(whole.settings).toMatchObject({
      dataset: 'binarized-mnist',
      method: 'gumbelRao',
      numSamples: 1,
      temperature: 0.35,
      optimizer: 'momentum',
      arity: 4,
      latentUnits: 24,
      noiseSamples: 5,
    });
    expect(whole.figures).toMatchObject({trainUpdates: UPDATES, testSamples: 4, testCount: 6, evaluations: 1});
    const history = await readHistory('whole');
    expect(history.map(({step}) => step)).toEqual([8, 16, 24]);
    // At first it knows nothing: 784 ln 2 = 543.4 nats.
    expect(history[0]!.trainNegativeElbo).toBeLessThan(560);
    expect(history[2]!.trainNegativeElbo).toBeLessThan(history[0]!.trainNegativeElbo! - 20);
    expect(printed).toContain('40 to train on, 8 to choose by, 6 held out');
    expect(printed).toContain('Gumbel-Rao (5 noise samples), K = 1 at temperature 0.35');
    const {testNegativeElbo, testNegativeBound} = whole.figures;
    expect(printed).toContain(
      `test -ELBO ${testNegativeElbo!.toFixed(2)} nats, bound ${testNegativeBound!.toFixed(2)} with 4 draws`,
    );
  });

  test('stopped by SIGINT, a resumed run has the same numbers', async () => {
    const output = join(folder, 'runs', 'stopped');
    const first = program(...OPTIONS, ...OWN, '--output', output);
    await first.seen('update 8/');
    first.child.kill('SIGINT');
    expect((await first.finished).code).toBe(130);
    const second = await program('--resume', '--output', output, ...BOUND).finished;
    expect(second.stdout).toMatch(/, from update \d+$/m);
    expect(second.code).toBe(0);
    expect((await readResult('stopped')).figures).toEqual(whole.figures);
    expect(await readHistory('stopped')).toEqual(await readHistory('whole'));
  });

  test('a finished run goes on for more updates, to what it would have been with these from the start', async () => {
    const output = join(folder, 'runs', 'extended');
    // Its end cuts a line of the history short, which the longer run has whole.
    const short = await program(...OPTIONS, ...OWN, '--updates', '12', '--output', output).finished;
    expect(short).toMatchObject({code: 0, stderr: ''});
    const goOn = (...args: string[]) => program('--resume', ...args, '--output', output, ...BOUND).finished;
    expect((await goOn()).stderr).toContain('is finished');
    expect((await goOn('--updates', '9')).stderr).toContain('the run has gone through 12 updates already, but got 9.');
    expect((await readResult('extended')).settings).toMatchObject({updates: 12}); // still there
    expect(await goOn('--updates', String(UPDATES))).toMatchObject({code: 0, stderr: ''});
    const {settings, figures, steps} = await readResult('extended');
    expect({settings, figures, steps}).toEqual({settings: whole.settings, figures: whole.figures, steps: whole.steps});
    expect(await readHistory('extended')).toEqual(await readHistory('whole'));
  }, 60_000);

  test('--evaluate finds the code of the saved run and prints the same bound', async () => {
    const {code, stdout} = await program('--evaluate', join(folder, 'runs', 'whole'), ...BOUND).finished;
    expect(code).toBe(0);
    expect(stdout).toContain(printed.match(/^test -ELBO .*$/m)![0]);
  });

  test('at arity 2 the methods for bits work, and --compare has a row of charts for each arity', async () => {
    const disarm = await run('--method', 'disarm', '--arity', '2', '--output', join(folder, 'runs', 'disarm'));
    expect(disarm.stderr).not.toContain('Error');
    expect(disarm.code).toBe(0);
    const {code, stdout} = await program('--compare', join(folder, 'runs')).finished;
    expect(code).toBe(0);
    const rows = stdout.split('\n').filter(line => line.startsWith('binarized-mnist, '));
    expect(rows[0]).toContain('binarized-mnist, arity 2, batches of 5, DisARM, K = 2');
    expect(rows.at(-1)).toContain('arity 4, batches of 5, Gumbel-Rao (5 noise samples), temperature 0.35');
    const svg = await readFile(join(folder, 'runs', 'comparison.svg'), 'utf8');
    expect(svg).toContain('arity 2, batches of 5');
    expect(svg).toContain('Gumbel-Rao (5 noise samples), temperature 0.35');
  });

  test.each([
    [['--method', 'foust'], '--method: foust works with bits only, which --arity 2 has, but got arity 8.'],
    [['--method', 'reinmax', '--noise-samples', '5'], '--noise-samples: reinmax has none, but got 5.'],
    [['--latent-units', '100'], '--latent-units: must be a multiple of the arity 8, but got 100.'],
    [['--arity', '3'], 'It must be one of 2, 4, 8, 16.'],
  ])('%j is refused in a line', async (args, message) => {
    const {code, stderr} = await program(...args, '--output', join(folder, 'refused')).finished;
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('--help lists the options and the methods', async () => {
    const {code, stdout} = await program('--help').finished;
    expect(code).toBe(0);
    for (const text of ['--arity', '--latent-units', '--noise-samples', '"16"', 'leaveOneOut', 'Examples:']) {
      expect(stdout).toContain(text);
    }
  });
});
