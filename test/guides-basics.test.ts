// The programs of the guides that come first: getting started, choosing an estimator, load balancing.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test, vi} from 'vitest';
import {expectClose, list} from './support/expect-close.js';
import {guideBlocks, runBlocks} from './support/guide-program.js';

/** Several trainings in one program, on a machine that may be busy. */
const SEVERAL_TRAININGS = 300_000;

test('the first program learns the step, comes back from its folder, trains on alike and cools down', {
  timeout: SEVERAL_TRAININGS,
}, async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const blocks = await guideBlocks('getting-started');
  expect(blocks.length).toBe(4);
  const {y, choice, load, deadExperts, before, after, former, resumed, temperature} = await runBlocks<{
    y: tf.Tensor;
    choice: tf.Tensor;
    load: number[];
    deadExperts: number;
    before: tf.Tensor;
    after: tf.Tensor;
    former: Record<string, number[]>;
    resumed: Record<string, number[]>;
    temperature: number;
  }>(blocks, '{y, choice, load, deadExperts, before, after, former, resumed, temperature}');
  const line = String(log.mock.lastCall?.[0]);
  log.mockRestore();
  expect(line).toMatch(/^mean squared error 0\.0\d+; 0\.333 is/);
  // The best linear model of sign(a) b is 0, as a and b are independent: its error is the variance of b, 1/3.
  expect(tf.mean(tf.square(y)).dataSync()[0]).toBeCloseTo(1 / 3, 1);
  expect(choice.shape).toEqual([1000, 4]);
  expectClose(tf.sum(choice, 1), new Array(1000).fill(1), 0);
  expect(load.reduce((sum, share) => sum + share)).toBeCloseTo(1, 6);
  expect(deadExperts).toBe(load.filter(share => share === 0).length);
  expectClose(after, list(before), 0);
  expect(resumed.loss).toEqual(former.loss);
  expect(temperature).toBeCloseTo(0.3, 6);
});

test('an estimate of the guide has the bias that is told: of straight-through some, of ReinMax none at temperature 1', async () => {
  const blocks = await guideBlocks('choosing-an-estimator');
  expect(blocks.length).toBe(1);
  const {exact, ofStraightThrough, ofReinmax, ofWarmReinmax} = await runBlocks<{
    exact: tf.Tensor1D;
    ofStraightThrough: number;
    ofReinmax: number;
    ofWarmReinmax: number;
  }>(blocks, '{exact, ofStraightThrough, ofReinmax, ofWarmReinmax}');
  // By hand: f(e_k) = |e_k - t|^2, and the exact gradient is p_k (f_k - sum_j p_j f_j).
  const [logits, target] = [
    [0.3, -1.2, 0.8],
    [1, -2, 0.5],
  ] as const;
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const probs = logits.map(logit => Math.exp(logit) / total);
  const losses = probs.map((_, k) => target.reduce((sum, t, i) => sum + (Number(i === k) - t) ** 2, 0));
  const mean = probs.reduce((sum, p, k) => sum + p * losses[k]!, 0);
  const expected = probs.map((p, k) => p * (losses[k]! - mean));
  expectClose(exact, expected, 1e-5);
  expect(Math.hypot(...expected)).toBeCloseTo(0.53, 2);
  // With g_j = 2 (e_j - t) at draw j, straight-through's mean is J(p) sum_j p_j g_j, and sum_j p_j g_j = 2 (p - t).
  const g = probs.map((p, k) => 2 * (p - target[k]!));
  const along = probs.reduce((sum, p, k) => sum + p * g[k]!, 0);
  expect(ofStraightThrough).toBeCloseTo(Math.hypot(...probs.map((p, k) => p * (g[k]! - along) - expected[k]!)), 4);
  expect(ofStraightThrough).toBeCloseTo(0.165, 3);
  expect(ofReinmax).toBeLessThan(1e-5);
  expect(ofWarmReinmax).toBeCloseTo(0.142, 3);
});

test('without balance experts of the guide die, and a loss and a bias keep them alive', {
  timeout: SEVERAL_TRAININGS,
}, async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const blocks = await guideBlocks('load-balancing');
  expect(blocks.length).toBe(3);
  type Balance = {maxViolation: number; deadExperts: number};
  const {alone, byLoss, byBias} = await runBlocks<Record<string, Balance>>([blocks[0]!], '{alone, byLoss, byBias}');
  expect(log.mock.calls.length).toBe(3);
  log.mockRestore();
  expect(alone!.deadExperts).toBeGreaterThan(0);
  expect(alone!.maxViolation).toBeGreaterThan(3); // of 7
  for (const balanced of [byLoss!, byBias!]) {
    expect(balanced.deadExperts).toBe(0);
    expect(balanced.maxViolation).toBeLessThan(0.5);
  }
});

test('the losses of the guide have the values that it tells', async () => {
  const [, , block] = await guideBlocks('load-balancing'); // the second is run by guides-sparse.test.ts
  const {importance, balancing, violation, below, z} = await runBlocks<Record<string, tf.Scalar>>(
    [block!],
    '{importance, balancing, violation, below, z}',
  );
  expectClose(importance!, [0], 1e-6);
  expectClose(balancing!, [1], 1e-6); // 2 (3/4 1/2 + 1/4 1/2)
  expectClose(violation!, [0.5], 1e-6); // 3 / 2 - 1
  expectClose(below!, [0.9224], 1e-4); // f = (.6, .4), P = (.306, .694): 2 (.1836 + .2776)
  expectClose(z!, [Math.log(2) ** 2], 1e-6);
});
