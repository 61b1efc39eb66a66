// The toy problem and what is measured on it: laws of the estimators, and the statistics against slow ones.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {listOf} from '../../examples/shared/list-option.js';
import {wholeNumber} from '../../examples/shared/options.js';
import {countDraws, descend, measureGradient} from '../../examples/toy-variance/measure.js';
import {
  CENTRE,
  checkLogits,
  expectedObjective,
  objective,
  Q,
  softmax,
  trueGradient,
} from '../../examples/toy-variance/problem.js';
import {withError} from '../../examples/toy-variance/report.js';
import type {Variant} from '../../examples/toy-variance/settings.js';
import {errorOf, type Figures, figuresOf, PARTS} from '../../examples/toy-variance/statistics.js';
import {type EstimatorName, getEstimator, seeded} from '../../src/estimators/index.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Of float32, on numbers of the size of 1. */
const ROUNDING = 2e-6;
/** How many standard errors a right program may be off, by chance alone once in 16,000 times. */
const ERRORS = 4;
const LOGITS = [0.4, -0.3, 0.9];
const DRAWS = 4000;

const variant = (name: EstimatorName, temperature: number, numSamples?: number): Variant => ({
  name,
  temperature,
  ...(numSamples !== undefined && {numSamples}),
});
const figures = (of: Variant, seed = 1): Promise<Figures> =>
  measureGradient(of, {logits: LOGITS, draws: DRAWS}, seeded(seed));

describe('the problem', () => {
  test('the true gradient is the slope of the expected objective, by central differences in float64', () => {
    const at = (k: number, shift: number) =>
      expectedObjective(softmax(LOGITS.map((t, i) => (i === k ? t + shift : t))));
    const slopes = LOGITS.map((_, k) => (at(k, 1e-5) - at(k, -1e-5)) / 2e-5);
    expectClose(trueGradient(softmax(LOGITS)), slopes, 1e-9);
  });

  test('the expected objective is 0 at the centre and (p - c)^T Q (p - c) elsewhere, by a slow loop', () => {
    expect(expectedObjective([CENTRE, CENTRE, CENTRE])).toBe(0);
    const probs = [0.5, 0.3, 0.2];
    let sum = 0;
    for (let i = 0; i < 3; ++i) {
      for (let j = 0; j < 3; ++j) sum += Math.exp(-2 * Math.abs(i - j)) * (probs[i]! - 1 / 3) * (probs[j]! - 1 / 3);
    }
    expect(expectedObjective(probs)).toBeCloseTo(sum, 14);
    expect(Q[0]).toEqual([1, Math.exp(-2), Math.exp(-4)]);
  });

  test('logits at a pole are refused', () => {
    // A probability of 2/3 leaves 1/3 to the two others.
    expect(() => checkLogits([0, Math.log(4), 0])).toThrow(
      '--logits: category 1 must not have the probability 2/3, where the objective has a pole, but it has 0.6667.',
    );
    checkLogits(LOGITS);
  });
});

