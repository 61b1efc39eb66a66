import * as tf from '@tensorflow/tfjs-core';
import {gappedStraightThrough, straightThrough} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {ON_HOST} from '../support/device.js';
import {gradientOf, unit} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const GOLDEN = 1e-6;
/** log(1 - p) for p of 1e-5 on a graphics card, whose logarithm near 1 is right to some 1e-8: a thousandth of it. */
const LOGARITHM = 2e-4;
const THETA = [0.5, -1, 0.25, 1.5];
const G = [1, -2, 0.5, 3];

eachBackendAndKernels('gappedStraightThrough', () => {
  // Category 0 given: theta' = [1.5, -1, .25, .5] with gap 1; with the probability gap -log(1 - p_0) / p_0 = 1.123755 theta'_3 =
  // 1.5 - 1.123755 = .376245. Then q * (g - <q, g>) / temperature, in float64.
  test.each([
    [1, 1, [-0.114830554245, -0.15123949015, -0.115395868737, 0.381465913132]],
    [1, 0.5, [-0.27948664762, -0.034908048984, -0.0899959002, 0.40439059683]],
    ['probability', 1, [-0.090852989571, -0.152856945994, -0.110612041926, 0.354321977491]],
  ] as const)('with gap %s at temperature %d the gradient is the closed form', (gap, temperature, expected) => {
    const options = {temperature, given: unit(0, 4)};
    const estimate = (x: tf.Tensor, o?: object) => gappedStraightThrough(x, {...o, gap});
    expectClose(
      gradientOf(estimate, x => tf.mul(x, G), tf.tensor1d(THETA), options),
      expected,
      GOLDEN,
    );
  });

  test('where the draw leads by the gap already it equals straight-through', () => {
    for (const temperature of [0.5, 1, 2]) {
      const options = {temperature, given: unit(3, 4)};
      const gapped = gradientOf(gappedStraightThrough, x => tf.mul(x, G), tf.tensor1d(THETA), options);
      expectClose(gapped, list(gradientOf(straightThrough, x => tf.mul(x, G), tf.tensor1d(THETA), options)), GOLDEN);
    }
  });

  test.each([1e-5, 3e-3, 0.999])('the probability gap is -log(1 - p) / p for a draw of probability %d', p => {
    // Two categories with logits (log(p / (1 - p)), 0), the first given. Of its temperature-1 softmax over (m, min(t, m - gap)) with m the
    // larger logit, q_0 = 1 / (1 + exp(t'_1 - m)), and the gradient for g = (1, 0) is (q_0 (1 - q_0), -q_0 (1 - q_0)).
    const logit = Math.log(p / (1 - p));
    const top = Math.max(logit, 0);
    const other = Math.min(0, top + Math.log1p(-p) / p);
    const q = 1 / (1 + Math.exp(other - top));
    const estimate = (x: tf.Tensor, o?: object) => gappedStraightThrough(x, {...o, gap: 'probability'});
    const gradient = gradientOf(estimate, x => tf.mul(x, [1, 0]), tf.tensor1d([logit, 0]), {given: unit(0, 2)});
    expectClose(gradient, [q * (1 - q), -q * (1 - q)], ON_HOST ? GOLDEN : LOGARITHM);
  });

  test('the probability gap stays finite for a draw of probability 1 and for one that underflows', () => {
    for (const category of [0, 1]) {
      const estimate = (x: tf.Tensor, o?: object) => gappedStraightThrough(x, {...o, gap: 'probability'});
      const gradient = gradientOf(estimate, x => tf.mul(x, [1, -2]), tf.tensor1d([200, 0]), {given: unit(category, 2)});
      expectFinite(gradient);
    }
  });

  test('a bad gap is refused', () => {
    for (const [bad, shown] of [
      [0, '0'],
      [-1, '-1'],
      ['p', '"p"'],
    ] as const) {
      expect(() => gappedStraightThrough(tf.zeros([2]), {gap: bad as number})).toThrow(
        `gappedStraightThrough: gap, unless it is 'probability', must be a positive finite number, but got ${shown}.`,
      );
    }
  });
});
