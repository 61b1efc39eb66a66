// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {runningSum} from '../../src/ops/running-sum.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';

eachBackend('runningSum', () => {
  // One length after the other: a shader that keeps the first one fails at the second.
  test.each([2, 3, 5, 4])('along %i places sums those before, and its gradient those behind', length => {
    const x = tf.tensor2d(
      Array.from({length: 2 * length}, (_, i) => i + 1),
      [2, length],
    );
    const dy = tf.tensor2d(
      Array.from({length: 2 * length}, (_, i) => (i % 3) - 1 + i),
      [2, length],
    );
    const rows = (values: number[]) => [values.slice(0, length), values.slice(length)];
    const sums = (row: number[]) => row.map((_, i) => row.slice(0, i + 1).reduce((a, b) => a + b));
    const sumsBehind = (row: number[]) => row.map((_, i) => row.slice(i).reduce((a, b) => a + b));
    expect(list(runningSum(x, 1))).toEqual(rows(list(x)).flatMap(sums));
    const gradient = tf.grad(z => tf.mul(runningSum(z, 1), dy))(x);
    expect(list(gradient)).toEqual(rows(list(dy)).flatMap(sumsBehind));
  });

  test('leaves nothing behind', () => {
    const x = tf.ones([2, 3]);
    const before = tf.memory().numTensors;
    tf.dispose([runningSum(x, 1), tf.grad(z => runningSum(z, 1))(x)]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
