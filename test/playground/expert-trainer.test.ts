// The run of the lab of experts: what it learns, what it reports, what it leaves.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {DATA_SETS, type DataSetName} from '../../docs/playground/src/experts/data-sets.js';
import {
  type ChooserName,
  DEFAULT_SETTINGS,
  type ExpertSettings,
  LAB_ROUTERS,
} from '../../docs/playground/src/experts/settings.js';
import {ExpertTrainer, LIMIT, type Report} from '../../docs/playground/src/experts/trainer.js';

/** Digits after the point that float32 keeps. */
const ROUNDING = 5;
const CHOOSERS: ChooserName[] = [...(Object.keys(ESTIMATORS) as EstimatorName[]), ...LAB_ROUTERS];

beforeAll(async () => {
  await tf.setBackend('wasm');
  registerWasmTrainingKernels();
});
afterAll(() => unregisterWasmTrainingKernels());

/** Makes steps, with a report after each ten, as the page does after each frame. */
async function train(trainer: ExpertTrainer, steps: number): Promise<Report> {
  for (let i = 1; i <= steps; ++i) {
    trainer.train();
    if (i % 10 === 0) await trainer.report();
  }
  return trainer.report();
}

/** A run with some settings changed, frees it, and says what came of it. */
async function runOf(settings: Partial<ExpertSettings>, steps: number) {
  const trainer = new ExpertTrainer({...DEFAULT_SETTINGS, ...settings});
  const before = await trainer.judge();
  const report = await train(trainer, steps);
  const after = await trainer.judge();
  trainer.dispose();
  return {before, after, report};
}

