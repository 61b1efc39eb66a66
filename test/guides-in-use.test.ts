// The programs of the guides to backends, files and estimators of one's own are run as they stand there.
import {existsSync} from 'node:fs';
import {readFile, rm} from 'node:fs/promises';
import {dirname} from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {expect, test} from 'vitest';
import {expectClose, list} from './support/expect-close.js';
import {guideBlocks, runBlocks} from './support/guide-program.js';

/** Runs the n-th program of a guide. @param variables As in `runBlocks`. */
async function runGuide<T>(guide: string, n: number, variables: string): Promise<T> {
  return runBlocks<T>([(await guideBlocks(guide))[n]!], variables);
}

/** float32 sums of some ten terms of magnitude ten. */
const ROUNDING = 1e-5;

test.each([
  ['writing-an-estimator', 3],
  ['backends-and-memory', 3],
  ['saving-and-loading', 4],
  ['tfjs-defects', 1],
])('every program of the guide %s is run here', async (guide, count) => {
  expect(await guideBlocks(guide)).toHaveLength(count);
});

test('the estimator of the guide is exact where it says so, biased where it says so, and drives a layer', async () => {
  const {errors, identity, choice} = await runGuide<{
    errors: Record<'linear' | 'linearAtTwo' | 'quadratic', number>;
    identity: number;
    choice: tf.Tensor;
  }>('writing-an-estimator', 0, '{errors, identity, choice}');
  expect(errors.linear).toBeLessThan(1e-6);
  expect(errors.linearAtTwo).toBeLessThan(1e-6);
  expect(errors.quadratic).toBeGreaterThan(0.01);
  expect(identity).toBeLessThan(ROUNDING);
  expect(choice.shape).toEqual([3, 5]);
  expect(new Set(list(choice))).toEqual(new Set([0, 1]));
});

test('the router of the guide sends tokens elsewhere in training alone, pads as it should, and drives a mixture', async () => {
  const {epsilonGreedy, output, tf, seeded} = await runGuide<{
    epsilonGreedy: import('tfjs-moe/router').Router;
    output: tf.Tensor;
    tf: typeof import('@tensorflow/tfjs-core');
    seeded: typeof import('tfjs-moe').seeded;
  }>('writing-an-estimator', 1, "{epsilonGreedy, output, tf, seeded: (await import('tfjs-moe')).seeded}");
  expect(output.shape).toEqual([6, 2]);
  const logits = tf.tile(tf.tensor2d([[3, 0, -2]]), [1000, 1]) as tf.Tensor2D;
  const moved = (training: boolean) =>
    list(epsilonGreedy(logits, {training, random: seeded(1)}).indices).filter(expert => expert !== 0).length;
  expect(moved(false)).toBe(0);
  // One in ten is drawn, and two thirds of those go elsewhere: binomial(1000, 1/15), mean 66.7, deviation 7.9; 5 of them.
  expect(Math.abs(moved(true) - 66.7)).toBeLessThan(40);
  const mask = tf.tensor1d([1, 0]);
  const padded = epsilonGreedy(
    tf.tensor2d([
      [1, 2],
      [3, 0],
    ]),
    {mask},
  );
  expect([list(padded.indices), list(padded.weights)[1], list(padded.probs).slice(2)]).toEqual([[1, -1], 0, [0, 0]]);
});

test('the enumerated gradient of the guide is the closed form, and leave-one-out agrees with it', async () => {
  const {truth, mean} = await runGuide<{truth: tf.Tensor; mean: tf.Tensor}>('writing-an-estimator', 2, '{truth, mean}');
  // p_k (f_k - sum p f), in float64.
  const weights = [0.5, -1, 0.25].map(Math.exp);
  const p = weights.map(w => w / weights.reduce((a, b) => a + b));
  const expected = p[0]! - 2 * p[1]! + 3 * p[2]!;
  const losses = [1, -2, 3];
  expectClose(
    truth,
    p.map((pk, k) => pk * (losses[k]! - expected)),
    ROUNDING,
  );
  // An estimate of one example is at most 2.5 in magnitude: (f_1 - f_2) / 2 (D_1 - D_2). So 5 deviations of the mean are below 5 * 2.5 / sqrt(20,000).
  expectClose(mean, list(truth), 0.09);
});

