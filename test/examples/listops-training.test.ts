// The loop of listops in one process: learning, checkpoints, memory, and what is measured.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {answer, answerWithTrees} from '../../examples/listops/evaluate.js';
import {generateExpressions} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import type {ListOpsData} from '../../examples/listops/inputs.js';
import {compareTrees, describeLengths, describeTrees, groupByLength, measure} from '../../examples/listops/measure.js';
import {createModel} from '../../examples/listops/model.js';
import {parseExpression} from '../../examples/listops/parse.js';
import {keepBest, type Run, resumeRun, saveRun, startRun} from '../../examples/listops/run-state.js';
import {
  buildSequences,
  filterSequences,
  type LabelledSequences,
  lengthAt,
  sequenceAt,
  sliceSequences,
} from '../../examples/listops/sequences.js';
import type {Settings} from '../../examples/listops/settings.js';
import {encodeSequences} from '../../examples/listops/tokenize.js';
import {isComplete, train} from '../../examples/listops/training.js';
import {treeDrawing} from '../../examples/listops/tree-pictures.js';
import {describeSamples} from '../../examples/listops/tree-samples.js';
import {loadCheckpoint} from '../../examples/shared/checkpoint.js';
import {seeded} from '../../src/estimators/index.js';
import {expectClose} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Of sums of float32 products of some dozen weights, batched otherwise. */
const ROUNDING = 1e-5;
const TOKENS = 15;

const SETTINGS: Settings = {
  ...{setting: 'reinmax', tokens: 'token', maxLength: 5, estimator: 'reinmax', temperature: 1, numSamples: null},
  ...{leaf: 'lstm', embedding: 8, units: 12, dropout: 0.1, optimizer: 'radam', learningRate: 0.02, batchSize: 16},
  ...{epochs: 2, minutes: null, validations: 2, seed: 4, backend: 'wasm', trainingKernels: false, data: 'generated'},
  ...{dataDir: null, limit: null},
};

const both = (expressions: LabelledSequences) => ({expressions, inputs: expressions});

/** Expressions of at most five tokens. */
function shortData(counts: {train: number; valid: number; test: number}): ListOpsData {
  const all = filterSequences(generateExpressions(3000, {random: seeded(1)}), ({length}) => length <= 5);
  const begins = [counts.train, counts.train + counts.valid, counts.train + counts.valid + counts.test];
  expect(all.count).toBeGreaterThanOrEqual(begins[2]!);
  return {
    source: 'generated',
    folder: undefined,
    train: both(sliceSequences(all, 0, begins[0])),
    valid: both(sliceSequences(all, begins[0]!, begins[1])),
    test: both(sliceSequences(all, begins[1]!, begins[2])),
    vocabulary: TOKENS,
  };
}

const silent = {isBar: false, update: () => {}, line: () => {}, stop: () => {}};
/** A signal after so many steps. */
const after = (run: Run, step: number) => ({
  get exitCode() {
    return run.state.step >= step ? 130 : undefined;
  },
  dispose: () => {},
});
const whole = {exitCode: undefined, dispose: () => {}};
const begin = (changes: Partial<Settings> = {}) => {
  const settings = {...SETTINGS, ...changes};
  return startRun(settings, createModel(settings, TOKENS));
};
const go = (run: Run, data: ListOpsData, interrupt: Parameters<typeof train>[3] = whole) =>
  train(run, data, silent, interrupt, async () => {});
const weightsOf = (run: Run) => run.network.model.getWeights().map(weight => Array.from(weight.dataSync()));
/** The history without its times. */
const untimed = (run: Run) => run.state.history.map(({seconds: _, examplesPerSecond: __, ...record}) => record);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-listops-'));
});
afterAll(() => rm(folder, {recursive: true}));

