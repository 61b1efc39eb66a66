// A search that is saved in the middle of an epoch and taken up goes on to the same numbers, and what settles is what was chosen.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {CIFAR10_STATISTICS} from '../../examples/data/cifar10.js';
import type {LabelledImages} from '../../examples/data/labelled-images.js';
import type {SearchData} from '../../examples/search-cell/data.js';
import {evaluateCell, evaluateModel, settleStatistics} from '../../examples/search-cell/evaluate.js';
import {type Run, type RunState, resumeRun, saveRun, startRun} from '../../examples/search-cell/run-state.js';
import type {Settings} from '../../examples/search-cell/settings.js';
import {train} from '../../examples/search-cell/training.js';
import {loadCheckpoint} from '../../examples/shared/checkpoint.js';
import {seeded} from '../../src/estimators/index.js';
import {deriveModel} from '../../src/layers/index.js';
import {registerWasmTrainingKernels} from '../../src/wasm/index.js';
import {list} from '../support/expect-close.js';

const SETTINGS: Settings = {
  ...{
    setting: 'small',
    estimator: 'straightThroughGumbelSoftmax',
    unsampled: 'ones',
    shrink: 1,
    channels: 2,
    cells: 1,
    seed: 7,
  },
  ...{
    temperature: 5,
    finalTemperature: 0.5,
    epochs: 3,
    warmUp: 1,
    batchSize: 8,
    images: 20,
    weightRate: 0.1,
    choiceRate: 0.05,
  },
  ...{
    clip: 5,
    backend: 'wasm',
    trainingKernels: true,
    dataset: 'cifar10',
    data: 'noise',
    dataDir: null,
    tableDir: null,
  },
};

/** Images of 8 x 8 whose class is the brightest of three colours. */
function noise(count: number, stream: number): LabelledImages {
  const labels = Uint8Array.from({length: count}, (_, i) => i % 3);
  const uniforms = seeded(11)
    .split(stream)
    .uniform(count * 192);
  const pixels = Uint8Array.from(uniforms, (u, k) => {
    const isBright = k % 3 === labels[Math.floor(k / 192)]!;
    return Math.floor(u * 120) + (isBright ? 100 : 0);
  });
  return {width: 8, height: 8, channels: 3, count, pixels, labels};
}

const DATA: SearchData = {
  ...{dataset: 'cifar10', source: 'noise', train: noise(40, 0), test: noise(30, 1), numClasses: 10, canMirror: true},
  ...{classNames: [], statistics: CIFAR10_STATISTICS, table: undefined},
  halves: {
    weights: Uint32Array.from({length: 20}, (_, i) => i),
    choices: Uint32Array.from({length: 20}, (_, i) => 20 + i),
  },
};
/** 20 images in batches of 8. */
const PAIRS = 3;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-search-'));
  await tf.setBackend('wasm');
  registerWasmTrainingKernels();
});
afterAll(() => rm(folder, {recursive: true}));

/** Trains until the run is complete, or so many pairs of steps are done. */
async function trainUntil(run: Run, step = Number.POSITIVE_INFINITY): Promise<string[]> {
  const lines: string[] = [];
  const interrupt = {exitCode: undefined as number | undefined, dispose: () => {}};
  const update = (done: number) => {
    if (done >= step) interrupt.exitCode = 130;
  };
  await train(
    run,
    DATA,
    {isBar: false, update, line: text => lines.push(text), stop: () => {}},
    interrupt,
    async () => {},
  );
  return lines;
}

const weightsOf = ({network}: Run) => network.model.weights.map(weight => list(weight.read()));
const untimed = ({state}: Run) => state.history.map(({seconds: _, examplesPerSecond: __, ...record}) => record);

