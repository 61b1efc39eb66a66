import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {topKMask} from '../../src/ops/top-k-mask.js';
import {updatedBias} from '../../src/router/bias-update.js';
import {addCounts} from '../../src/router/running-counts.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';

/** Numbers of magnitude one in float32. */
const ROUNDING = 1e-6;

const zeros = (experts: number) => tf.zeros([experts]) as tf.Tensor1D;

eachBackend('updatedBias', () => {
  test('moves each expert by the rate towards the mean count', () => {
    // Mean of (10, 2, 4, 0) is 4: signs (-1, 1, 0, 1), whose mean is 1/4.
    const counts = tf.tensor1d([10, 2, 4, 0]);
    expectClose(updatedBias(zeros(4), counts, {rate: 0.5, recentre: false}), [-0.5, 0.5, 0, 0.5], 0);
    expectClose(updatedBias(zeros(4), counts, {rate: 0.5}), [-0.625, 0.375, -0.125, 0.375], ROUNDING);
    expectClose(updatedBias(zeros(4), counts), [-1.25e-3, 0.75e-3, -0.25e-3, 0.75e-3], 1e-9);
  });

  test('adds to the bias, and keeps its mean where recentred', () => {
    const bias = tf.tensor1d([1, -2, 0.5]);
    const counts = tf.tensor1d([5, 0, 1], 'int32');
    // Mean 2: signs (-1, 1, 1), less their mean 1/3.
    expectClose(updatedBias(bias, counts, {rate: 0.3}), [1 - 0.4, -2 + 0.2, 0.5 + 0.2], ROUNDING);
    expectClose(updatedBias(bias, counts, {rate: 0.3, recentre: false}), [0.7, -1.7, 0.8], ROUNDING);
    expectClose(bias, [1, -2, 0.5], 0);
  });

  test.skipIf(LEAVES_LONG)(
    `leaves the bias as it is, to the bit, at perfect balance and where nothing was counted${WHY_LONG}`,
    () => {
      // 3 x 7 / 3 may come out as 6.9999995 where each term is divided first; the sign of a rounding error would be a full step.
      for (let experts = 1; experts <= 40; ++experts) {
        const bias = tf.tensor1d(numbers(experts, experts));
        for (const count of [0, 1, 7, 1_023, 100_003]) {
          for (const recentre of [true, false]) {
            const counts = tf.fill([experts], count) as tf.Tensor1D;
            expectClose(updatedBias(bias, counts, {rate: 1, recentre}), list(bias), 0);
          }
        }
      }
    },
  );

  test.skipIf(LEAVES_LONG)(
    `balances a router on inputs that do not change, which chose two of eight experts most of the time${WHY_LONG}`,
    () => {
      // Scores with a slope over the experts. A count moves by less than some tokens a step of the rate, so that the largest violation falls
      // below .1 and stays there.
      const tokens = 512;
      const noise = numbers(3, tokens * 8, 0, 1);
      const scores = tf.tensor2d(
        noise.map((u, i) => u + (i % 8) / 8),
        [tokens, 8],
      );
      const never = (): never => {
        throw new Error('a row without a choice');
      };
      const violation = (bias: tf.Tensor1D) => {
        const counts = addCounts(zeros(8), {kHot: topKMask(tf.add(scores, bias), 2, never)});
        return {counts, value: (Math.max(...list(counts)) * 8) / (2 * tokens) - 1};
      };
      let bias = zeros(8);
      expect(violation(bias).value).toBeGreaterThan(0.9);
      for (let step = 0; step < 150; ++step) bias = updatedBias(bias, violation(bias).counts, {rate: 0.005});
      expect(violation(bias).value).toBeLessThan(0.1);
      expect(Math.abs(list(bias).reduce((a, b) => a + b))).toBeLessThan(1e-4);
    },
  );

  test('does not depend on padding, which counts for no expert', () => {
    const indices = [0, 0, 1, 2];
    const plain = addCounts(zeros(3), {indices: tf.tensor2d(indices, [4, 1], 'int32')});
    const padded = addCounts(
      zeros(3),
      {indices: tf.tensor2d([...indices, 2, 2, 2], [7, 1], 'int32')},
      {mask: tf.tensor1d([1, 1, 1, 1, 0, 0, 0])},
    );
    expect(list(updatedBias(zeros(3), padded))).toEqual(list(updatedBias(zeros(3), plain)));
  });

  test('leaves no tensor behind but its value, and no gradient', () => {
    const [bias, counts] = [tf.tensor1d([0, 1]), tf.tensor1d([3, 1])];
    const before = tf.memory().numTensors;
    updatedBias(bias, counts);
    expect(tf.memory().numTensors).toBe(before + 1);
    const gradient = tf.grad(x => tf.add(tf.mul(0, tf.sum(x)), tf.sum(updatedBias(x as tf.Tensor1D, counts))))(bias);
    expectClose(gradient, [0, 0], 0);
  });

  test('refuses shapes that do not match and rates that are not positive and finite', () => {
    const bias = zeros(3);
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => updatedBias(bias, zeros(3), {rate})).toThrow(
        `updatedBias: rate must be a positive finite number, but got ${rate}.`,
      );
    }
    expect(() => updatedBias(bias, zeros(4))).toThrow(
      'updatedBias: counts must have shape of bias = [3], but got [4].',
    );
    expect(() => updatedBias(tf.zeros([1, 3]) as unknown as tf.Tensor1D, zeros(3))).toThrow(
      'updatedBias: bias must have shape [numExperts] = [any], but got [1, 3].',
    );
    expect(() => updatedBias(bias, zeros(3), {recentre: 1 as unknown as boolean})).toThrow(
      'updatedBias: recentre must be true or false, but got 1.',
    );
  });
});
