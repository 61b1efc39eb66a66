import * as tf from '@tensorflow/tfjs-core';
import {reinmax} from 'tfjs-moe/estimators';
import {test} from 'vitest';
import {exactGradient, expectedGradient, gradientOf, type Loss, numbers, unit} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const GOLDEN = 1e-6;
const ENUMERATION = 1e-5;

const THETA = [0.5, -1, 0.25, 1.5];

/** x'Ax / 2 + b'x of one vector. */
function quadratic(A: tf.Tensor2D, b: tf.Tensor1D): Loss {
  return x => {
    const n = b.shape[0];
    const Ax = tf.reshape(tf.matMul(A, tf.reshape(x, [n, 1])), [n]);
    return tf.add(tf.mul(0.5, tf.sum(tf.mul(tf.reshape(x, [n]), Ax))), tf.sum(tf.mul(tf.reshape(x, [n]), b)));
  };
}

eachBackendAndKernels('reinmax', () => {
  // 2 J((D + q) / 2) g - J(p) g / 2 with g = [1, -2, .5, 3], in float64.
  test.each([
    [1, 0, [-0.463726212852, -0.070906812132, -0.04124818206, 0.575881207044]],
    [1, 1, [0.317782284943, -1.963726212852, 0.2062409103, 1.43970301761]],
    [1, 2, [0.052963714157, -0.05908901011, -0.713726212852, 0.719851508805]],
    [1, 3, [-0.211854856628, -0.118178020219, -0.2062409103, 0.536273787148]],
    [1.3, 0, [-0.325783476481, -0.152548371782, -0.044234450541, 0.522566298803]],
    [1.3, 1, [0.367168739313, -1.886481093934, 0.243669814376, 1.275642540245]],
    [1.3, 2, [0.076375020163, -0.134203866671, -0.590250159202, 0.64807900571]],
    [1.3, 3, [-0.214418698987, -0.225926392223, -0.236170627152, 0.676515718362]],
    [2, 0, [-0.126374290375, -0.282335096869, -0.032070054728, 0.440779441972]],
    [2, 3, [-0.1964247085, -0.400320998272, -0.252496738057, 0.849242444829]],
  ])('the gradient at temperature %d and category %d is the closed form', (temperature, category, expected) => {
    const g = tf.tensor1d([1, -2, 0.5, 3]);
    const options = {temperature, given: unit(category, 4)};
    expectClose(
      gradientOf(reinmax, x => tf.mul(x, g), tf.tensor1d(THETA), options),
      expected,
      GOLDEN,
    );
  });

  test('the general form at a temperature next to 1 is the form at 1', () => {
    const g = tf.tensor1d([1, -2, 0.5, 3]);
    const at = (temperature: number) =>
      gradientOf(reinmax, x => tf.mul(x, g), tf.tensor1d(THETA), {temperature, given: unit(2, 4)});
    expectClose(at(1 + 1e-6), list(at(1)), 1e-5);
  });

  test('the expected gradient equals the exact gradient of random quadratic losses at temperature 1', () => {
    for (let seed = 0; seed < 20; ++seed) {
      const logits = tf.tensor1d(numbers(seed, 5, -2, 2));
      const A = tf.tensor2d(numbers(100 + seed, 25), [5, 5]);
      const loss = quadratic(A, tf.tensor1d(numbers(200 + seed, 5)));
      expectClose(expectedGradient(reinmax, loss, logits), exactGradient(loss, logits), ENUMERATION);
    }
  });

  test('the expected gradient over two latents equals the exact one for quadratics with cross terms', () => {
    // All nine pairs of categories of two latents, weighted by p_i q_j; the loss joins the two vectors in one quadratic form.
    for (let seed = 0; seed < 5; ++seed) {
      const logits = tf.tensor2d(numbers(seed, 6, -2, 2), [2, 3]);
      const loss = quadratic(tf.tensor2d(numbers(300 + seed, 36), [6, 6]), tf.tensor1d(numbers(400 + seed, 6)));
      const probs = tf.softmax(logits).arraySync() as number[][];
      const expected = new Array<number>(6).fill(0);
      const values: {i: number; j: number; weight: number; value: number}[] = [];
      for (let i = 0; i < 3; ++i) {
        for (let j = 0; j < 3; ++j) {
          const weight = probs[0]![i]! * probs[1]![j]!;
          const given = tf.stack([unit(i, 3), unit(j, 3)]);
          list(gradientOf(reinmax, loss, logits, {given})).forEach((g, k) => {
            expected[k]! += weight * g;
          });
          values.push({i, j, weight, value: loss(given).dataSync()[0]!});
        }
      }
      // d E[f] / d theta_k = sum over pairs of weight * f * (1[k drawn] - p_k).
      const exact = expected.map((_, index) => {
        const [latent, k] = [Math.floor(index / 3), index % 3];
        return values.reduce(
          (sum, {i, j, weight, value}) =>
            sum + weight * value * (Number((latent === 0 ? i : j) === k) - probs[latent]![k]!),
          0,
        );
      });
      expectClose(expected, exact, ENUMERATION);
    }
  });

  // E[ReinMax], in float64, for f = D'AD / 2 + b'D, and for (b'D)^3 and b'D.
  const A = [
    [1, 0.2, -0.3, 0.1],
    [0.2, 0.5, 0.4, -0.2],
    [-0.3, 0.4, 2, 0.3],
    [0.1, -0.2, 0.3, -0.7],
  ];
  const B = [0.3, -0.6, 0.1, 0.8];
  const cases: [string, () => Loss, number, number[]][] = [
    [
      'quadratic',
      () => quadratic(tf.tensor2d(A), tf.tensor1d(B)),
      1,
      [0.0437316077, -0.0446040487, 0.0835560288, -0.0826835879],
    ],
    [
      'quadratic',
      () => quadratic(tf.tensor2d(A), tf.tensor1d(B)),
      1.3,
      [0.0516755222, -0.0729976744, 0.0882398807, -0.0669177285],
    ],
    [
      'quadratic',
      () => quadratic(tf.tensor2d(A), tf.tensor1d(B)),
      2,
      [0.0654177295, -0.1200270263, 0.0972411117, -0.0426318149],
    ],
    [
      'cubic',
      () => x => tf.pow(tf.sum(tf.mul(x, B)), 3),
      1,
      [-0.0596642426, -0.0662814206, -0.0628671306, 0.1888127939],
    ],
    ['linear', () => x => tf.mul(x, B), 1, [-0.0449975416, -0.0525843959, -0.0680426663, 0.1656246038]],
    ['linear', () => x => tf.mul(x, B), 2, [-0.0168681583, -0.1182940128, -0.0606933821, 0.1958555532]],
  ];
  test.each(cases)(
    'the expected gradient of a %s loss (%#) is the known one',
    (_name, makeLoss, temperature, expected) => {
      expectClose(expectedGradient(reinmax, makeLoss(), tf.tensor1d(THETA), {temperature}), expected, GOLDEN);
    },
  );

  test('with two categories the gradient is that of DARN(1/2)', () => {
    // For a bit b with P(b = 1) = t: f'(b) (b (1 - t) + (1 - b) t) / 2, and its negative for the other logit.
    const eta = 0.7;
    const t = 1 / (1 + Math.exp(-eta));
    for (const b of [0, 1]) {
      const gradient = gradientOf(reinmax, x => tf.mul(tf.slice(x, 0, 1), 3), tf.tensor1d([eta, 0]), {
        given: unit(1 - b, 2),
      });
      const expected = (3 * (b * (1 - t) + (1 - b) * t)) / 2;
      expectClose(gradient, [expected, -expected], GOLDEN);
    }
  });
});
