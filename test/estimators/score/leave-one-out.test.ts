// REINFORCE with leave-one-out baselines.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {leaveOneOut} from '../../../src/estimators/score/leave-one-out.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {expectClose} from '../../support/expect-close.js';
import {injected} from '../../support/injected.js';
import {
  CUBIC,
  CUBIC_GRADIENT,
  estimatesOf,
  exactScoreGradient,
  expectedEstimate,
  SINE_CATEGORIES,
} from '../../support/score-oracle.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 2e-6;

// u > 1 - p for p = (.231, .574, .711).
const DRAWS_011 = [0.5, 0.9, 0.9];
const DRAWS_101 = [0.9, 0.1, 0.9];
const DRAWS_001 = [0.5, 0.1, 0.9];

eachBackend('leaveOneOut', () => {
  test('two draws are compared bit by bit where they differ', () => {
    // f(011) = .364 and f(101) = 3.644: half of -3.28 times (-1, 1, 0).
    const [row] = estimatesOf(leaveOneOut, CUBIC, 1, {random: injected([...DRAWS_011, ...DRAWS_101])});
    expectClose(row!, [1.64, -1.64, 0], ROUNDING);
  });

  test('each of three draws is compared with the mean of the other two', () => {
    // Losses .364, 3.644, .812 less the mean of the others: -1.864, 3.056, -1.192. They sum to 0, so that p drops out: a third of
    // (3.056, -1.864, 0), since the third bit is always 1.
    const random = injected([...DRAWS_011, ...DRAWS_101, ...DRAWS_001]);
    const [row] = estimatesOf(leaveOneOut, CUBIC, 1, {numSamples: 3, random});
    expectClose(row!, [3.056 / 3, -1.864 / 3, 0], ROUNDING);
  });

  test('the expectation over all pairs is the gradient', () => {
    expectClose(expectedEstimate(leaveOneOut, CUBIC, 2), CUBIC_GRADIENT, ROUNDING);
    expectClose(expectedEstimate(leaveOneOut, SINE_CATEGORIES, 2), exactScoreGradient(SINE_CATEGORIES), ROUNDING);
  });

  test('the expectation over all triples is the gradient', () => {
    expectClose(expectedEstimate(leaveOneOut, CUBIC, 3), CUBIC_GRADIENT, ROUNDING);
  });

  test('a constant added to the objective changes nothing', () => {
    const shifted = {...CUBIC, objective: (b: tf.Tensor) => tf.add(CUBIC.objective(b, 'hard'), 16) as tf.Tensor1D};
    const [plain, other] = [CUBIC, shifted].map(problem =>
      estimatesOf(leaveOneOut, problem, 50, {numSamples: 4, random: seeded(1)}).flat(),
    );
    // 16 rounds the losses to 2^-20.
    expectClose(other!, plain!, 1e-5);
    expect(Math.max(...plain!)).toBeGreaterThan(0.1);
  });

  test('draws that are all the same give 0', () => {
    const random = injected([...DRAWS_101, ...DRAWS_101]);
    const [row] = estimatesOf(leaveOneOut, CUBIC, 1, {random});
    expectClose(row!, [0, 0, 0], 0);
  });
});
