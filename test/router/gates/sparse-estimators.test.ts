import * as tf from '@tensorflow/tfjs-core';
import {reinmax, seeded, straightThrough} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {sparseReinmax} from '../../../src/router/gates/sparse-reinmax.js';
import {sparseStraightThrough} from '../../../src/router/gates/sparse-straight-through.js';
import type {SparseEstimatorOptions} from '../../../src/router/gates/unit-weights.js';
import {eachBackend} from '../../support/each-backend.js';
import {expectClose, list} from '../../support/expect-close.js';
import {softmax} from '../reference.js';

/** float32 sums of a few terms of magnitude one. */
const ROUNDING = 1e-6;

const LOGITS = [0.5, -1, 0.25, 1.5];
const PAIRS = [
  ['sparseReinmax', sparseReinmax, reinmax],
  ['sparseStraightThrough', sparseStraightThrough, straightThrough],
] as const;

eachBackend('a sparse estimator', () => {
  const x = () => tf.tensor2d([LOGITS]);
  const sparseGradient = (route: typeof sparseReinmax, options: SparseEstimatorOptions, slopes: number[]) =>
    list(tf.grad(y => tf.sum(tf.mul(route(y as tf.Tensor2D, options).weights, tf.tensor2d([slopes]))))(x()));

  test.each(PAIRS)(
    '%s is the dense estimator with the gradient of the others at zero, at any temperature',
    (_n, route, dense) => {
      for (const temperature of [0.7, 1, 1.3, 2, 10]) {
        for (let chosen = 0; chosen < 4; ++chosen) {
          const hot = tf.tensor2d([LOGITS.map((_, e) => Number(e === chosen))]);
          const given = tf.tensor2d([[chosen]], [1, 1], 'int32');
          const oracle = tf.grad(y => tf.mul(-1.7, tf.sum(tf.mul(dense(y, {given: hot, temperature}).sample, hot))))(
            x(),
          );
          const gradient = sparseGradient(route, {training: true, given, temperature}, [-1.7]);
          expectClose(gradient, list(oracle), ROUNDING);
        }
      }
    },
  );

  test('sparseReinmax has the gradient g (D - p) / 2 at temperature 1', () => {
    const given = tf.tensor2d([[2]], [1, 1], 'int32');
    const expected = softmax(LOGITS).map((p, e) => (3 * (Number(e === 2) - p)) / 2);
    expectClose(sparseGradient(sparseReinmax, {training: true, given}, [3]), expected, ROUNDING);
  });

  test.each(PAIRS)(
    '%s adds the gradients of several choices, each among what the earlier ones left',
    (_n, route, dense) => {
      const given = tf.tensor2d([[3, 0]], [1, 2], 'int32');
      const temperature = 1.3;
      const first = tf.tensor2d([[0, 0, 0, 1]]);
      const second = tf.tensor2d([[1, 0, 0, 0]]);
      const left = tf.tensor2d([[0.5, -1, 0.25, Number.NEGATIVE_INFINITY]]);
      const slope = (from: tf.Tensor, hot: tf.Tensor, by: number) =>
        tf.grad(y => tf.mul(by, tf.sum(tf.mul(dense(y, {given: hot, temperature}).sample, hot))))(from);
      const oracle = tf.add(slope(x(), first, 2), slope(left, second, -1));
      expectClose(
        sparseGradient(route, {topK: 2, training: true, given, temperature}, [2, -1]),
        list(oracle),
        ROUNDING,
      );
    },
  );

  test.each(PAIRS)(
    '%s has weights of 1, draws that the temperature does not touch, and softmax probabilities',
    (_n, route) => {
      const rows = tf.tensor2d(new Array(200).fill(LOGITS));
      const [cold, warm] = [0.5, 5].map(temperature =>
        route(rows, {topK: 2, training: true, temperature, random: seeded(1)}),
      );
      expectClose(cold!.weights, new Array(400).fill(1), 0);
      expectClose(cold!.indices, list(warm!.indices), 0);
      expectClose(route(x()).probs, softmax(LOGITS), ROUNDING);
      expect(() => route(rows, {temperature: 0})).toThrow('temperature must be a positive finite number, but got 0.');
    },
  );
});
