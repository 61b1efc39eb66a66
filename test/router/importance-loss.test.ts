import * as tf from '@tensorflow/tfjs-core';
import {importanceLoss} from 'tfjs-moe/router';
import {test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose} from '../support/expect-close.js';
import {centralDifference, columnMeans, randomLogits, slowVariation, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

eachBackend('importanceLoss', () => {
  test('gives the number of V-MoE', () => {
    // google-research/vmoe, routing_test.py: sums (1.7, 1.1, 1.2), mean 4/3, variance (.1344 + .0544 + .0178) / 3 =
    // .0689, .0689 / (16/9) = .03875.
    const gates = tf.tensor2d([
      [0.5, 0.4, 0.1],
      [0.3, 0.3, 0.4],
      [0.1, 0.2, 0.7],
      [0.8, 0.2, 0],
    ]);
    expectClose(importanceLoss(gates), [0.03875], ROUNDING);
  });

  test('takes the population variance', () => {
    // (4, 1, 2, 3): mean 2.5, variance 1.25 (1.667 as a sample), 1.25 / 6.25 = .2.
    expectClose(importanceLoss(tf.tensor1d([4, 1, 2, 3])), [0.2], ROUNDING);
  });

  test('is the number of experts less one when all tokens collapse onto one expert', () => {
    expectClose(importanceLoss(tf.tile(tf.tensor2d([[0, 1, 0, 0, 0]]), [6, 1])), [4], ROUNDING);
  });

  test('is 0 with gradient 0 at perfect balance and for one expert', () => {
    for (const [tokens, experts] of [
      [6, 4],
      [3, 1],
    ] as const) {
      const probs = tf.fill([tokens, experts], 1 / experts);
      expectClose(importanceLoss(probs), [0], 0);
      expectClose(tf.grad(x => importanceLoss(x))(probs), new Array(tokens * experts).fill(0), 0);
    }
  });

  test('has the value and the gradient of a loop in float64', () => {
    const logits = randomLogits(7, 6, 4);
    const slow = (rows: number[][]) => slowVariation(columnMeans(rows.map(softmax)));
    const loss = (x: tf.Tensor) => importanceLoss(tf.softmax(x));
    expectClose(loss(tf.tensor2d(logits)), [slow(logits)], ROUNDING);
    expectClose(tf.grad(loss)(tf.tensor2d(logits)), centralDifference(slow, logits), ROUNDING);
  });
});