test('a run that is saved within an epoch goes on, bit for bit, as one that was not', async () => {
  const whole = startRun(SETTINGS, DATA);
  const lines = await trainUntil(whole);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(
    /^epoch 1\/3: weights \d\.\d{3} nats, [\d.]+ %, choices wait; .* entropy 1\.\d{3}, \d+ images\/s/,
  );
  expect(lines[1]).toMatch(/^epoch 2\/3: weights \d\.\d{3} nats, [\d.]+ %, choices \d\.\d{3} nats, [\d.]+ %; /);
  expect(whole.state).toMatchObject({step: 3 * PAIRS, epoch: 3, batch: 0});
  expect(whole.state.history.map(({temperature}) => temperature)).toEqual([5, 2.75, 0.5]);

  // In the warm-up, and after it.
  for (const [step, epoch, batch] of [
    [2, 0, 2],
    [PAIRS + 2, 1, 2],
  ] as const) {
    const stopped = startRun(SETTINGS, DATA);
    await trainUntil(stopped, step);
    expect(stopped.state).toMatchObject({step, epoch, batch});
    const path = join(folder, `checkpoint-${step}.bin`);
    await saveRun(path, stopped);
    const saved = await loadCheckpoint<RunState>(path, 'search-cell');
    expect(saved.settings).toEqual(SETTINGS);
    const resumed = await resumeRun(SETTINGS, DATA, saved);
    expect(weightsOf(resumed)).toEqual(weightsOf(stopped));
    await trainUntil(resumed);
    expect(weightsOf(resumed)).toEqual(weightsOf(whole));
    expect(untimed(resumed)).toEqual(untimed(whole));
    for (const {network} of [stopped, resumed]) network.model.dispose();
  }
  whole.network.model.dispose();
}, 120_000);

test('in the warm-up the weights alone learn, and nothing is said of the choices', async () => {
  const run = startRun(SETTINGS, DATA);
  const logits = () => list(run.network.architecture.logits.read());
  const [start, weights] = [logits(), weightsOf(run)];
  await trainUntil(run, PAIRS); // the whole of it
  expect(logits()).toEqual(start);
  expect(weightsOf(run)).not.toEqual(weights);
  await trainUntil(run, PAIRS + 1);
  expect(logits()).not.toEqual(start);
  expect(run.state.history[0]).toMatchObject({choiceLoss: null, choiceAccuracy: null});
  run.network.model.dispose();
}, 120_000);

test('saving and going on makes no tensors that stay', async () => {
  const run = startRun(SETTINGS, DATA);
  await trainUntil(run, PAIRS + 1); // both optimizers have their moments
  const before = tf.memory().numTensors;
  await saveRun(join(folder, 'again.bin'), run);
  await trainUntil(run, 2 * PAIRS + 1); // over the end of an epoch
  expect(tf.memory().numTensors).toBe(before);
  run.network.model.dispose();
}, 120_000);

test('the plain network of a cell whose statistics have settled sees what the search saw of it, of the images that they come from', async () => {
  const run = startRun({...SETTINGS, seed: 1}, DATA);
  const {network} = run;
  const cell = [3, 2, 1, 1, 3, 4];
  network.architecture.logits.write(tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(cell, 'int32'), 5), 'float32')));
  const one = {...DATA, halves: {weights: DATA.halves.choices, choices: DATA.halves.choices}, test: DATA.train};
  // All 20 images in one batch, again and again: the moving statistics come as near to its own as one pleases.
  for (let i = 0; i < 150; ++i) await settleStatistics(network, cell, one, 20);
  const searched = await evaluateCell(network, cell, one, 20);
  const plain = await deriveModel(network.model);
  const rows = {
    ...DATA.train,
    count: 20,
    pixels: DATA.train.pixels.subarray(20 * 192),
    labels: DATA.train.labels.subarray(20),
  };
  const found = await evaluateModel(plain, {...one, test: rows});
  expect(found.count).toBe(20);
  expect(found.loss).toBeCloseTo(searched.loss, 4);
  expect(found.accuracy).toBe(searched.accuracy);
  expect(found.error).toBeCloseTo(Math.sqrt((found.accuracy * (1 - found.accuracy)) / 20), 12);
  plain.dispose();
  network.model.dispose();
}, 120_000);

test('a cell is measured on whole batches of the half of the choices', async () => {
  const run = startRun(SETTINGS, DATA);
  const {count} = await evaluateCell(run.network, [1, 1, 1, 1, 1, 1], DATA, 8);
  expect(count).toBe(16);
  run.network.model.dispose();
});