describe('ExpertTrainer', () => {
  test('two moons are told apart, by linear experts alone, in 200 steps', async () => {
    const {after, report} = await runOf({}, 200);
    expect(after).toBeGreaterThan(0.9); // one linear classifier gets 0.88
    expect(report.loss).toBeLessThan(0.3);
    expect(report.step).toBe(200);
  });

  test.each(Object.keys(DATA_SETS) as DataSetName[])('%s: predictions of new points get better', async dataSet => {
    const trunkUnits = dataSet === 'planes' ? 0 : 16;
    const {before, after} = await runOf({dataSet, trunkUnits, numExperts: 8, hiddenUnits: 8, noise: 0.02}, 150);
    expect(after).toBeGreaterThan(before + 0.04);
  });

  test.each(CHOOSERS)('%s: the shares of the experts sum to 1, and the loss falls', async chooser => {
    const trainer = new ExpertTrainer({...DEFAULT_SETTINGS, chooser, compute: 'sparse'});
    const {loss: first} = await train(trainer, 10);
    const {loss, load, windowSteps} = await train(trainer, 60);
    trainer.dispose();
    expect(loss).toBeLessThan(first);
    expect(windowSteps).toBe(50);
    expect(load.reduce((sum, share) => sum + share)).toBeCloseTo(1, ROUNDING);
  });

  test.each(CHOOSERS)('%s works with one expert, whose balance loss is 1', async chooser => {
    // E * sum f P with E = 1, f = 1, P = 1.
    const {report} = await runOf({chooser, numExperts: 1}, 5);
    expect(report.balanceLoss).toBeCloseTo(1, ROUNDING);
    expect(report.load).toEqual([1]);
  });

  test('without balance a Switch router lets experts die; with it none does', async () => {
    const settings = {chooser: 'switch', numExperts: 8} as const;
    const without = await runOf({...settings, balanceWeight: 0}, 150);
    const with1 = await runOf({...settings, balanceWeight: 1}, 150);
    expect(without.report.maxViolation).toBeGreaterThan(2);
    expect(with1.report.maxViolation).toBeLessThan(1);
    expect(without.report.deadSince.filter(since => since !== null).length).toBeGreaterThan(2);
    expect(with1.report.deadSince.every(since => since === null)).toBe(true);
  });

  test('a balance weight that changes while it trains takes effect', async () => {
    const settings = {...DEFAULT_SETTINGS, chooser: 'switch', numExperts: 4, balanceWeight: 0} as const;
    const trainer = new ExpertTrainer(settings);
    const before = await train(trainer, 60);
    trainer.adjust({...settings, balanceWeight: 1});
    const after = await train(trainer, 200);
    trainer.dispose();
    expect(before.maxViolation).toBeGreaterThan(0.7);
    expect(after.maxViolation).toBeLessThan(before.maxViolation / 2);
  });

  test('a learning rate and a temperature that change take effect at the next step', async () => {
    const judge = async (change: Partial<ExpertSettings>) => {
      const trainer = new ExpertTrainer(DEFAULT_SETTINGS);
      trainer.adjust({...DEFAULT_SETTINGS, ...change});
      await train(trainer, 3);
      const {outputs} = await trainer.look(4);
      trainer.dispose();
      return [...outputs];
    };
    const plain = await judge({});
    expect(await judge({})).toEqual(plain); // the same seed
    expect(await judge({learningRate: 0.1})).not.toEqual(plain);
    expect(await judge({temperature: 3})).not.toEqual(plain);
  });

  test('the plane holds the choice of the router and the prediction at the middle of each cell', async () => {
    const trainer = new ExpertTrainer({...DEFAULT_SETTINGS, dataSet: 'planes', numExperts: 1});
    await train(trainer, 300);
    const {experts, probabilities, outputs} = await trainer.look(2);
    trainer.dispose();
    expect([...experts]).toEqual([0, 0, 0, 0]);
    expect([...probabilities]).toEqual([1, 1, 1, 1]);
    // One linear expert: f(x, y) = a x + b y + c at (+-m, +-m), m = LIMIT / 2, rows from the top, where y = m. The sums over the diagonals
    // are equal; the slopes are those of the least squares over the three planes, where the fit has come to.
    const [topLeft, topRight, bottomLeft, bottomRight] = [...outputs] as [number, number, number, number];
    expect(topLeft + bottomRight).toBeCloseTo(topRight + bottomLeft, ROUNDING);
    const slope = (topRight - topLeft) / LIMIT;
    expect(slope).toBeCloseTo(leastSquaresSlope(), 1);
  });

  test('a choice of no expert is -1: with expert choice some cells are nobody’s', async () => {
    const trainer = new ExpertTrainer({...DEFAULT_SETTINGS, chooser: 'expertChoice'});
    await train(trainer, 50);
    const {experts} = await trainer.look(16);
    trainer.dispose();
    expect(new Set(experts).has(-1)).toBe(true);
    expect(Math.max(...experts)).toBeGreaterThan(0);
  });

  test.each(CHOOSERS)('%s: steps, reports and looks leave no tensor, and dispose frees all', async chooser => {
    const start = tf.memory().numTensors;
    const trainer = new ExpertTrainer({...DEFAULT_SETTINGS, chooser, trunkUnits: 8, hiddenUnits: 4});
    const visit = async () => {
      await train(trainer, 3);
      await trainer.judge();
      await trainer.look(8);
      return tf.memory().numTensors;
    };
    const first = await visit(); // makes Adam's moments
    expect(await visit()).toBe(first);
    trainer.dispose();
    expect(tf.memory().numTensors).toBe(start);
  });
});

/** The slope along x of the best linear fit to the three planes, from a fine grid: on a symmetric square it is mean(x f) / mean(x^2). */
function leastSquaresSlope(): number {
  const size = 200;
  let [products, squares] = [0, 0];
  for (let i = 0; i < size * size; ++i) {
    const [u, v] = [((i % size) + 0.5) / size, (Math.floor(i / size) + 0.5) / size];
    const given = [u, v];
    const [x, , target] = DATA_SETS.planes.draw(0, () => given.shift()!);
    products += x * target;
    squares += x * x;
  }
  return products / squares;
}
