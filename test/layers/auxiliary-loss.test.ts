import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {AuxiliaryLossQueue, injectLoss} from '../../src/layers/auxiliary-loss.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';

eachBackend('AuxiliaryLossQueue', () => {
  test('gives the sum of what a step pushed, once, with its gradient', () => {
    const queue = new AuxiliaryLossQueue();
    const gradient = tf.grad((x: tf.Tensor) => {
      tf.tidy(() => queue.push(tf.square(x) as tf.Scalar)); // as within a nested model
      queue.push(tf.mul(3, x) as tf.Scalar);
      const first = queue.take();
      expect(list(first)).toEqual([4 + 6]);
      expect(list(queue.take())).toEqual([0]);
      return first;
    })(tf.scalar(2));
    expect(list(gradient)).toEqual([2 * 2 + 3]);
  });

  test('what a step left is no part of the next, and is freed', () => {
    const queue = new AuxiliaryLossQueue();
    const x = tf.scalar(2);
    const before = tf.memory().numTensors;
    const step = (fn: () => tf.Tensor) =>
      tf.tidy(() => {
        tf.grad(() => tf.add(tf.square(x), fn()))(x);
      });
    step(() => {
      queue.push(tf.scalar(5));
      return tf.scalar(0);
    });
    expect(tf.memory().numTensors).toBe(before + 1);
    let taken: number[] = [];
    step(() => {
      const sum = queue.take();
      taken = list(sum);
      return sum;
    });
    expect(taken).toEqual([0]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('keeps nothing where no gradient is recorded', () => {
    const queue = new AuxiliaryLossQueue();
    const loss = tf.scalar(5);
    const before = tf.memory().numTensors;
    queue.push(loss);
    expect(tf.memory().numTensors).toBe(before);
    expect(list(queue.take())).toEqual([0]);
  });
});

eachBackend('injectLoss', () => {
  test('returns its input and adds the gradient of the loss', () => {
    const {value, grad} = tf.valueAndGrad((x: tf.Tensor) => tf.mul(7, injectLoss(x, tf.square(x) as tf.Scalar)))(
      tf.scalar(3),
    );
    expect([...list(value), ...list(grad)]).toEqual([21, 7 + 2 * 3]);
  });
});
