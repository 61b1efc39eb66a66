// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {toFloat} from '../../src/ops/to-float.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';

eachBackend('toFloat', () => {
  const isLarge = () => tf.greater(tf.tensor2d([1, 5, 7, 2], [2, 2]), 4);

  // What copies or sums its input fails on GPU backends where it holds integers under the label of float32.
  test.each([
    ['a boolean', isLarge],
    ['an integer', () => tf.cast(isLarge(), 'int32')],
    ['what tf.cast has labelled', () => tf.cast(isLarge(), 'float32')],
  ])('%s is a number to sum, to average and to copy', (_, make) => {
    const x = toFloat(make());
    expect(x.dtype).toBe('float32');
    expect([list(x), list(tf.sum(x)), list(tf.mean(x, 1)), list(tf.tile(x, [1, 2]))]).toEqual([
      [0, 1, 1, 0],
      [2],
      [0.5, 0.5],
      [0, 1, 0, 1, 1, 0, 1, 0],
    ]);
  });

  test('is a tensor of its own, and leaves nothing else', () => {
    const x = tf.ones([2]);
    const before = tf.memory().numTensors;
    const y = toFloat(x);
    expect(tf.memory().numTensors).toBe(before + 1);
    y.dispose();
    expect(x.isDisposed).toBe(false);
  });
});
