// The programs of the guides to sparse mixtures, routing and capacity, and wasm are run as they stand there.
// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {GumbelMoE} from 'tfjs-moe';
import {expect, test} from 'vitest';
import {readExamples} from './support/examples.js';
import {expectClose, list} from './support/expect-close.js';
import {guideBlocks, runBlocks} from './support/guide-program.js';

const ROUNDING = 1e-6;

test('the functions of the guide choose, give places and move rows as it tells', async () => {
  const blocks = await guideBlocks('routing-and-capacity');
  expect(blocks).toHaveLength(3);
  const names =
    'indices, weights, both, slope, capacity, inTurn, byWeight, unlimited, tokens, rows, output, same, back';
  const {capacity, both, ...tensors} = await runBlocks<
    Record<string, tf.Tensor> & {capacity: number; both: Record<'indices' | 'weights', tf.Tensor>}
  >(blocks, `{${names}}`);
  const values = (name: string) => list(tensors[name]!);
  expect(values('indices')).toEqual([0, 0, 1, 0, 0, 1]);
  expectClose(tensors.weights!, [0.6, 0.9, 0.8, 0.7, 0.8, 0.7], ROUNDING);
  expect(list(both.indices)).toEqual([0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0]);
  // p_0 (1 - p_0) for the chosen one and its negative for the other, of two.
  const products = [0.24, 0.09, 0.16, 0.21, 0.16, 0.21];
  const isFirst = [1, 1, -1, 1, 1, -1];
  expectClose(
    tensors.slope!,
    products.flatMap((product, t) => [isFirst[t]! * product, -isFirst[t]! * product]),
    ROUNDING,
  );
  expect(capacity).toBe(3);
  expect(values('inTurn')).toEqual([0, 1, 0, 2, -1, 1]);
  expect(values('byWeight')).toEqual([-1, 0, 0, 2, 1, 1]);
  expect(values('unlimited')).toEqual([0, 1, 0, 2, 3, 1]);
  expect(tensors.rows!.shape).toEqual([5, 2]);
  // Weight times token, ten times for the second expert; nothing for the dropped one.
  const expected = [0, 1.8, 24, 2.8, 4, 42].flatMap(value => [value, 0]);
  expectClose(tensors.output!, expected, 1e-5);
  expectClose(tensors.same!, expected, 1e-5);
  expect(values('back')).toEqual(values('tokens'));
});

test('the sparse mixture of the guide trains', async () => {
  const blocks = await guideBlocks('sparse-mixtures');
  expect(blocks).toHaveLength(1);
  const {model, moe} = await runBlocks<{model: tfl.Sequential; moe: GumbelMoE}>(blocks, '{model, moe}');
  const kernel = () => list(moe.router.trainableWeights[0]!.read());
  const before = kernel();
  await model.fit(tf.randomUniform([64, 64]), tf.ones([64, 1]), {epochs: 1, verbose: 0});
  expect(kernel()).not.toEqual(before);
});

test('the kernels of the guide to wasm come and go', async () => {
  const blocks = await guideBlocks('wasm');
  expect(blocks).toHaveLength(2);
  const {kernels, notice} = await runBlocks<{kernels: string[]; notice?: string}>([blocks[0]!], '{kernels, notice}');
  expect(kernels).toContain('Conv2DBackpropFilter');
  expect(notice).toBeUndefined();
  const filter = () =>
    tf.grad(w => tf.sum(tf.conv2d(tf.ones<tf.Rank.R4>([1, 3, 3, 1]), w as tf.Tensor4D, 1, 'same')))(
      tf.ones([2, 2, 1, 1]),
    );
  expect(filter).toThrow(/Conv2DBackpropFilter/); // as on the stock backend
});

/** Runs a program in a process of its own: threads are chosen before the backend starts. */
async function runApart(program: string): Promise<unknown> {
  const folder = await mkdtemp(join(process.cwd(), 'test', '.guide-'));
  try {
    const file = join(folder, 'program.mts');
    await writeFile(file, program);
    const {stdout} = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], {timeout: 50_000});
    return JSON.parse(stdout);
  } finally {
    await rm(folder, {recursive: true});
  }
}

test('the threads of the guide to wasm and of the example start where they may', async () => {
  const imports = "import '@tensorflow/tfjs-backend-wasm';\nimport * as tf from '@tensorflow/tfjs-core';\n";
  const print = (expression: string) => `\nconsole.log(JSON.stringify(${expression}));\n`;
  const guide = `${imports}${(await guideBlocks('wasm'))[1]!}${print('[threads, notice, tf.getBackend()]')}`;
  const [threads, notice, backend] = (await runApart(guide)) as [number, string | null, string];
  expect(backend).toBe('wasm');
  // JSON has no undefined: null is no notice.
  expect([threads, notice === null]).toEqual(threads === 2 ? [2, true] : [1, false]);
  const {code} = readExamples().find(({file}) => file.endsWith('enable-threads.ts'))!;
  const from = "import {enableWasmThreads} from 'tfjs-moe/wasm';\n";
  expect(await runApart(`${imports}${from}${code}${print('tf.getBackend()')}`)).toBe('wasm');
});

test('the charts of the guide to load balancing are drawn', async () => {
  const [, charts] = await guideBlocks('load-balancing');
  const {trainInSight} = await runBlocks<{
    trainInSight: (
      vis: object,
      model: tfl.LayersModel,
      moe: GumbelMoE,
      x: tf.Tensor,
      y: tf.Tensor,
    ) => Promise<{tokens: number}>;
  }>([charts!], '{trainInSight}');
  const {gumbelMoE} = await import('tfjs-moe');
  const moe = gumbelMoE({numExperts: 2, hiddenUnits: [], units: 1, inputShape: [2], seed: 1});
  const model = tfl.sequential({layers: [moe]});
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  const drawn: string[] = [];
  const element = (): object => ({ownerDocument: {createElement: element}, appendChild: () => {}});
  const draw = (kind: string) => async () => void drawn.push(kind);
  const vis = {
    visor: () => ({surface: () => ({drawArea: element()})}),
    render: {barchart: draw('bars'), linechart: draw('curve')},
  };
  // 80 rows in batches of 32 are 3 an epoch, 15 in all: one drawing, after the tenth, of the load and three curves.
  const {tokens} = await trainInSight(vis, model, moe, tf.ones([80, 2]), tf.ones([80, 1]));
  expect(tokens).toBe(80);
  expect(drawn).toEqual(['bars', 'curve', 'curve', 'curve']);
});