describe('statistics', () => {
  test('single gradients give the moments of the categories, without error', () => {
    // Gradients (1, 0) with probability 1/4 and (0, 2) with 3/4: mean (1/4, 3/2); the trace of the covariance is
    // 1/4 (9/16 + 9/4) + 3/4 (1/16 + 1/4) = 15/16; the distance to (1/4, 1) is 1/2.
    const found = figuresOf([0.25, 0.75], [Float32Array.of(1, 0), Float32Array.of(0, 2)], [0.25, 1]);
    expect(found).toMatchObject({mean: [0.25, 1.5], bias: 0.5, biasError: 0, variance: 15 / 16, varianceError: 0});
    expect(found).toMatchObject({within: 0, between: 15 / 16, meanSquaredError: 15 / 16 + 1 / 4});
  });

  /** Category i: gradients m_i + s_i e of one entry, e uniform with variance 1/12; m = (0, 1), p = (.3, .7), the truth .5. */
  const simulate = (runs: number, count: number, [s0, s1]: [number, number]) => {
    const random = seeded(3);
    const draw = (m: number, s: number) => Array.from(random.uniform(count), u => m + s * (u - 0.5));
    return Array.from({length: runs}, () => figuresOf([0.3, 0.7], [draw(0, s0), draw(1, s1)], [0.5]));
  };

  test('drawn gradients give the moments of their distribution, with the noise of the means taken off', () => {
    // s = (10, 30): within = (.3 * 100 + .7 * 900) / 12 = 55, between = .3 * .7 = .21, bias = .2, mean squared error = 55.21 + .04.
    // Without the corrections, 40 draws would give 55 * 39 / 40 for the first, .21 + .4375 for the second, and 1.14 more for the last.
    const runs = simulate(4000, 2 * PARTS, [10, 30]);
    const check = (of: (run: Figures) => number, expected: number) => {
      const values = runs.map(of);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(Math.abs(mean - expected)).toBeLessThan(ERRORS * errorOf(values));
    };
    check(run => run.within, 55);
    check(run => run.between, 0.21);
    check(run => run.variance, 55.21);
    check(run => run.meanSquaredError, 55.25);
    check(run => run.meanSquaredError - run.variance, 0.04);
    check(run => run.mean[0]!, 0.7);
  });

  test('the stated errors are those that many runs show', () => {
    const runs = simulate(200, 25 * PARTS, [1, 3]);
    // The deviation of 200 runs is known to 5 percent, and an error from PARTS parts to 16, which averages out.
    const shown = (of: (run: Figures) => number) => errorOf(runs.map(of)) * Math.sqrt(runs.length);
    const mean = (of: (run: Figures) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
    expect(Math.abs(mean(run => run.varianceError) / shown(run => run.variance) - 1)).toBeLessThan(0.2);
    expect(Math.abs(mean(run => run.biasError) / shown(run => run.mean[0]!) - 1)).toBeLessThan(0.2);
  });

  test('an average of K draws has a K-th of them, in parts of 25 at least', () => {
    expect(countDraws(variant('reinmax', 1), 10_000)).toBe(1);
    expect(countDraws(variant('gumbelRao', 1, 10), 100_000)).toBe(10_000);
    expect(countDraws(variant('gumbelRao', 1, 1000), 100_000)).toBe(500);
    expect(countDraws(variant('straightThroughGumbelSoftmax', 1), 1001) % PARTS).toBe(0);
  });

  test('a number is printed to the digit in which its error stands', () => {
    expect(withError(12.345, 0)).toBe('12.35');
    expect(withError(12.345, 0.04)).toBe('12.35(4)');
    expect(withError(-2.5, 3)).toBe('-3(3)');
  });

  test('a list option is read entry by entry, and refuses an entry that comes twice', () => {
    const read = listOf(wholeNumber(1));
    expect(read('1, 10,100')).toEqual([1, 10, 100]);
    expect(() => read('1,x')).toThrow('It must be a whole number of at least 1.');
    expect(() => read('5,05')).toThrow('It must hold each value once, but 5 comes again.');
  });
});

eachBackendOfPrograms('toy-variance', () => {
  test('the expectation of the objective over the categories is the expected objective', () => {
    const probs = softmax(LOGITS);
    const values = list(objective(tf.eye(3), tf.tile(tf.tensor2d([probs]), [3, 1])));
    const mean = values.reduce((sum, value, i) => sum + probs[i]! * value, 0);
    expect(Math.abs(mean - expectedObjective(probs))).toBeLessThan(ROUNDING);
  });

  test('ReinMax has no bias at temperature 1, and has one at 1.3', async () => {
    expect((await figures(variant('reinmax', 1))).bias).toBeLessThan(ROUNDING);
    expect((await figures(variant('reinmax', 1.3))).bias).toBeGreaterThan(1e-3);
    expect((await figures(variant('straightThrough', 1))).bias).toBeGreaterThan(1e-3);
  });

  test.each(['straightThrough', 'gappedStraightThrough', 'reinmax'] as const)(
    'the figures of %s are exact: no errors, and no noise beside the category',
    async name => {
      const found = await figures(variant(name, 0.7));
      expect(found).toMatchObject({biasError: 0, varianceError: 0, within: 0, meanSquaredErrorError: 0});
      expect(found.variance).toBeGreaterThan(0);
      expect(await figures(variant(name, 0.7), 2)).toEqual(found);
    },
  );

  test('drawing the category and enumerating it give the same mean and variance of straight-through Gumbel-softmax', async () => {
    const count = 8000;
    const estimate = getEstimator({name: 'stgs', temperature: 0.7});
    const random = seeded(5);
    const rows = list(
      tf.grad(x => {
        const {sample, probs} = estimate(x, {random});
        return tf.sum(objective(sample, probs));
      })(tf.tile(tf.tensor2d([LOGITS]), [count, 1])),
    );
    const mean = [0, 1, 2].map(k => rows.filter((_, i) => i % 3 === k).reduce((sum, g) => sum + g / count, 0));
    const distances = Array.from({length: count}, (_, row) =>
      mean.reduce((sum, m, k) => sum + (rows[3 * row + k]! - m) ** 2, 0),
    );
    const drawn = distances.reduce((sum, d) => sum + d / count, 0);
    const found = await figures(variant('straightThroughGumbelSoftmax', 0.7));
    const error = Math.hypot(errorOf(distances), found.varianceError);
    expect(Math.abs(found.variance - drawn)).toBeLessThan(ERRORS * error);
    const apart = Math.hypot(...mean.map((m, k) => m - found.mean[k]!));
    expect(apart).toBeLessThan(ERRORS * Math.hypot(Math.sqrt(drawn / count), found.biasError));
  });

  test.each([0.3, 1])(
    'Proposition 3 at temperature %d: averaging K draws leaves the mean, divides E var(. | D) by K, and leaves var E(. | D)',
    async temperature => {
      const single = await figures(variant('straightThroughGumbelSoftmax', temperature));
      for (const K of [1, 10, 50]) {
        const rao = await figures(variant('gumbelRao', temperature, K), 10 + K);
        const withinError = Math.hypot(single.withinError, K * rao.withinError);
        expect(Math.abs(K * rao.within - single.within)).toBeLessThan(ERRORS * withinError);
        const betweenError = Math.hypot(single.betweenError, rao.betweenError);
        expect(Math.abs(rao.between - single.between)).toBeLessThan(ERRORS * betweenError);
        const apart = Math.hypot(...rao.mean.map((m, k) => m - single.mean[k]!));
        expect(apart).toBeLessThan(ERRORS * Math.hypot(rao.biasError, single.biasError));
      }
    },
  );

  test.each([0.1, 0.5, 1])(
    'at temperature %d the mean squared error of Gumbel-Rao is below that of straight-through Gumbel-softmax',
    async temperature => {
      const single = await figures(variant('straightThroughGumbelSoftmax', temperature));
      const rao = await figures(variant('gumbelRao', temperature, 10), 2);
      const error = Math.hypot(single.meanSquaredErrorError, rao.meanSquaredErrorError);
      expect(single.meanSquaredError - rao.meanSquaredError).toBeGreaterThan(ERRORS * error);
    },
  );

  test('descents begin at the logits, are the same for the same seed, and come near the optimum', async () => {
    const settings = {logits: LOGITS, runs: 8, steps: 60, learningRate: 0.5};
    const {loss, lossError} = await descend(variant('reinmax', 1), settings, seeded(1));
    expect(loss).toHaveLength(61);
    expect(Math.abs(loss[0]! - expectedObjective(softmax(LOGITS)))).toBeLessThan(ROUNDING);
    expect(loss[60]!).toBeLessThan(1e-3 * loss[0]!);
    expect(lossError).toBeGreaterThan(0);
    expect((await descend(variant('reinmax', 1), settings, seeded(1))).loss).toEqual(loss);
    expect((await descend(variant('reinmax', 1), settings, seeded(2))).loss).not.toEqual(loss);
  });
});
