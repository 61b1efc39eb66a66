import * as tf from '@tensorflow/tfjs-core';
import {klToUniform} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

const ROUNDING = 2e-6;

eachBackend('klToUniform', () => {
  test('it is the sum of p ln(n p), row by row', () => {
    const rows = [numbers(1, 5, -3, 3), numbers(2, 5, -3, 3)];
    const expected = rows.map(row => {
      const z = row.reduce((sum, t) => sum + Math.exp(t), 0);
      return row.reduce((sum, t) => sum + (Math.exp(t) / z) * Math.log((5 * Math.exp(t)) / z), 0);
    });
    expectClose(klToUniform(tf.tensor2d(rows)), expected, ROUNDING);
  });

  test('it is 0 where all categories are equally likely and ln n where one is certain', () => {
    expectClose(klToUniform(tf.tensor2d([4, 4, 4, 1e4, 0, -1e4], [2, 3])), [0, Math.log(3)], ROUNDING);
  });

  test('its gradient is p (ln p - sum of p ln p), scaled by what comes from above', () => {
    const logits = numbers(3, 4, -2, 2);
    const z = logits.reduce((sum, t) => sum + Math.exp(t), 0);
    const p = logits.map(t => Math.exp(t) / z);
    const mean = p.reduce((sum, v) => sum + v * Math.log(v), 0);
    const gradient = tf.grad(x => tf.mul(3, tf.sum(klToUniform(x))))(tf.tensor2d([logits]));
    expectClose(
      gradient,
      p.map(v => 3 * v * (Math.log(v) - mean)),
      ROUNDING,
    );
  });

  test('a masked category takes no part, and its gradient is 0', () => {
    // p = (1/2, 1/2, 0): ln 3 - ln 2.
    const logits = tf.tensor2d([[1, 1, Number.NEGATIVE_INFINITY]]);
    expectClose(klToUniform(logits), [Math.log(1.5)], ROUNDING);
    expectClose(tf.grad(x => tf.sum(klToUniform(x)))(logits), [0, 0, 0], ROUNDING);
  });

  test('extreme logits give finite gradients', () => {
    const logits = tf.tensor2d([1e8, 0, -1e8, 50, -50, 0], [2, 3]);
    expect(list(tf.grad(x => tf.sum(klToUniform(x)))(logits)).every(Number.isFinite)).toBe(true);
  });

  test('logits without a category are refused', () => {
    expect(() => klToUniform(tf.zeros([2, 0]))).toThrow(
      'klToUniform: logits must have shape [..., numCategories] with at least one category, but got [2, 0].',
    );
  });
});