eachBackendOfPrograms('the training of listops', backend => {
  test('a small network learns short lists: the loss falls well below that of a guess', async () => {
    const run = begin({optimizer: 'adam', dropout: 0, units: 16, batchSize: 20, epochs: 5, validations: 1});
    await go(run, shortData({train: 200, valid: 60, test: 1}));
    const {history} = run.state;
    expect(history.length).toBe(5);
    // A guess costs ln 10 = 2.303 nats, and is right in one of ten; of 200 the deviation of the share is 0.021.
    expect(history[0]!.trainLoss).toBeGreaterThan(2.2);
    expect(history.at(-1)!.trainLoss).toBeLessThan(1.95);
    expect(history.at(-1)!.trainAccuracy).toBeGreaterThan(0.25);
  });

  test.each(['radam', 'sgd', 'adam'] as const)(
    'by %s a run that is stopped within an epoch and goes on is bit for bit one that was not',
    async optimizer => {
      const data = shortData({train: 60, valid: 20, test: 1});
      const changes = {optimizer, estimator: 'gumbelRao', numSamples: 3} as const;
      const unbroken = begin(changes);
      await go(unbroken, data);
      expect(isComplete(unbroken)).toBe(true);
      const stopped = begin(changes);
      await go(stopped, data, after(stopped, 5)); // 4 steps an epoch, validations after the 2nd and the 4th
      expect(stopped.state).toMatchObject({step: 5, epoch: 1, batch: 1});
      const path = join(folder, `${backend}-${optimizer}.bin`);
      await saveRun(path, stopped);
      const resumed = await resumeRun(stopped.settings, begin(changes).network, await loadCheckpoint(path, 'listops'));
      await go(resumed, data);
      expect(untimed(resumed)).toEqual(untimed(unbroken));
      expect(resumed.state.best).toEqual(unbroken.state.best);
      expect(resumed.state.plateau).toEqual(unbroken.state.plateau);
      expect(weightsOf(resumed)).toEqual(weightsOf(unbroken));
      const best = (run: Run) => run.bestWeights.map(weight => Array.from(weight.dataSync()));
      expect(best(resumed)).toEqual(best(unbroken));
    },
  );

  test('no step and no validation leaves a tensor behind', async () => {
    const data = shortData({train: 40, valid: 20, test: 1});
    const run = begin({epochs: 3});
    await go(run, data, after(run, 4)); // past the first epoch: moments and best weights are there
    const before = tf.memory().numTensors;
    await go(run, data);
    expect(run.state.step).toBe(9);
    expect(run.state.history.length).toBe(6);
    expect(tf.memory().numTensors).toBe(before);
    keepBest(run); // in place of the former best
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the rate falls where the validation does not get better, and the optimizer takes it', async () => {
    // Without a gradient to speak of nothing is learned: the accuracy stays, and the sixth validation halves the rate.
    const run = begin({epochs: 4, optimizer: 'sgd', learningRate: 1e-6, validations: 2});
    await go(run, shortData({train: 32, valid: 20, test: 1}));
    expect(run.state.history.map(({learningRate}) => learningRate)).toEqual([...Array(6).fill(1e-6), 5e-7, 5e-7]);
    expect(run.state.best).toMatchObject({step: 1, epoch: 0.5});
    expect((run.optimizer as unknown as {learningRate: number}).learningRate).toBe(5e-7);
  });

  test('minutes end a run within an epoch, with a validation', async () => {
    const run = begin({epochs: null, minutes: 1e-6, validations: 1});
    await go(run, shortData({train: 100, valid: 20, test: 1}));
    expect(run.state).toMatchObject({step: 1, epoch: 0, batch: 1});
    expect(run.state.history.map(({epoch}) => epoch)).toEqual([1 / 7]);
  });
});

eachBackendOfPrograms('the answers of a network', () => {
  const texts = ['7', '[MAX 2 9 [MIN 4 7 ] 0 ]', '[SM 5 6 ]', '[MED 1 2 3 ]', '[MIN [MAX 1 2 ] 3 ]'];
  const sequences = (list: readonly string[]) => {
    const built = buildSequences();
    for (const text of list) built.add(parseExpression(text), 3);
    return built.finish();
  };

  test('they and the trees are the same for an expression among longer ones and alone', async () => {
    const {network} = begin();
    const all = sequences(texts);
    const together = await answer(network, all);
    const {trees, ...answers} = await answerWithTrees(network, all);
    expect(answers).toEqual(await answer(network, all));
    let [loss, right] = [0, 0];
    for (const [i, text] of texts.entries()) {
      const alone = await answer(network, sequences([text]));
      expect(alone.digits[0], text).toBe(together.digits[i]);
      expect((await answerWithTrees(network, sequences([text]))).trees).toEqual([trees[i]]);
      loss += alone.loss / texts.length;
      right += alone.accuracy / texts.length;
    }
    expectClose([together.loss, together.accuracy], [loss, right], ROUNDING);
    expect(trees.map(({length}) => length)).toEqual([0, 8, 3, 4, 6]);
  });

  test('they are measured by characters too, where there are no right trees', async () => {
    const {network} = startRun(SETTINGS, createModel(SETTINGS, 21));
    const expressions = sequences(texts);
    const set = {expressions, inputs: encodeSequences(expressions, 'character')};
    const {measurement, trees} = await measure(network, set, {tokens: 'character'});
    expect(trees).toEqual([]);
    expect(measurement).toMatchObject({trees: null, count: 5});
    expect(measurement.byLength.map(({to, count}) => [to, count])).toEqual([[10, 5]]);
  });
});

