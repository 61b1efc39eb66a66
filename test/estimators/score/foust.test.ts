// The uniform-scaling step of FouST.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {foust} from '../../../src/estimators/score/foust.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose} from '../../support/expect-close.js';
import {injected} from '../../support/injected.js';
import {estimatesOf, exactScoreGradient, type Problem} from '../../support/score-oracle.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 2e-6;

/** The midpoint rule with 400 points has an error of |f'''| / (24 * 400^2) at most, here below 1e-6. */
const QUADRATURE = 4e-6;
const POINTS = 400;

const oneBit = (p: number, f: (b: tf.Tensor) => tf.Tensor): Problem => ({
  shape: [1],
  logits: [Math.log(p / (1 - p))],
  distribution: 'binary',
  objective: b => tf.reshape(f(b), [-1]) as tf.Tensor1D,
});

/** The expectation for one bit: over the draw by its two values, over the scale by the midpoint rule. */
function expectation(problem: Problem, p: number): number {
  const scales = Array.from({length: POINTS}, (_, i) => (i + 0.5) / POINTS);
  const draws = [...scales.map(() => 1 - p / 2), ...scales.map(() => (1 - p) / 2)]; // ones, then zeros
  const rows = estimatesOf(foust, problem, 2 * POINTS, {random: injected([...draws, ...scales, ...scales])});
  return rows.reduce((sum, [value], n) => sum + ((n < POINTS ? p : 1 - p) * value!) / POINTS, 0);
}

// f(0) = 1, f(1/2) = exp(.5) - .75, f(1) = e - 3.
const CURVED = (b: tf.Tensor) => tf.sub(tf.exp(b), tf.mul(3, tf.square(b)));
const [AT_0, AT_HALF, AT_1] = [1, Math.exp(0.5) - 0.75, Math.E - 3];

eachBackend('foust', () => {
  test.each([0.2, 0.5, 0.8])('the expectation for one bit has the closed form, at p = %d', p => {
    // The mean over u of f'(1/2 + u / 2) is 2 (f(1) - f(1/2)), that of f'(1/2 - u / 2) is 2 (f(1/2) - f(0)).
    const closed = 2 * p * (1 - p) * (p * (AT_1 - AT_HALF) + (1 - p) * (AT_HALF - AT_0));
    expect(Math.abs(expectation(oneBit(p, CURVED), p) - closed)).toBeLessThan(QUADRATURE);
  });

  test('for one bit at p = 1/2 it is the gradient, and elsewhere it is off by p (1 - p) (2 p - 1) (f(0) - 2 f(1/2) + f(1))', () => {
    for (const p of [0.5, 0.2]) {
      const problem = oneBit(p, CURVED);
      const bias = p * (1 - p) * (2 * p - 1) * (AT_0 - 2 * AT_HALF + AT_1);
      const [exact] = exactScoreGradient(problem);
      expect(Math.abs(expectation(problem, p) - exact! - bias)).toBeLessThan(QUADRATURE);
    }
  });

  test('for a linear objective every estimate is the gradient', () => {
    const linear = (b: tf.Tensor) => tf.sum(tf.mul(b, tf.tensor1d([2, -3])), -1) as tf.Tensor1D;
    const problem: Problem = {shape: [2], logits: [-1.2, 0.7], distribution: 'binary', objective: linear};
    const exact = exactScoreGradient(problem);
    const rows = estimatesOf(foust, problem, 10, {random: injected(numbers(3, 40, 0.01, 0.99))});
    expectClose(
      rows.flat(),
      rows.flatMap(() => exact),
      ROUNDING,
    );
  });

  test('each bit has a scale of its own', () => {
    // p = 1/2 for both. Draws 1 and 0, scales .4 and .9: points .7 and .05, where the derivative of b^2 is 1.4 and .1.
    const objective = (b: tf.Tensor) => tf.sum(tf.square(b), -1) as tf.Tensor1D;
    const problem: Problem = {shape: [2], logits: [0, 0], distribution: 'binary', objective};
    const [row] = estimatesOf(foust, problem, 1, {random: injected([0.8, 0.3, 0.4, 0.9])});
    expectClose(row!, [1.4 / 4, 0.1 / 4], ROUNDING);
  });

  test('a bit that is all but certain keeps its small gradient', () => {
    // p (1 - p) at the logit 20 is 2.06e-9, which 1 - sigmoid(20) in float32 rounds to 0.
    const linear = (b: tf.Tensor) => tf.sum(b, -1) as tf.Tensor1D;
    const problem: Problem = {shape: [2], logits: [20, -20], distribution: 'binary', objective: linear};
    const [row] = estimatesOf(foust, problem, 1, {random: injected([0.5, 0.5, 0.5, 0.5])});
    const expected = Math.exp(-20) / (1 + Math.exp(-20)) ** 2;
    expectClose(row!, [expected, expected], 1e-6 * expected);
  });
});
