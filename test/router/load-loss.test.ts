import * as tf from '@tensorflow/tfjs-core';
import {loadLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {centralDifference, normal, randomLogits, slowLoad, slowVariation} from './reference.js';

/** tf.erf is a polynomial good to 1.5e-7, and the squares of sums of it are divided by a mean of about one third. */
const ERF = 3e-6;

// From the tests of google-research/vmoe, routing_test.py.
const VMOE_LOGITS = [
  [0.9, 0.06, 0.04],
  [0.7, 0.18, 0.12],
  [0.85, 0.05, 0.1],
];
const VMOE_NOISE = [
  [-0.037, 0.026, -0.018],
  [-0.074, 0.045, -0.015],
  [-0.067, -0.059, 0.073],
];
const vmoeNoisy = VMOE_LOGITS.map((row, t) => row.map((z, e) => z + VMOE_NOISE[t]![e]!));

eachBackend('loadLoss', () => {
  test('gives the number of V-MoE', () => {
    // Thresholds .086, .225, .173, the second largest noisy logits; means of Phi over tokens (1.0000, .2777, .2341),
    // whose mean is .5039 and whose variance .12335: .12335 / .25395 = .48574. The test of V-MoE says
    // .48573864536489236.
    const loss = loadLoss(tf.tensor2d(VMOE_LOGITS), tf.tensor2d(vmoeNoisy), {topK: 2, noiseStd: 0.1});
    expectClose(loss, [0.4857386], ERF);
  });

  test('is the form of V-MoE and not that of Shazeer, whose threshold leaves the expert itself out', () => {
    // An expert among the two largest is held against the third, the others against the second: sums over tokens of Phi
    // (3, 1.53075, 1.33176), mean 1.95417, variance .55348: .144936.
    const sums = [0, 1, 2].map(e =>
      VMOE_LOGITS.reduce((sum, row, t) => {
        const others = vmoeNoisy[t]!.filter((_, other) => other !== e).sort((a, b) => b - a);
        return sum + normal((row[e]! - others[1]!) / 0.1);
      }, 0),
    );
    expectClose(sums, [3, 1.53075, 1.33176], 6e-6);
    expectClose([slowVariation(sums)], [0.144936], 1e-6);
    const own = list(loadLoss(tf.tensor2d(VMOE_LOGITS), tf.tensor2d(vmoeNoisy), {topK: 2, noiseStd: 0.1}))[0]!;
    expect(own - slowVariation(sums)).toBeGreaterThan(0.3);
  });

  test.each([1, 2, 4])('has the value and the gradient of a loop in float64 for %i experts a token', topK => {
    const logits = randomLogits(8, 6, 4);
    const noisy = logits.map((row, t) => row.map((z, e) => z + 0.4 * Math.sin(1 + 4 * t + e)));
    const slow = (rows: number[][]) => slowLoad(rows, noisy, topK, 0.5);
    const loss = (x: tf.Tensor) => loadLoss(x, tf.tensor2d(noisy), {topK, noiseStd: 0.5});
    expectClose(loss(tf.tensor2d(logits)), [slow(logits)], ERF);
    expectClose(tf.grad(loss)(tf.tensor2d(logits)), centralDifference(slow, logits), ERF);
  });

  test('with a deviation for each logit has the value and both gradients of a loop in float64', () => {
    const [logits, noisy] = [VMOE_LOGITS, vmoeNoisy];
    const stds = logits.map((row, t) => row.map((_, e) => 0.1 + 0.05 * Math.abs(Math.sin(1 + 3 * t + e))));
    const slow = (rows: number[][], deviations: number[][]) => {
      const sums = [0, 1, 2].map(e =>
        rows.reduce((sum, row, t) => {
          const threshold = [...noisy[t]!].sort((a, b) => b - a)[1]!;
          return sum + normal((row[e]! - threshold) / deviations[t]![e]!);
        }, 0),
      );
      return slowVariation(sums);
    };
    const loss = (x: tf.Tensor, noiseStd: tf.Tensor) => loadLoss(x, tf.tensor2d(noisy), {topK: 2, noiseStd});
    const [x, std] = [tf.tensor2d(logits), tf.tensor2d(stds)];
    expectClose(loss(x, std), [slow(logits, stds)], ERF);
    const [ofLogits, ofStd] = tf.grads((a, b) => loss(a!, b!))([x, std]);
    const tolerance = 4 * ERF; // the slope of Phi is up to 0.4 / 0.1
    expectClose(
      ofLogits!,
      centralDifference(rows => slow(rows, stds), logits),
      tolerance,
    );
    expectClose(
      ofStd!,
      centralDifference(rows => slow(logits, rows), stds),
      tolerance,
    );
    expectClose(loss(x, tf.fill([3, 3], 0.1)), list(loadLoss(x, tf.tensor2d(noisy), {topK: 2, noiseStd: 0.1})), ERF);
  });

  test('with a deviation for each logit looks at none of padding, and not at that of a masked expert', () => {
    const never = Number.NEGATIVE_INFINITY;
    const [row, noisy] = [
      [0.9, never, 0.04],
      [0.863, never, 0.022],
    ];
    const loss = (x: tf.Tensor, noiseStd: tf.Tensor) =>
      loadLoss(x, tf.tensor2d([noisy, [5, 5, 5]]), {noiseStd, mask: tf.tensor1d([1, 0])});
    for (const padding of [0, Number.NaN]) {
      const x = tf.tensor2d([row, [padding, padding, padding]]);
      const std = tf.tensor2d([
        [0.5, 0.2, 0.5],
        [padding, padding, padding],
      ]);
      // Phi(.037 / .5), 0, Phi(-.823 / .5)
      expectClose(loss(x, std), [slowVariation([normal(0.074), 0, normal(-1.646)])], ERF);
      const gradients = tf.grads((a, b) => loss(a!, b!))([x, std]);
      for (const gradient of gradients) expect(list(gradient).every(Number.isFinite)).toBe(true);
      expect(list(gradients[1]!).map(g => g !== 0)).toEqual([true, false, true, false, false, false]);
    }
    expect(() => loadLoss(tf.ones([2, 3]), tf.ones([2, 3]), {noiseStd: tf.ones([3])})).toThrow(
      'loadLoss: noiseStd must have shape of logits = [2, 3], but got [3].',
    );
  });

  test('is 0 with gradient 0 at perfect balance', () => {
    // Without a largest logit every expert is at the threshold: q = Phi(0) = 1/2.
    const [value, gradient] = [
      loadLoss(tf.zeros([3, 4]), tf.zeros([3, 4]), {noiseStd: 0.25}),
      tf.grad(x => loadLoss(x, tf.zeros([3, 4]), {noiseStd: 0.25}))(tf.zeros([3, 4])),
    ];
    expectClose(value, [0], 0);
    expectClose(gradient, new Array(12).fill(0), 0);
  });

  test('lets no gradient through the noisy logits', () => {
    const [, ofNoisy] = tf.grads((x, y) => tf.add(loadLoss(x, y, {noiseStd: 0.1}), tf.mul(0, tf.sum(y))))([
      tf.tensor2d(VMOE_LOGITS),
      tf.tensor2d(vmoeNoisy),
    ]);
    expectClose(ofNoisy!, new Array(9).fill(0), 0);
  });

  test('does not look at noisy logits of padding', () => {
    const padded = [...vmoeNoisy, [Number.NaN, 0, 0]];
    const mask = tf.tensor1d([1, 1, 1, 0]);
    const options = {topK: 2, noiseStd: 0.1, mask};
    expectClose(loadLoss(tf.tensor2d([...VMOE_LOGITS, [0, 0, 0]]), tf.tensor2d(padded), options), [0.4857386], ERF);
  });

  test.skipIf(!ON_HOST)(`refuses bad numbers and shapes, and goes on working${WHY_ON_HOST}`, () => {
    const [x, y] = [tf.tensor2d(VMOE_LOGITS), tf.tensor2d(vmoeNoisy)];
    expect(() => loadLoss(x, y, {noiseStd: 0})).toThrow(
      'loadLoss: noiseStd must be a positive finite number, but got 0.',
    );
    expect(() => loadLoss(x, y, {noiseStd: 1, topK: 0})).toThrow(
      'loadLoss: topK must be a whole number of at least 1, but got 0.',
    );
    expect(() => loadLoss(x, y, {noiseStd: 1, topK: 4})).toThrow(
      'loadLoss: topK (=4) must not exceed numExperts (=3).',
    );
    expect(() => loadLoss(x, tf.zeros([3, 2]), {noiseStd: 1})).toThrow(
      'loadLoss: noisyLogits must have shape of logits = [3, 3], but got [3, 2].',
    );
    const never = Number.NEGATIVE_INFINITY;
    expect(() => loadLoss(tf.zeros([1, 2]), tf.tensor2d([[0, never]]), {noiseStd: 1, topK: 2})).toThrow(
      'loadLoss: noisyLogits of token 0 must hold at least topK (=2) finite numbers and no NaN or Infinity.',
    );
    const slow = (rows: number[][]) => slowLoad(rows, vmoeNoisy, 2, 0.1);
    const gradient = tf.grad(z => loadLoss(z, y, {topK: 2, noiseStd: 0.1}))(x);
    expectClose(gradient, centralDifference(slow, VMOE_LOGITS), 4 * ERF);
  });
});
