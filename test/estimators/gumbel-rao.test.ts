import * as tf from '@tensorflow/tfjs-core';
import {gumbelRao, seeded, straightThroughGumbelSoftmax} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {gradientOf, numbers, unit} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {fromExponentials} from '../support/injected.js';
import {LEAVES_LONG, numDraws, WHY_LONG} from '../support/long-tests.js';
import {meanAndError} from '../support/statistics.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const GOLDEN = 1e-6;
const THETA = [0.5, -1, 0.25, 1.5];
const EXPONENTIALS = [0.3, 1.1, 0.6, 2];

eachBackendAndKernels('gumbelRao', () => {
  // One conditional sample: c_i = log Z - log E_i, c_j = -log(E_j / exp(theta_j) + E_i / Z), s = softmax(c / temperature),
  // s * (g - <s, g>) / temperature with g = [1, -2, .5, 3], in float64.
  test.each([
    [0, 1, [-0.060601870303, -0.033450648109, -0.037229710224, 0.131282228636]],
    [3, 1, [-0.227567949864, -0.148338187785, -0.225772603075, 0.601678740725]],
    [3, 0.5, [-0.604498350615, -0.036528422238, -0.307398089015, 0.948424861868]],
  ])('one sample given category %d at temperature %d has the closed form', (category, temperature, expected) => {
    const g = tf.tensor1d([1, -2, 0.5, 3]);
    const options = {temperature, numSamples: 1, given: unit(category, 4), random: fromExponentials(EXPONENTIALS)};
    expectClose(
      gradientOf(gumbelRao, x => tf.mul(x, g), tf.tensor1d(THETA), options),
      expected,
      GOLDEN,
    );
  });

  test('with one sample it equals straight-through Gumbel-softmax on the same noise', () => {
    const logits = tf.tensor2d(numbers(1, 30, -2, 2), [6, 5]);
    const given = tf.cast(tf.oneHot(tf.tensor1d([0, 1, 2, 3, 4, 0], 'int32'), 5), 'float32');
    const loss = (x: tf.Tensor) => tf.square(tf.sub(x, 0.3));
    const rao = gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 1}), loss, logits, {given, random: seeded(5)});
    const plain = gradientOf(straightThroughGumbelSoftmax, loss, logits, {given, random: seeded(5)});
    expectClose(rao, plain.dataSync(), GOLDEN);
  });

  test('K samples are the mean of K single ones on the same noise', () => {
    const logits = tf.tensor1d(THETA);
    const options = {given: unit(1, 4), temperature: 0.5};
    const loss = (x: tf.Tensor) => tf.mul(x, [1, -2, 0.5, 3]);
    const together = gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 7}), loss, logits, {
      ...options,
      random: seeded(5),
    });
    const noise = seeded(5).uniform(28);
    const singles = Array.from({length: 7}, (_, k) => {
      const random = {uniform: () => noise.slice(4 * k, 4 * k + 4), split: () => random};
      return gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 1}), loss, logits, {...options, random});
    });
    expectClose(together, tf.mean(tf.stack(singles), 0).dataSync(), GOLDEN);
  });

  // E[s (1 - s) / temperature | b] of a bit with logit eta, by quadrature over the conditional noise, in float64; the gradient with
  // respect to the first of the logits (eta, 0) is this times f'(b). As temperature -> 0 it becomes ReinMax's (1 - P(b)) / 2.
  const QUADRATURE: [number, number, number, number][] = [
    [0, 2, 0.1073009, 0.1073009],
    [0, 1, 0.16666667, 0.16666667],
    [0, 0.5, 0.21460184, 0.21460184],
    [0, 0.1, 0.24798923, 0.24798923],
    [0, 0.01, 0.24997944, 0.24997944],
    [0.7, 2, 0.10254235, 0.11022965],
    [0.7, 1, 0.1489833, 0.17836605],
    [0.7, 0.5, 0.17444765, 0.24418333],
    [0.7, 0.1, 0.17258768, 0.31704079],
    [0.7, 0.01, 0.16667058, 0.33251814],
    [-2, 2, 0.11268471, 0.08783105],
    [-2, 1, 0.18869913, 0.10312811],
    [-2, 0.5, 0.27251594, 0.09220036],
    [-2, 0.1, 0.39667913, 0.06622528],
    [-2, 0.01, 0.43577579, 0.06023433],
  ];
  test.each(QUADRATURE)(
    'at eta %d and temperature %d the mean agrees with quadrature',
    (eta, temperature, one, zero) => {
      const rows = LEAVES_LONG ? 40 : 200;
      for (const [category, expected] of [
        [0, one],
        [1, zero],
      ] as const) {
        const logits = tf.tile(tf.tensor2d([[eta, 0]]), [rows, 1]);
        const given = tf.tile(tf.reshape(unit(category, 2), [1, 2]), [rows, 1]);
        const weights = tf.tensor1d([1, 0]);
        const gradient = gradientOf(
          (x, o) => gumbelRao(x, {...o, numSamples: 100}),
          x => tf.mul(x, weights),
          logits,
          {
            given,
            temperature,
            random: seeded(31),
          },
        );
        // The rows are independent estimates, each the mean of 100 samples.
        const perRow = list(tf.slice(gradient, [0, 0], [rows, 1]));
        const {mean, error} = meanAndError(perRow);
        expect(Math.abs(mean - expected)).toBeLessThan(4 * error);
      }
    },
  );

  test.skipIf(LEAVES_LONG)(`the variance of the conditional mean falls as 1 / K${WHY_LONG}`, () => {
    const rows = 2000;
    const spread = (numSamples: number) => {
      const logits = tf.tile(tf.tensor2d([THETA]), [rows, 1]);
      const given = tf.tile(tf.reshape(unit(1, 4), [1, 4]), [rows, 1]);
      const gradient = gradientOf(
        (x, o) => gumbelRao(x, {...o, numSamples}),
        x => tf.mul(x, [1, -2, 0.5, 3]),
        logits,
        {
          given,
          temperature: 0.5,
          random: seeded(3),
        },
      );
      return list(tf.moments(gradient, 0).variance);
    };
    const one = spread(1);
    const ten = spread(10);
    // A variance from 2,000 rows has a relative error of some 10% here (heavy tails); ten times less within a factor of 1.6.
    one.forEach((v, j) => {
      const ratio = v / ten[j]!;
      expect(ratio).toBeGreaterThan(10 / 1.6);
      expect(ratio).toBeLessThan(10 * 1.6);
    });
  });

  test('its mean is that of straight-through Gumbel-softmax', () => {
    const rows = numDraws(20_000);
    const logits = tf.tile(tf.tensor2d([THETA]), [rows, 1]);
    const loss = (x: tf.Tensor) => tf.square(tf.sub(x, [0.3, -0.6, 0.1, 0.8]));
    const rao = gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 10}), loss, logits, {
      random: seeded(1),
      temperature: 0.5,
    });
    const plain = gradientOf(straightThroughGumbelSoftmax, loss, logits, {random: seeded(2), temperature: 0.5});
    for (let k = 0; k < 4; ++k) {
      const [a, b] = [rao, plain].map(g => meanAndError(list(tf.slice(g, [0, k], [rows, 1]))));
      expect(Math.abs(a!.mean - b!.mean)).toBeLessThan(4 * Math.hypot(a!.error, b!.error));
    }
  });

  test.skipIf(LEAVES_LONG)(`more noise than one chunk holds gives the same as sample by sample${WHY_LONG}`, () => {
    // 2^20 / (150 * 1000) = 6 samples, of which a chunk takes a multiple of 4: six samples take two chunks, of 4 and of 2.
    const logits = tf.tensor2d(numbers(1, 1.5e5), [150, 1000]);
    const given = tf.cast(
      tf.oneHot(tf.tensor1d(Int32Array.from({length: 150}, (_, row) => row % 1000)), 1000),
      'float32',
    );
    const weights = tf.tensor1d(numbers(2, 1000));
    const loss = (x: tf.Tensor) => tf.mul(x, weights);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const once = gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 6}), loss, logits, {given, random: seeded(7)});
      const source = seeded(7);
      const singles = Array.from({length: 6}, () =>
        gradientOf((x, o) => gumbelRao(x, {...o, numSamples: 1}), loss, logits, {given, random: source}),
      );
      expectClose(once, tf.mean(tf.stack(singles), 0).dataSync(), GOLDEN);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a bad number of samples is refused', () => {
    for (const [bad, shown] of [
      [0, '0'],
      [2.5, '2.5'],
      ['3', '"3"'],
    ] as const) {
      expect(() => gumbelRao(tf.zeros([2, 3]), {numSamples: bad as number})).toThrow(
        `gumbelRao: numSamples must be a whole number of at least 1, but got ${shown}.`,
      );
    }
  });
});
