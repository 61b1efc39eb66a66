import * as tf from '@tensorflow/tfjs-core';
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import {describe, expect, test} from 'vitest';
import {categoricalOnDevice, categoricalOnHost} from '../../src/random/categorical.js';
import {hostWays, onHost} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {injected} from '../support/injected.js';
import {numDraws} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';

type Way = [string, (probs: tf.Tensor, random?: RandomSource) => tf.Tensor];
const HOST: Way = ['the loop on the host', (probs, random = seeded(1)) => categoricalOnHost('test', probs, random)];
const DEVICE: Way = [
  'cumulative sums on the device',
  (probs, random = seeded(1)) => categoricalOnDevice(probs, random),
];
const WAYS = [...hostWays('the loop on the host', HOST), DEVICE];

describe.each(WAYS)('%s', (_title, draw) => {
  eachBackend('a categorical draw', () => {
    test('takes the first category whose cumulative probability passes the uniform', () => {
      const probs = tf.tensor2d([0.2, 0.3, 0.1, 0.4], [1, 4]);
      for (const [uniform, category] of [
        [0.19, 0],
        [0.21, 1],
        [0.49, 1],
        [0.51, 2],
        [0.59, 2],
        [0.61, 3],
        [1 - 2 ** -33, 3],
      ] as const) {
        expect(tf.argMax(draw(probs, injected([uniform])), 1).dataSync()[0]).toBe(category);
      }
    });

    test('never takes a category of probability 0, at either end of the unit interval', () => {
      const probs = tf.tensor2d([0, 0.5, 0, 0.5, 0, 0], [1, 6]);
      expect(list(draw(probs, injected([2 ** -33])))).toEqual([0, 1, 0, 0, 0, 0]);
      expect(list(draw(probs, injected([1 - 2 ** -33])))).toEqual([0, 0, 0, 1, 0, 0]);
    });

    test('scales with the sum of a row', () => {
      expect(list(draw(tf.tensor2d([[2, 6]]), injected([0.26])))).toEqual([0, 1]);
      expect(list(draw(tf.tensor2d([[2, 6]]), injected([0.24])))).toEqual([1, 0]);
    });

    test('follows the probabilities', () => {
      const n = numDraws(20_000);
      const probs = [0.05, 0.15, 0.3, 0.5];
      const sample = draw(tf.tile(tf.tensor2d([probs]), [n, 1]), seeded(23));
      expect(
        chiSquare(
          tf.sum(sample, 0).dataSync(),
          probs.map(p => p * n),
        ),
      ).toBeLessThan(chiSquareBound(3));
    });

    test('leaks nothing', () => {
      const probs = tf.fill([3, 2, 4], 0.25);
      const before = tf.memory().numTensors;
      const sample = draw(probs);
      expect(sample.shape).toEqual([3, 2, 4]);
      expect(tf.memory().numTensors).toBe(before + 1);
    });
  });
});

eachBackend('the two ways of drawing', () => {
  test('agree on the same uniforms', () => {
    const probs = tf.softmax(tf.tensor2d(numbers(1, 8000, -3, 3), [1000, 8]));
    expect(list(categoricalOnDevice(probs, seeded(4)))).toEqual(
      list(onHost(() => categoricalOnHost('test', probs, seeded(4)))),
    );
  });

  test('a row with nothing to choose from is NaN on the device, where an error would have to wait for it', () => {
    const sample = list(
      categoricalOnDevice(
        tf.tensor2d([
          [0, 0],
          [0.5, 0.5],
          [Number.NaN, 1],
        ]),
        seeded(1),
      ),
    );
    expect(sample.map(Number.isNaN)).toEqual([true, true, false, false, true, true]);
  });
});