describe('what is measured', () => {
  const expressions = filterSequences(generateExpressions(700, {random: seeded(8)}), ({length}) => length <= 120);
  const gold = Array.from({length: expressions.count}, (_, i) => goldMerges(sequenceAt(expressions, i)));

  test('the accuracy of a group of lengths is the share of its right answers', () => {
    const isRight = Uint8Array.from({length: expressions.count}, (_, i) => Number(lengthAt(expressions, i) % 2 === 0));
    const groups = groupByLength(expressions, isRight);
    expect(groups.map(({from, to}) => [from, to])).toEqual([
      [1, 10],
      [11, 25],
      [26, 50],
      [51, 100],
      [101, Number.MAX_SAFE_INTEGER],
    ]);
    expect(groups.reduce((sum, {count}) => sum + count, 0)).toBe(expressions.count);
    const lengths = Array.from({length: expressions.count}, (_, i) => lengthAt(expressions, i));
    const second = lengths.filter(length => length >= 11 && length <= 25);
    expect(groups[1]!.count).toBe(second.length);
    expect(groups[1]!.accuracy).toBe(second.filter(length => length % 2 === 0).length / second.length);
  });

  test('the right trees have an F1 of 100 with themselves and less with any shape', () => {
    const scores = compareTrees(expressions, gold);
    expect(scores.gold).toEqual({micro: 100, sentenceMean: 100});
    for (const rival of ['right-branching', 'left-branching', 'balanced'] as const) {
      expect(scores[rival].micro).toBeGreaterThan(0);
      expect(scores[rival].micro).toBeLessThan(80);
    }
    // Within a list the right trees branch to the left.
    expect(scores['left-branching'].micro).toBeGreaterThan(scores['right-branching'].micro);
  });

  test('the tables have a column a measurement', () => {
    const isRight = new Uint8Array(expressions.count).fill(1);
    const measurement = {
      ...{accuracy: 1, error: 0, loss: 0, count: expressions.count},
      byLength: groupByLength(expressions, isRight),
      trees: compareTrees(expressions, gold),
    };
    const lengths = describeLengths({last: measurement, best: measurement}).split('\n');
    expect(lengths[0]).toMatch(/^accuracy in % +expressions +last +best$/);
    expect(lengths[2]).toMatch(/^1 to 10 tokens +[\d,]+ +100\.00 +100\.00$/);
    expect(lengths.at(-1)).toMatch(/^101 tokens and more /);
    expect(describeTrees({last: measurement})!.split('\n')[2]).toMatch(/^with gold trees +100\.00 +100\.00$/);
    expect(describeTrees({last: {...measurement, trees: null}})).toBeUndefined();
  });

  test('samples show the expression, its value, the answer and both trees', () => {
    const built = buildSequences();
    built.add(parseExpression('[MAX 2 4 ]'), 4); // too short for a sample
    built.add(parseExpression('[MIN 2 4 1 ]'), 1);
    const digits = Uint8Array.of(0, 7);
    const trees = [Int32Array.of(0, 0, 0), Int32Array.of(3, 2, 1, 0)];
    const answers = {digits, isRight: Uint8Array.of(0, 0), accuracy: 0, loss: 1};
    const names = ['[MIN', '2', '4', '1', ']'];
    expect(describeSamples(built.finish(), trees, answers).split('\n')).toEqual([
      '[MIN 2 4 1 ]',
      'value 1, answer 7; F1 25 %', // of four nodes the whole one is shared
      '',
      'the right tree:',
      ...treeDrawing([0, 0, 0, 0], names).split('\n'),
      '',
      "the network's:",
      ...treeDrawing([3, 2, 1, 0], names).split('\n'),
      '',
    ]);
  });
});