test('the training loop of the guide learns, and leaves no tensor behind', async () => {
  const {losses, grown} = await runGuide<{losses: number[]; grown: number}>(
    'backends-and-memory',
    0,
    '{losses, grown}',
  );
  expect(grown).toBe(0);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
});

test('the count of the guide finds two tensors of an estimator that nobody frees', async () => {
  const found = await runGuide<object>('backends-and-memory', 1, '{leaking, tidied, disposed}');
  expect(found).toEqual({leaking: 2, tidied: 0, disposed: 0});
});

test('the draws of the guide are the same on cpu, on wasm and with the kernels', async () => {
  const {draws} = await runGuide<{draws: Record<string, string>}>('backends-and-memory', 2, '{draws}');
  const [cpu, wasm, withKernels] = Object.values(draws);
  expect(cpu).toMatch(/^[0-3]{200}$/);
  expect(new Set(cpu).size).toBe(4);
  expect([wasm, withKernels]).toEqual([cpu, cpu]);
});

const weightsOf = (model: tfl.LayersModel) => model.getWeights().map(list);

test('the model of the guide loads with its temperature and step, and trains on to the same weights', async () => {
  const {folder, model, loaded, restored, names} = await runGuide<{
    folder: string;
    model: tfl.LayersModel;
    loaded: tfl.LayersModel;
    restored: {step: number; temperature: number};
    names: string[];
  }>('saving-and-loading', 0, '{folder, model, loaded, restored, names}');
  await rm(folder, {recursive: true});
  expect(restored).toEqual({step: 3, temperature: Math.fround(1.3)});
  expect(weightsOf(loaded)).toEqual(weightsOf(model));
  const ofExpert = (e: number) =>
    [0, 1].flatMap(layer => [`kernel_${layer}`, `bias_${layer}`]).map(w => `moe/expert_${e}/${w}`);
  const ofRouter = ['kernel', 'temperature', 'step', 'statistics'].map(name => `moe/router/${name}`);
  expect([...names].sort()).toEqual([...ofRouter, ...[0, 1, 2].flatMap(ofExpert)].sort());
});

test('the run of the guide goes on from its checkpoint to the last bit', async () => {
  type Run = {model: tfl.LayersModel; state: {step: number}};
  const {path, whole, resumed} = await runGuide<{path: string; whole: Run; resumed: Run}>(
    'saving-and-loading',
    1,
    '{path, whole, resumed}',
  );
  await rm(dirname(path), {recursive: true});
  expect([whole.state, resumed.state]).toEqual([{step: 6}, {step: 6}]);
  expect(weightsOf(resumed.model)).toEqual(weightsOf(whole.model));
});

test('the experts of the guide keep their powers in a file', async () => {
  const {config, again} = await runGuide<Record<'config' | 'again', object>>(
    'saving-and-loading',
    2,
    '{config, again}',
  );
  expect(again).toEqual(config);
  expect(JSON.stringify(again)).toContain('"power":3');
});

test('the weights of the guide move from a dense mixture to a sparse one, which gives the same', async () => {
  const {ofDense, ofSparse} = await runGuide<Record<string, tf.Tensor>>('saving-and-loading', 3, '{ofDense, ofSparse}');
  expectClose(ofSparse!, list(ofDense!), ROUNDING);
  expect(Math.max(...list(ofDense!).map(Math.abs))).toBeGreaterThan(0.01);
});

test('what the guide says of TensorFlow.js is still so in the version that is installed', async () => {
  const {stillSo, comparison} = await runGuide<{stillSo: Record<string, boolean>; comparison: boolean}>(
    'tfjs-defects',
    0,
    '{stillSo, comparison}',
  );
  expect(Object.entries(stillSo).filter(([, isSo]) => !isSo)).toEqual([]);
  expect(Object.keys(stillSo).length).toBe(10);
  expect(comparison).toBe(true);
});

test('every source file that the guide of defects names is there', async () => {
  const text = await readFile('docs/guides/tfjs-defects.md', 'utf8');
  const rows = text.split('\n').filter(line => /^\| \d+ /.test(line));
  const names = rows.flatMap(row =>
    [...row.split('|')[4]!.matchAll(/`([\w/.-]+\/[\w.-]+|[\w-]+\.ts)`/g)].map(match => match[1]!),
  );
  expect(names.length).toBeGreaterThan(25);
  const isThere = (name: string) => [name, `src/${name}`, `src/estimators/score/${name}`].some(existsSync);
  expect(names.filter(name => !isThere(name))).toEqual([]);
});
