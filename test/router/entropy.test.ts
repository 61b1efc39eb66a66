import * as tf from '@tensorflow/tfjs-core';
import {batchEntropy, entropyLoss, mutualInformation, tokenEntropy} from 'tfjs-moe/router';
import {test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite} from '../support/expect-close.js';
import {centralDifference, type Rows, randomLogits, slowBatchEntropy, slowTokenEntropy, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

const slowInformation = (probs: Rows) => slowBatchEntropy(probs) - slowTokenEntropy(probs);

const CASES: [string, typeof tokenEntropy, (probs: Rows) => number][] = [
  ['tokenEntropy', tokenEntropy, slowTokenEntropy],
  ['batchEntropy', batchEntropy, slowBatchEntropy],
  ['mutualInformation', mutualInformation, slowInformation],
  ['entropyLoss', entropyLoss, probs => -slowInformation(probs)],
];

eachBackend('an entropy', () => {
  test.each(CASES)('%s has the value and the gradient of a loop in float64', (_name, loss, slow) => {
    const logits = randomLogits(10, 6, 4);
    const slowOfLogits = (rows: Rows) => slow(rows.map(softmax));
    const ofLogits = (x: tf.Tensor) => loss(tf.softmax(x));
    expectClose(ofLogits(tf.tensor2d(logits)), [slowOfLogits(logits)], ROUNDING);
    expectClose(tf.grad(ofLogits)(tf.tensor2d(logits)), centralDifference(slowOfLogits, logits), ROUNDING);
  });

  test.each(CASES)('%s counts small probabilities in full', (_name, loss, slow) => {
    // Six of 5e-5 beside one large one: together 3e-3 of the entropy, of which a floor at 1e-4 under the logarithm would take a fourteenth.
    const row = (large: number) => Array.from({length: 7}, (_, expert) => (expert === large ? 1 - 3e-4 : 5e-5));
    const probs = [row(0), row(3)];
    expectClose(loss(tf.tensor2d(probs)), [slow(probs)], ROUNDING);
  });

  test.each(CASES)('%s is finite in value and gradient at one-hot probabilities', (_name, loss) => {
    const probs = tf.tensor2d([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expectFinite(loss(probs));
    expectFinite(tf.grad(x => loss(x))(probs));
  });

  test.each(CASES)('%s has gradient 0 at the logits of a token that is sure', (_name, loss) => {
    // p (g - <p, g>) with p one-hot is 0 for any finite g.
    const gradient = tf.grad(x => loss(tf.softmax(x)))(tf.tensor2d([[1e4, 0, -1e4]]));
    expectClose(gradient, [0, 0, 0], 0);
  });

  test('of tokens that are sure and spread evenly is 0 for a token and ln E for the batch', () => {
    const sure = tf.tensor2d([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expectClose(tokenEntropy(sure), [0], 0);
    expectClose(batchEntropy(sure), [Math.log(3)], ROUNDING);
    expectClose(mutualInformation(sure), [Math.log(3)], ROUNDING);
    expectClose(entropyLoss(sure), [-Math.log(3)], ROUNDING);
  });

  test('of undecided tokens is ln E for token and batch', () => {
    const undecided = tf.fill([5, 4], 0.25);
    expectClose(tokenEntropy(undecided), [Math.log(4)], ROUNDING);
    expectClose(batchEntropy(undecided), [Math.log(4)], ROUNDING);
    expectClose(mutualInformation(undecided), [0], ROUNDING);
  });
});
