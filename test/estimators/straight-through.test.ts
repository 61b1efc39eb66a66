import * as tf from '@tensorflow/tfjs-core';
import {straightThrough} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {exactGradient, expectedGradient, gradientOf, numbers, unit} from '../support/enumerate.js';
import {expectClose} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const GOLDEN = 1e-6;
/** Sums over the categories of float32 gradients of magnitude one. */
const ENUMERATION = 1e-5;

eachBackendAndKernels('straightThrough', () => {
  // theta, g and the results in float64: q * (g - <q, g>) / temperature with q = softmax(theta / temperature).
  test.each([
    [0.5, [-0.350175945423, -0.050459116501, -0.279446686333, 0.680081748257]],
    [1, [-0.196485300677, -0.18565542087, -0.23551927015, 0.617659991697]],
    [2, [-0.044891203609, -0.198183955201, -0.094723018971, 0.337798177781]],
  ])('the gradient at temperature %d is the closed form, whatever the draw', (temperature, expected) => {
    const theta = tf.tensor1d([0.5, -1, 0.25, 1.5]);
    const g = tf.tensor1d([1, -2, 0.5, 3]);
    for (let category = 0; category < 4; ++category) {
      const options = {temperature, given: unit(category, 4)};
      expectClose(
        gradientOf(straightThrough, x => tf.mul(x, g), theta, options),
        expected,
        GOLDEN,
      );
    }
  });

  test('the expected gradient equals the exact gradient of random linear losses at temperature 1', () => {
    for (let seed = 0; seed < 20; ++seed) {
      const logits = tf.tensor1d(numbers(seed, 5, -2, 2));
      const weights = tf.tensor1d(numbers(100 + seed, 5, -3, 3));
      const linear = (x: tf.Tensor) => tf.mul(x, weights);
      expectClose(expectedGradient(straightThrough, linear, logits), exactGradient(linear, logits), ENUMERATION);
    }
  });

  test('the expected gradient of a quadratic loss has the known bias', () => {
    // f = D'AD / 2 + b'D; E[ST] = sum_i p_i J(p) grad f(e_i), in float64. Two of its entries have the wrong sign.
    const A = tf.tensor2d([
      [1, 0.2, -0.3, 0.1],
      [0.2, 0.5, 0.4, -0.2],
      [-0.3, 0.4, 2, 0.3],
      [0.1, -0.2, 0.3, -0.7],
    ]);
    const b = tf.tensor1d([0.3, -0.6, 0.1, 0.8]);
    const quadratic = (x: tf.Tensor) =>
      tf.add(
        tf.mul(0.5, tf.sum(tf.mul(x, tf.reshape(tf.matMul(A, tf.reshape(x, [4, 1])), [4])))),
        tf.sum(tf.mul(x, b)),
      );
    const theta = tf.tensor1d([0.5, -1, 0.25, 1.5]);
    expectClose(exactGradient(quadratic, theta), [0.0437316077, -0.0446040487, 0.0835560288, -0.0826835879], GOLDEN);
    expectClose(
      expectedGradient(straightThrough, quadratic, theta),
      [0.018835989, -0.0483897441, 0.0194051776, 0.0101485776],
      GOLDEN,
    );
  });

  test('the expected gradient of a cubic loss is the known one', () => {
    // f = (b'D)^3; in float64.
    const cubic = (x: tf.Tensor) => tf.pow(tf.sum(tf.mul(x, [0.3, -0.6, 0.1, 0.8])), 3);
    const theta = tf.tensor1d([0.5, -1, 0.25, 1.5]);
    expectClose(exactGradient(cubic, theta), [-0.0558291932, -0.0239440804, -0.0477696303, 0.127542904], GOLDEN);
    expectClose(
      expectedGradient(straightThrough, cubic, theta),
      [-0.0548472972, -0.0640948791, -0.082936894, 0.2018790703],
      GOLDEN,
    );
  });

  test('on |b - c|^2 the expected gradient vanishes at P(b) = c, where the exact one does not', () => {
    // d E/d theta = p (1 - p) (1 - 2c) for the first of two logits; E[ST] = 2 p (1 - p) (p - c).
    const c = 0.45;
    const logits = tf.tensor1d([Math.log(c), Math.log(1 - c)]);
    const loss = (x: tf.Tensor) => tf.square(tf.sub(tf.slice(x, 0, 1), c));
    expectClose(expectedGradient(straightThrough, loss, logits), [0, 0], 1e-7);
    expect(exactGradient(loss, logits)[0]!).toBeCloseTo(c * (1 - c) * (1 - 2 * c), 6);
  });
});
