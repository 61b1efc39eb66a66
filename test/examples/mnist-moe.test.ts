// The program as its user runs it: a process with options, signals, files and an exit code.
// SPDX-License-Identifier: Apache-2.0
import {cp, mkdir, mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

/** The promise of --resume: figures of the resumed and of the uninterrupted run agree to this share of their size. */
const RESUMED = 1e-5;

// 400 digits in 40 steps an epoch: small enough for seconds, long enough for a signal to come in the middle.
const EPOCHS = 3;
const STEPS = 120;
const SMALL = ['--limit', '400', '--batch-size', '10', '--epochs', String(EPOCHS), '--hidden-units', '24'];
const OPTIONS = [...SMALL, '--experts', '3', '--learning-rate', '0.003', '--seed', '4'];

let folder: string;
let whole: Result;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-mnist-'));
  const done = await start(['mnist-moe', ...OPTIONS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  whole = await readResult('whole');
}, 60_000);
afterAll(() => rm(folder, {recursive: true}));

interface Result {
  figures: {trainLoss: number; testLoss: number; testCorrect: number; testAccuracy: number; expertLoad: number[]};
  steps: number;
  [other: string]: unknown;
}

async function readResult(name: string): Promise<Result> {
  return JSON.parse(await readFile(join(folder, name, 'result.json'), 'utf8'));
}

async function readHistory(name: string): Promise<{epoch: number; loss: number; load: number[]}[]> {
  const lines = (await readFile(join(folder, name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line));
}

/** Every figure of a finished run is that of the uninterrupted one. */
async function expectSameNumbers(name: string): Promise<void> {
  const {figures, steps} = await readResult(name);
  expect(steps).toBe(STEPS);
  for (const figure of ['trainLoss', 'testLoss'] as const) {
    expect(Math.abs(figures[figure] / whole.figures[figure] - 1)).toBeLessThanOrEqual(RESUMED);
  }
  expect(figures.testCorrect).toBe(whole.figures.testCorrect);
  const [history, expected] = [await readHistory(name), await readHistory('whole')];
  expect(history.map(({epoch}) => epoch)).toEqual([1, 2, 3]);
  history.forEach(({loss, load}, i) => {
    expect(Math.abs(loss / expected[i]!.loss - 1)).toBeLessThanOrEqual(RESUMED);
    expect(load).toEqual(expected[i]!.load); // counts of choices: the same ones were drawn
  });
}

/** Whatever stands in the folder is whole: nothing half-written lies about. */
async function expectNoLitter(name: string, expected: string[]): Promise<void> {
  expect((await readdir(join(folder, name))).sort()).toEqual([...expected].sort());
}

describe('mnist-moe', () => {
  test('a run leaves its results, and they agree with each other', async () => {
    await expectNoLitter('whole', ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'model', 'result.json']);
    expect(whole).toMatchObject({program: 'mnist-moe', seed: 4, steps: STEPS, backend: 'wasm'});
    expect(whole.settings).toMatchObject({estimator: 'reinmax', experts: 3, batchSize: 10, limit: 400});
    expect(whole.data).toContain('2,000 held out');
    const {testCorrect, testAccuracy, trainLoss, expertLoad} = whole.figures;
    expect(testAccuracy).toBe(testCorrect / 2000);
    // Ten classes: guessing reads 10 %, whose deviation over 2,000 digits is 0.7 %. 400 digits teach more than half of the rest.
    expect(testAccuracy).toBeGreaterThan(0.55);
    const history = await readHistory('whole');
    expect(history.map(({epoch}) => epoch)).toEqual([1, 2, 3]);
    expect(history[2]!.loss).toBe(trainLoss);
    expect(history[2]!.loss).toBeLessThan(history[0]!.loss);
    expect(expertLoad).toHaveLength(3);
    expect(expertLoad.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(await readFile(join(folder, 'whole', 'chart.svg'), 'utf8')).toContain('ReinMax, 3 experts');
  });

  test('--evaluate loads the saved model and prints the same accuracy and the same table', async () => {
    const {code, stdout} = await start(['mnist-moe', '--evaluate', join(folder, 'whole')]).finished;
    expect(code).toBe(0);
    const {testCorrect, testAccuracy} = whole.figures;
    expect(stdout).toContain(
      `test accuracy ${(100 * testAccuracy).toFixed(2)} % (${testCorrect.toLocaleString('en-US')} of 2,000 held-out digits)`,
    );
    expect(stdout).toMatch(/^% to expert +0 +1 +2 +digits$/m);
    expect(stdout).toMatch(/^all .* 2000$/m);
  });

  test('interrupted in its first and second epoch by SIGINT and SIGTERM, a resumed run has the same numbers', async () => {
    const output = join(folder, 'interrupted');
    const first = start(['mnist-moe', ...OPTIONS, '--output', output]);
    await first.seen('epochs of 40 steps'); // printed before the first step
    await new Promise(resolve => setTimeout(resolve, 100));
    first.child.kill('SIGINT');
    const interrupted = await first.finished;
    expect(interrupted.code).toBe(130);
    expect(interrupted.stdout).toMatch(/Saved after step \d+ in /);
    expect(await readdir(output)).toContain('checkpoint.bin');
    expect(await readdir(output)).not.toContain('result.json');

    const second = start(['mnist-moe', '--resume', '--output', output]); // the settings are the checkpoint's
    await second.seen('epoch 1/3');
    second.child.kill('SIGTERM');
    expect((await second.finished).code).toBe(143);
    await expectNoLitter('interrupted', ['checkpoint.bin', 'history.jsonl']);

    const third = await start(['mnist-moe', ...OPTIONS, '--resume', '--output', output]).finished;
    expect(third.code).toBe(0);
    await expectSameNumbers('interrupted');
  });

  test('killed without warning, a run resumes from its last epoch with the same numbers', async () => {
    const output = join(folder, 'killed');
    const first = start(['mnist-moe', ...OPTIONS, '--output', output]);
    await first.seen('epoch 2/3'); // the checkpoint of epoch 1 stands, that of epoch 2 is being written
    first.child.kill('SIGKILL');
    expect((await first.finished).signal).toBe('SIGKILL');
    const second = await start(['mnist-moe', '--resume', '--output', output]).finished;
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/from step (40|80)$/m);
    await expectSameNumbers('killed');
  });

  test('one Ctrl-C that arrives twice, as npm relays it, counts once', async () => {
    const run = start(['mnist-moe', ...OPTIONS, '--epochs', '1000', '--output', join(folder, 'relayed')]);
    await run.seen('epoch 1/1000');
    run.child.kill('SIGINT');
    run.child.kill('SIGINT');
    const {code, stdout} = await run.finished;
    expect(code).toBe(130);
    expect(stdout).toContain('Saved after step');
  });

  test('a second signal ends the program at once', async () => {
    const run = start(['mnist-moe', ...OPTIONS, '--epochs', '1000', '--output', join(folder, 'twice')]);
    await run.seen('epoch 1/1000');
    // Sent together, they arrive before the loop has come to its end.
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    const {code, stdout} = await run.finished;
    expect([130, 143]).toContain(code);
    expect(stdout).not.toContain('Saved after step');
  });

  test('an --overwrite that is stopped before its first step leaves the former run as it was', async () => {
    const output = join(folder, 'kept');
    await cp(join(folder, 'whole'), output, {recursive: true});
    const before = await readdir(output);
    // The line comes when the digits are there; from then on the backend and a large network take a second or two.
    const run = start(['mnist-moe', ...OPTIONS, '--hidden-units', '2000', '--overwrite', '--output', output]);
    await run.seen('held out');
    run.child.kill('SIGINT');
    const {code, stdout} = await run.finished;
    expect(code).toBe(130);
    expect(stdout).toContain(`Stopped before the first step; ${output} is as it was.`);
    expect(await readdir(output)).toEqual(before);
  });

  test('two runs in one folder do not mix: the second is refused', async () => {
    const output = join(folder, 'shared');
    const first = start(['mnist-moe', ...OPTIONS, '--epochs', '1000', '--output', output]);
    await first.seen('epoch 1/1000');
    const second = await start(['mnist-moe', ...OPTIONS, '--overwrite', '--output', output]).finished;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`the process ${first.child.pid} has a run in ${output} under way`);
    first.child.kill('SIGINT');
    expect((await first.finished).stdout).toContain('Saved after step');
  });

  test('a run is measured on its own digits, whatever TFJS_MOE_DATA says meanwhile', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(join(elsewhere, 'mnist'), {recursive: true}); // without the files, so that reading it would fail
    const run = start(['mnist-moe', '--evaluate', join(folder, 'whole')], {TFJS_MOE_DATA: elsewhere});
    const {code, stdout} = await run.finished;
    expect(code).toBe(0);
    expect(stdout).toContain(`${whole.figures.testCorrect.toLocaleString('en-US')} of 2,000 held-out digits`);
  });

  test('a reader of the output that leaves does not end the run', async () => {
    const run = start(['mnist-moe', ...OPTIONS, '--output', join(folder, 'unread')]);
    await run.seen('held out');
    run.child.stdout!.destroy();
    expect(await run.finished).toMatchObject({code: 0});
    expect((await readResult('unread')).figures).toEqual(whole.figures);
  });

  test('a run is never destroyed unasked, and never resumed under other settings', async () => {
    const output = join(folder, 'whole');
    const before = await readFile(join(output, 'result.json'));
    const again = await start(['mnist-moe', ...OPTIONS, '--output', output]).finished;
    expect(again).toMatchObject({code: 1});
    expect(again.stderr).toMatch(/already holds a finished run.*--overwrite/);
    const resumed = await start(['mnist-moe', '--resume', '--output', output]).finished;
    expect(resumed).toMatchObject({code: 1});
    expect(resumed.stderr).toContain('is finished');
    expect(await readFile(join(output, 'result.json'))).toEqual(before);

    const longer = await start(['mnist-moe', '--resume', '--epochs', '5', '--output', output]).finished;
    expect(longer).toMatchObject({code: 1});
    expect(longer.stderr).toContain(
      '--epochs: the run was started for 3, and its learning rate falls to 0 over all of them, so that one of 5 would have been another',
    );
    expect(await readFile(join(output, 'result.json'))).toEqual(before);

    await rm(join(output, 'result.json'));
    const other = await start(['mnist-moe', '--resume', '--output', output, '--experts', '5', '--seed', '4']).finished;
    expect(other).toMatchObject({code: 1});
    expect(other.stderr).toMatch(/other settings: experts was 3, now 5\./);
  });

  test.each([
    [['mnist-mow'], /there is no program "mnist-mow"\. The programs are:\n(.*\n)* {2}mnist-moe/],
    [['mnist-moe', '--estimator', 'reimax'], /--estimator <name>' argument 'reimax' is invalid.*reinmax/],
    [
      ['mnist-moe', '--epochs', '0'],
      /'--epochs <n>' argument '0' is invalid\. It must be a whole number of at least 1\./,
    ],
    [['mnist-moe', '--evaluate', '/nowhere'], /fileSystem: there is no model at \/nowhere\/model\.json/],
    [['mnist-moe', '--temperature', '1e-46'], /It must be a number above 0, within the range of float32\./],
    [['mnist-moe', '--data-dir', '/nowhere'], /\/nowhere\/train-images.*--download/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start([...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
