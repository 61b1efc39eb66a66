import * as tf from '@tensorflow/tfjs-core';
import {loadBalancingLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose} from '../support/expect-close.js';
import {centralDifference, flat, largest, randomLogits, slowBalancing, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

// From the tests of google-research/vmoe, routing_test.py.
const VMOE_GATES = [
  [0.5, 0.4, 0.1],
  [0.3, 0.3, 0.4],
  [0.1, 0.2, 0.7],
  [0.8, 0.2, 0],
];

eachBackend('loadBalancingLoss', () => {
  test('gives the number of V-MoE for the first choice of each token', () => {
    // First choices: 0, 2, 2, 0, so f = (1/2, 0, 1/2); P = (1.7, 1.1, 1.2) / 4; 3 (.2125 + .15) = 1.0875.
    const topTwo = tf.tensor2d([
      [1, 1, 0],
      [1, 0, 1],
      [0, 1, 1],
      [1, 1, 0],
    ]);
    expectClose(loadBalancingLoss(tf.tensor2d(VMOE_GATES), topTwo, {convention: 'gshardTop1'}), [1.0875], ROUNDING);
  });

  test('gives the number of Hugging Face for Switch Transformers', () => {
    // From the tests of transformers; the rows do not sum to 1. f = (3/5, 2/5), P = (.426234, .453280):
    // 2 (.6 * .426234 + .4 * .453280) = .874105.
    const probs = tf.tensor2d([
      [0.35490513, 0.60419905],
      [0.4275843, 0.23061597],
      [0.32985854, 0.43953657],
      [0.25099766, 0.27730572],
      [0.7678207, 0.71474564],
    ]);
    const chosen = tf.tensor2d([
      [1, 0],
      [0, 1],
      [0, 1],
      [1, 0],
      [1, 0],
    ]);
    expectClose(loadBalancingLoss(probs, chosen), [0.8741045], ROUNDING);
  });

  test('is 1 for uniform probabilities, and K as a sum over choices', () => {
    const probs = tf.fill([8, 4], 0.25);
    const chosen = tf.tensor2d(largest(randomLogits(3, 8, 4), 2));
    expectClose(loadBalancingLoss(probs, chosen), [1], ROUNDING);
    expectClose(loadBalancingLoss(probs, chosen, {convention: 'sumK'}), [2], ROUNDING);
    expectClose(loadBalancingLoss(probs, chosen, {convention: 'gshardTop1'}), [1], ROUNDING);
  });

  test('is the number of experts when all tokens collapse onto one', () => {
    const one = tf.tile(tf.tensor2d([[0, 0, 1, 0, 0]]), [7, 1]);
    for (const convention of ['meanK', 'sumK', 'gshardTop1'] as const) {
      expectClose(loadBalancingLoss(one, one, {convention}), [5], ROUNDING);
    }
  });

  test('can be less than 1', () => {
    // 6 tokens with p = (.51, .49) take expert 0 and 4 with p = (0, 1) take expert 1: f = (.6, .4), P = (.306, .694),
    // 2 (.6 * .306 + .4 * .694) = .9224.
    const probs = [...new Array(6).fill([0.51, 0.49]), ...new Array(4).fill([0, 1])];
    expectClose(loadBalancingLoss(tf.tensor2d(probs), tf.tensor2d(largest(probs, 1))), [0.9224], ROUNDING);
  });

  test('as a sum over choices is K times the mean', () => {
    const logits = randomLogits(4, 12, 6);
    const probs = tf.tensor2d(logits.map(softmax));
    const chosen = tf.tensor2d(largest(logits, 3));
    const mean = loadBalancingLoss(probs, chosen);
    const sum = loadBalancingLoss(probs, chosen, {convention: 'sumK'});
    expectClose(sum, tf.mul(3, mean).dataSync(), 3 * ROUNDING);
  });

  test('has the value and the gradient of a loop in float64, the counts held constant', () => {
    const logits = randomLogits(5, 6, 4);
    const chosen = largest(logits, 2);
    const slow = (rows: number[][]) => slowBalancing(rows.map(softmax), chosen);
    const assignment = tf.tensor2d(chosen);
    const loss = (x: tf.Tensor) => loadBalancingLoss(tf.softmax(x), assignment);
    expectClose(loss(tf.tensor2d(logits)), [slow(logits)], ROUNDING);
    expectClose(tf.grad(loss)(tf.tensor2d(logits)), centralDifference(slow, logits), ROUNDING);
  });

  test('lets no gradient through the assignment', () => {
    const probs = randomLogits(6, 4, 3).map(softmax);
    // The mean probability of expert e moves by 1/4 for each token, and the loss by 3 f_e / 4.
    const shares = [0.5, 0.25, 0.25];
    const chosen = [
      [1, 0, 0],
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ];
    const [ofProbs, ofAssignment] = tf.grads((p, a) => tf.add(loadBalancingLoss(p, a), tf.mul(0, tf.sum(a))))([
      tf.tensor2d(probs),
      tf.tensor2d(chosen),
    ]);
    expectClose(ofProbs!, flat(chosen.map(() => shares.map(f => (3 * f) / 4))), ROUNDING);
    expectClose(ofAssignment!, new Array(12).fill(0), 0);
  });

  test('takes an assignment of whole numbers, and a token that has no expert', () => {
    // Tokens 0 and 1 have experts 0 and 1, token 2 none: shares (1/2, 1/2), or 1/3 each of the tokens.
    const probs = tf.tensor2d([
      [0.9, 0.1],
      [0.4, 0.6],
      [0.5, 0.5],
    ]);
    const chosen = tf.tensor2d([1, 0, 0, 1, 0, 0], [3, 2], 'int32');
    expectClose(loadBalancingLoss(probs, chosen), [1], ROUNDING);
    expectClose(loadBalancingLoss(probs, chosen, {convention: 'sumK'}), [2 / 3], ROUNDING);
    expectClose(loadBalancingLoss(probs, chosen, {convention: 'gshardTop1'}), [2 / 3], ROUNDING);
  });

  test('refuses an assignment of another shape and an unknown convention', () => {
    const probs = tf.fill([4, 3], 1 / 3);
    expect(() => loadBalancingLoss(probs, tf.ones([4, 2]))).toThrow(
      'loadBalancingLoss: assignment must have shape of probs = [4, 3], but got [4, 2].',
    );
    expect(() => loadBalancingLoss(probs, tf.ones([4, 3]), {convention: 'mean' as 'meanK'})).toThrow(
      'loadBalancingLoss: convention must be one of "meanK", "sumK", "gshardTop1", but got "mean".',
    );
  });
});
