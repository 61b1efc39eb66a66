import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {noGradient} from '../../src/ops/no-gradient.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';

eachBackend('noGradient', () => {
  test('cuts the gradient and leaves the value', () => {
    // d/dx of x * stop(x^2) is stop(x^2).
    const gradient = tf.grad(x =>
      tf.mul(
        x,
        noGradient(() => tf.square(x)),
      ),
    )(tf.scalar(3));
    expect(list(gradient)).toEqual([9]);
  });

  test('lets ops through that have no gradient, or one that is NaN', () => {
    const gradient = tf.grad(x =>
      tf.add(
        x,
        noGradient(() => tf.add(tf.topk(x, 1).values, tf.mul(0, tf.log(tf.abs(x))))),
      ),
    )(tf.tensor1d([1, 2]));
    expect(list(gradient)).toEqual([1, 1]);
  });
});
