import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {conditionalGumbel} from '../../src/random/conditional-gumbel.js';
import {gumbelNoise} from '../../src/random/gumbel.js';
import {eachBackend} from '../support/each-backend.js';
import {unit} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {fromExponentials, injected} from '../support/injected.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {meanAndError} from '../support/statistics.js';

const GOLDEN = 1e-6;
const THETA = [0.5, -1, 0.25, 1.5];

/** The largest distance of a sample's distribution from a distribution function (Kolmogorov-Smirnov). */
function distance(values: number[], cdf: (x: number) => number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.max(...sorted.map((x, i) => Math.max(cdf(x) - i / sorted.length, (i + 1) / sorted.length - cdf(x))));
}

/** The distance that n values exceed with probability 1e-4: sqrt(ln(2 / 1e-4) / (2 n)). */
const distanceBound = (n: number) => Math.sqrt(Math.log(2e4) / (2 * n));

const gumbelCdf = (location: number) => (x: number) => Math.exp(-Math.exp(location - x));

eachBackend('Gumbel noise', () => {
  test('is finite at both ends of the uniforms', () => {
    expectFinite(gumbelNoise([4], injected([2 ** -33, 1 - 2 ** -33, 1e-300, 1 - 2 ** -53])));
  });

  test('is distributed as exp(-exp(-x))', () => {
    const n = 20_000;
    expect(distance(list(gumbelNoise([n], seeded(7))), gumbelCdf(0))).toBeLessThan(distanceBound(n));
  });
});

eachBackend('conditionalGumbel', () => {
  test('is the closed form on given noise', () => {
    // c_i = -log E_i + log Z, c_j = -log(E_j / exp(theta_j) + E_i / Z) with E = [.3, 1.1, .6, 2], in float64.
    const noise = () => gumbelNoise([4], fromExponentials([0.3, 1.1, 0.6, 2]));
    expectClose(
      conditionalGumbel(tf.tensor1d(THETA), unit(0, 4), noise()),
      [3.255826681653, -1.10811993115, 0.681555801658, 0.723999743578],
      GOLDEN,
    );
    expectClose(
      conditionalGumbel(tf.tensor1d(THETA), unit(3, 4), noise()),
      [0.823364915538, -1.177763196718, 0.322586331151, 1.358706696767],
      GOLDEN,
    );
  });

  test('has the mean and deviation of a rejection sampler', () => {
    // The slow way: draw unconditional noise and keep what makes the given category win.
    const theta = [1, 2, 3];
    const category = 1;
    const kept: number[][] = [];
    const random = seeded(1);
    while (kept.length < 5000) {
      const noise = Array.from(random.uniform(3), u => -Math.log(-Math.log(u)));
      const perturbed = theta.map((t, i) => t + noise[i]!);
      if (perturbed.indexOf(Math.max(...perturbed)) === category) kept.push(perturbed);
    }
    const n = 5000;
    const fast = conditionalGumbel(tf.tensor1d(theta), unit(category, 3), gumbelNoise([n, 3], seeded(2)));
    const deviation = (values: number[], mean: number) =>
      Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    for (let j = 0; j < 3; ++j) {
      const slow = meanAndError(kept.map(row => row[j]!));
      const quick = list(tf.slice(fast, [0, j], [n, 1]));
      const {mean, error} = meanAndError(quick);
      expect(Math.abs(mean - slow.mean)).toBeLessThan(4 * Math.hypot(error, slow.error));
      // The deviations of these three are .990, 1.295 and .815 in the check of the published gumbel-rao program, 10,000 draws; a
      // deviation from 5,000 heavy-tailed draws is good to some 2%.
      expect(Math.abs(deviation(quick, mean) - [0.99, 1.295, 0.815][j]!)).toBeLessThan(0.05);
    }
  });

  test('puts the maximum at the given category, always', () => {
    for (let category = 0; category < 4; ++category) {
      const perturbed = conditionalGumbel(
        tf.tensor1d(THETA),
        unit(category, 4),
        gumbelNoise([2000, 4], seeded(category)),
      );
      expect(new Set(list(tf.argMax(perturbed, 1)))).toEqual(new Set([category]));
    }
  });

  test.skipIf(LEAVES_LONG)(
    `over draws of the category, each coordinate is an unconditional Gumbel around its logit${WHY_LONG}`,
    () => {
      const n = 20_000;
      const logits = tf.tensor1d(THETA);
      const draws = tf.argMax(tf.add(logits, gumbelNoise([n, 4], seeded(3))), 1) as tf.Tensor1D;
      const given = tf.cast(tf.oneHot(draws, 4), 'float32');
      const rows = tf.tile(tf.reshape(logits, [1, 4]), [n, 1]);
      const perturbed = conditionalGumbel(rows, given, gumbelNoise([n, 4], seeded(4)));
      THETA.forEach((theta, j) => {
        const values = list(tf.slice(perturbed, [0, j], [n, 1]));
        expect(distance(values, gumbelCdf(theta))).toBeLessThan(distanceBound(n));
      });
    },
  );

  test.skipIf(LEAVES_LONG)(`the maximum is a Gumbel around log Z, whichever category has it${WHY_LONG}`, () => {
    const n = 20_000;
    const logZ = Math.log(THETA.reduce((sum, t) => sum + Math.exp(t), 0));
    for (let category = 0; category < 4; ++category) {
      const perturbed = conditionalGumbel(tf.tensor1d(THETA), unit(category, 4), gumbelNoise([n, 4], seeded(9)));
      expect(distance(list(tf.max(perturbed, 1)), gumbelCdf(logZ))).toBeLessThan(distanceBound(n));
    }
  });

  test('a masked category stays at -Infinity, and extreme logits stay finite', () => {
    const logits = tf.tensor1d([Number.NEGATIVE_INFINITY, 1e4, -1e4]);
    for (const category of [1, 2]) {
      const perturbed = list(conditionalGumbel(logits, unit(category, 3), gumbelNoise([3], seeded(1))));
      expect(perturbed[0]).toBe(Number.NEGATIVE_INFINITY);
      expect(Number.isFinite(perturbed[1]) && Number.isFinite(perturbed[2])).toBe(true);
    }
  });
});
