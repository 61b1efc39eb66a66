// Bugs that losses of other libraries had, each as a law that holds here. Where a number of the bug is known, the test
// computes it too, so that it is seen to differ.
import * as tf from '@tensorflow/tfjs-core';
import {importanceLoss, loadBalancingLoss, loadLoss, routerZLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {kHot} from '../../src/ops/k-hot.js';
import {addCounts} from '../../src/router/running-counts.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {columnMeans, largest, randomLogits, slowBalancing, slowZ, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 4e-6;

const zeros = (experts: number) => tf.zeros([experts]) as tf.Tensor1D;

eachBackend('a loss of the router', () => {
  test('z-loss: padding adds nothing to the sum and nothing to the number of tokens (flaxformer)', () => {
    // There a padded token has zeros for logits, so that it adds (ln E)^2, and it counts in the mean.
    const logits = randomLogits(31, 5, 8);
    const padded = tf.tensor2d([...logits, ...randomLogits(32, 3, 8)]);
    const expected = slowZ(logits);
    expectClose(routerZLoss(padded, {mask: tf.tensor1d([1, 1, 1, 1, 1, 0, 0, 0])}), [expected], ROUNDING);
    const ofTheBug = (5 * expected + 3 * Math.log(8) ** 2) / 8;
    expect(Math.abs(ofTheBug - expected)).toBeGreaterThan(0.1);
  });

  test('Switch: the mean probability is over all tokens and not over those that were kept (FastMoE)', () => {
    // Two of four tokens have no expert left. f = (1/2, 1/2) of the choices, P = (2.4, 1.6) / 4 and not / 2.
    const probs = [
      [0.9, 0.1],
      [0.4, 0.6],
      [0.6, 0.4],
      [0.5, 0.5],
    ];
    const kept = [
      [1, 0],
      [0, 1],
      [0, 0],
      [0, 0],
    ];
    expectClose(loadBalancingLoss(tf.tensor2d(probs), tf.tensor2d(kept)), [2 * (0.5 * 0.6 + 0.5 * 0.4)], ROUNDING);
  });

  test('Switch: shares are of the choices before dropping, and before padding to capacity (Megatron #1513, #1617)', () => {
    // Eight tokens, four experts, the chosen one of each with probability .7: five choose expert 0 and one each of the others.
    // P = ((5 .7 + 3 .1) / 8, (.7 + 7 .1) / 8, ...) = (.475, .175, .175, .175); f = (5, 1, 1, 1) / 8:
    // 4 (.625 .475 + 3 .125 .175) = 1.45.
    const choices = [0, 0, 1, 0, 2, 0, 3, 0];
    const indices = tf.tensor2d(choices, [8, 1], 'int32');
    const probs = tf.tensor2d(choices.map(chosen => [0, 1, 2, 3].map(e => (e === chosen ? 0.7 : 0.1))));
    const assignment = kHot(indices, 4);
    expectClose(loadBalancingLoss(probs, assignment), [1.45], ROUNDING);
    expectClose(loadBalancingLoss(probs, assignment, {counts: addCounts(zeros(4), {indices})}), [1.45], ROUNDING);
    // After dropping to two places an expert f = (2, 1, 1, 1) / 5, and 4 (.4 .475 + 3 .2 .175) = 1.18: #1513. With the places that are
    // left filled up f = 1/4, and the loss is 1 whatever happens: #1617.
    expectClose(loadBalancingLoss(probs, assignment, {counts: tf.tensor1d([2, 1, 1, 1])}), [1.18], ROUNDING);
    expectClose(loadBalancingLoss(probs, assignment, {counts: tf.tensor1d([2, 2, 2, 2])}), [1], ROUNDING);
  });

  test('Switch: the choices are those of the router, also where groups or a bias limit them (Megatron #2767)', () => {
    // Groups {0, 1} and {2, 3}, of which the second has the larger sum: the router takes 2 and 3, where a loss that chooses once more for
    // itself takes 0 and 2. 4 (.5 .3 + .5 .25) = 1.1, against 4 (.5 .4 + .5 .3) = 1.4.
    const probs = tf.tensor2d([[0.4, 0.05, 0.3, 0.25]]);
    expectClose(loadBalancingLoss(probs, tf.tensor2d([[0, 0, 1, 1]])), [1.1], ROUNDING);
    expectClose(loadBalancingLoss(probs, tf.tensor2d([[1, 0, 1, 0]])), [1.4], ROUNDING);
  });

  test.each(['meanK', 'sumK', 'gshardTop1'] as const)(
    'Switch: a mask takes padding out of the shares and of the probabilities alike, %s (DeepSpeed used_token)',
    convention => {
      const [real, padding] = [randomLogits(33, 5, 4).map(softmax), new Array(3).fill([1, 0, 0, 0])];
      const chosen = largest(real, 2);
      const mask = tf.tensor1d([1, 1, 1, 1, 1, 0, 0, 0]);
      const value = loadBalancingLoss(
        tf.tensor2d([...real, ...padding]),
        tf.tensor2d([...chosen, ...new Array(3).fill([1, 1, 0, 0])]),
        {mask, convention},
      );
      expectClose(value, list(loadBalancingLoss(tf.tensor2d(real), tf.tensor2d(chosen), {convention})), ROUNDING);
      // The shares of the real tokens with the probabilities of all, as it was there.
      const shares = columnMeans(chosen).map(c => c / 2);
      const ofTheBug = 4 * columnMeans([...real, ...padding]).reduce((sum, p, e) => sum + p * shares[e]!, 0);
      expect(Math.abs(ofTheBug - slowBalancing(real, chosen))).toBeGreaterThan(0.05);
    },
  );

  test('Switch: layers that each collapse are seen layer by layer, where they cancel if put together (Hugging Face #28255)', () => {
    // Four layers, eight experts; all tokens of layer l have logit 5 at expert l and 0 elsewhere: p = e^5 / (e^5 + 7) = .95496.
    // A layer: f one-hot, 8 p = 7.64. The layers' tokens in one batch: f = 1/4 for four experts, whose P is (p + 3 (1 - p) / 7) / 4:
    // 2 (p + 3 (1 - p) / 7) = 1.95.
    const p = Math.exp(5) / (Math.exp(5) + 7);
    const layers = [0, 1, 2, 3].map(l => {
      const assignment = tf.tile(tf.oneHot(tf.tensor1d([l], 'int32'), 8), [6, 1]);
      return {probs: tf.softmax(tf.mul(5, tf.cast(assignment, 'float32'))), assignment};
    });
    const each = layers.map(({probs, assignment}) => list(loadBalancingLoss(probs, assignment))[0]!);
    expectClose(each, new Array(4).fill(8 * p), 2 * ROUNDING);
    expectClose([each.reduce((a, b) => a + b) / 4], [7.64], 0.005);
    const [probs, assignment] = (['probs', 'assignment'] as const).map(key =>
      tf.concat(layers.map(layer => layer[key])),
    );
    expectClose(loadBalancingLoss(probs!, assignment!), [2 * (p + (3 * (1 - p)) / 7)], ROUNDING);
    expectClose(loadBalancingLoss(probs!, assignment!), [1.95], 0.005);
    // The layers stacked as sequences are balanced one by one.
    const [stackedProbs, stacked] = (['probs', 'assignment'] as const).map(key =>
      tf.stack(layers.map(layer => layer[key])),
    );
    expectClose(loadBalancingLoss(stackedProbs!, stacked!, {scope: 'sequence'}), [8 * p], 2 * ROUNDING);
  });

  test('importance and load: the gradient of the logits is finite at perfect balance, as of a router of zeros (V-MoE #218)', () => {
    // There var / mean^2 was the square of a quotient with a square root, whose slope at 0 is infinite.
    const logits = tf.zeros([8, 4]);
    const importance = tf.grad((x: tf.Tensor) => importanceLoss(tf.softmax(x)))(logits);
    expectClose(importance, new Array(32).fill(0), 0);
    const noisy = tf.tile(tf.eye(4), [2, 1]);
    const load = (x: tf.Tensor) => loadLoss(x, noisy, {noiseStd: 0.25});
    expectClose(load(logits), [0], ROUNDING);
    expectFinite(tf.grad(load)(logits));
  });

  test('load: logits are held against noisy logits, so that adding a number to both changes nothing (mixture-of-experts #31)', () => {
    // There a softmax was compared with a threshold of raw logits; a softmax does not move with the number.
    const logits = randomLogits(34, 6, 4);
    const noisy = logits.map((row, t) => row.map((z, e) => z + 0.4 * Math.sin(1 + 4 * t + e)));
    const options = {topK: 2, noiseStd: 0.5};
    const value = list(loadLoss(tf.tensor2d(logits), tf.tensor2d(noisy), options));
    for (const by of [-3, 2]) {
      expectClose(loadLoss(tf.add(tf.tensor2d(logits), by), tf.add(tf.tensor2d(noisy), by), options), value, ROUNDING);
    }
  });

  test('load: without noise there is no such loss, and it is refused, not NaN (FastMoE #180, mixture-of-experts #9)', () => {
    const logits = tf.tensor2d(randomLogits(35, 6, 4));
    expect(() => loadLoss(logits, logits, {noiseStd: 0})).toThrow('noiseStd must be a positive finite number');
    expectFinite(loadLoss(logits, logits, {noiseStd: 1e-6}));
  });
});
