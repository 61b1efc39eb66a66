// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {zeroOrNaN} from '../../src/ops/zero-or-nan.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';

eachBackend('zeroOrNaN', () => {
  test('is NaN at 0 and at NaN, and 0 elsewhere', () => {
    const x = tf.tensor2d([1, 0, -2, Number.NaN, 1e-30, 3e38], [2, 3]);
    const y = zeroOrNaN(tf.add(x, 0)); // a result of the backend, not what the host wrote
    expect(y.shape).toEqual([2, 3]);
    expect(list(y)).toEqual([0, Number.NaN, 0, Number.NaN, 0, 0]);
  });

  test('adds nothing to what is right', () => {
    const y = tf.add(tf.tensor1d([5, 7]), zeroOrNaN(tf.tensor1d([1, 0])));
    expect(list(y)).toEqual([5, Number.NaN]);
  });
});
