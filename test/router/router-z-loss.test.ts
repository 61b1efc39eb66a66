import * as tf from '@tensorflow/tfjs-core';
import {routerZLoss} from 'tfjs-moe/router';
import {test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose} from '../support/expect-close.js';
import {centralDifference, randomLogits, slowZ} from './reference.js';

/** float32 sums of some tens of terms of magnitude one; relative for larger values. */
const ROUNDING = 3e-6;

eachBackend('routerZLoss', () => {
  test('gives the number of TensorFlow Model Garden for one token', () => {
    // tensorflow/models, moe_test.py: logits (10, 5), (5 + ln(e^5 + 1))^2 = 10.0067153^2 = 100.13435.
    const expected = (5 + Math.log(Math.exp(5) + 1)) ** 2;
    expectClose([expected], [100.13435], 5e-6);
    expectClose(routerZLoss(tf.tensor2d([[10, 5]])), [expected], 100 * ROUNDING);
  });

  test('is the square of ln E for zero logits, and of 1 + ln 7 for seven ones', () => {
    expectClose(routerZLoss(tf.zeros([3, 2, 4])), [Math.log(4) ** 2], ROUNDING);
    expectClose(routerZLoss(tf.ones([2, 7])), [(1 + Math.log(7)) ** 2], 10 * ROUNDING);
  });

  test('has the value and the gradient of a loop in float64', () => {
    const logits = randomLogits(9, 6, 4);
    expectClose(routerZLoss(tf.tensor2d(logits)), [slowZ(logits)], 4 * ROUNDING);
    expectClose(tf.grad(x => routerZLoss(x))(tf.tensor2d(logits)), centralDifference(slowZ, logits), ROUNDING);
  });

  test('has the right gradient where logits are equal', () => {
    // d/dz_e of (logsumexp)^2 is 2 ln(4) / 4 for four zeros.
    expectClose(tf.grad(x => routerZLoss(x))(tf.zeros([1, 4])), new Array(4).fill(Math.log(4) / 2), ROUNDING);
  });
});
