// Batch normalisation: values, statistics and all gradients against a slow loop in float64, and against the ops of tfjs.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {batchNormalize} from '../../src/ops/batch-normalize.js';
import {hasKernel} from '../../src/ops/fused-kernel.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {LEAVES_LONG, numCases, WHY_LONG} from '../support/long-tests.js';
import {slowBatchNormalize} from '../support/slow-batch-normalize.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Sums of some hundred numbers of about 1 in float32. */
const ROUNDING = 1e-5;
const EPSILON = 1e-3;

interface Case {
  leading: number[];
  channels: number;
  hasGamma: boolean;
  hasBeta: boolean;
  seed: number;
}

/** Values, statistics and gradients of a case, as the op has them. */
function run(x: tf.Tensor, dy: tf.Tensor, gamma?: tf.Tensor, beta?: tf.Tensor, epsilon = EPSILON) {
  const inputs = [x, ...(gamma ? [gamma] : []), ...(beta ? [beta] : [])];
  const options = (affine: tf.Tensor[]) => ({
    epsilon,
    gamma: gamma && (affine[0] as tf.Tensor1D),
    beta: beta && (affine[affine.length - 1] as tf.Tensor1D),
  });
  const {normalized, mean, variance} = batchNormalize(x, options(inputs.slice(1)));
  const gradients = tf.grads((y, ...affine) => batchNormalize(y, options(affine)).normalized)(inputs, dy);
  const [dx, ...rest] = gradients;
  return {normalized, mean, variance, dx: dx!, dGamma: gamma && rest[0]!, dBeta: beta && rest[rest.length - 1]!};
}

function expectAsLoop({leading, channels, hasGamma, hasBeta, seed}: Case): void {
  const shape = [...leading, channels];
  const size = tf.util.sizeFromShape(shape);
  const [x, dy] = [Float32Array.from(numbers(seed, size, -1, 3)), Float32Array.from(numbers(seed + 1, size))];
  const gamma = hasGamma ? Float32Array.from(numbers(seed + 2, channels)) : undefined;
  const beta = hasBeta ? Float32Array.from(numbers(seed + 3, channels)) : undefined;
  const slow = slowBatchNormalize(x, dy, {channels, epsilon: EPSILON, gamma, beta});
  const vector = (values?: Float32Array) => values && tf.tensor1d(values);
  const fast = run(tf.tensor(x, shape), tf.tensor(dy, shape), vector(gamma), vector(beta));
  expect(fast.normalized.shape).toEqual(shape);
  expect(fast.dx.shape).toEqual(shape);
  // One or a few rows: the root of a variance near 0 multiplies what was rounded by up to 1 / sqrt(epsilon).
  const tolerance = size / channels < 8 ? ROUNDING / Math.sqrt(EPSILON) : ROUNDING;
  expectClose(fast.mean, slow.mean, ROUNDING);
  expectClose(fast.variance, slow.variance, ROUNDING);
  expectClose(fast.normalized, slow.normalized, tolerance);
  expectClose(fast.dx, slow.dx, tolerance);
  if (hasGamma) expectClose(fast.dGamma!, slow.dGamma, tolerance * Math.max(1, size / channels));
  if (hasBeta) expectClose(fast.dBeta!, slow.dBeta, ROUNDING * Math.max(1, size / channels));
}

eachBackendAndKernels('batchNormalize', backend => {
  /** Whether long sums are made in float64, or in blocks. */
  const isExact = () => backend === 'cpu' || hasKernel('BatchStatistics');

  test.skipIf(LEAVES_LONG)(
    `values, statistics and gradients of any shape, with gamma and beta or without, are those of the loop${WHY_LONG}`,
    () => {
      const cases = fc.record({
        leading: fc.array(fc.integer({min: 1, max: 9}), {minLength: 1, maxLength: 3}),
        channels: fc.integer({min: 1, max: 21}),
        hasGamma: fc.boolean(),
        hasBeta: fc.boolean(),
        seed: fc.nat(),
      });
      fc.assert(
        fc.property(cases, of => tf.tidy(() => expectAsLoop(of))),
        {seed: 20260501, numRuns: numCases(80)},
      );
    },
  );

  test.each([
    ['one channel', [4, 5, 5], 1],
    ['one row', [1], 6],
    ['images of one pixel', [7, 1, 1], 16],
    ['more rows than a block, and not a multiple of one', [3, 37], 20],
    ['as the cells have it', [4, 16, 16], 16],
    ['many channels', [50], 130],
  ])('%s: as the loop', (_, leading, channels) => {
    for (const affine of [true, false]) expectAsLoop({leading, channels, hasGamma: affine, hasBeta: affine, seed: 7});
  });

  test('the gradient is that of the ops of tfjs, in which mean and variance are functions of x', () => {
    const [x, dy] = [tf.tensor4d(numbers(1, 360), [5, 3, 4, 6]), tf.tensor4d(numbers(2, 360), [5, 3, 4, 6])];
    const [gamma, beta] = [tf.tensor1d(numbers(3, 6)), tf.tensor1d(numbers(4, 6))];
    const stock = tf.grads((x, gamma, beta) => {
      const {mean, variance} = tf.moments(x, [0, 1, 2]);
      const deviations = tf.sub(x, mean);
      return tf.add(tf.mul(tf.div(deviations, tf.sqrt(tf.add(variance, EPSILON))), gamma), beta);
    })([x, gamma, beta], dy);
    const ours = run(x, dy, gamma, beta);
    [ours.dx, ours.dGamma!, ours.dBeta!].forEach((gradient, i) => {
      expectClose(gradient, list(stock[i]!), 3 * ROUNDING);
    });
  });

  test('a mean of a thousand, or of a million times the deviations, leaves the variance its digits', () => {
    // A square of 1e3 keeps one digit after the point in float32, where the variance is about 1; one of 1e6 none before it either.
    for (const offset of [1e3, 1e6]) {
      const [rows, channels] = [4096, 5];
      const values = Float32Array.from(
        numbers(5, rows * channels, -2, 2),
        (value, i) => value + (i % 5 < 3 ? offset : 0),
      );
      const dy = Float32Array.from(numbers(6, rows * channels));
      const slow = slowBatchNormalize(values, dy, {channels, epsilon: EPSILON});
      const fast = run(tf.tensor(values, [rows, channels]), tf.tensor(dy, [rows, channels]));
      const step = offset * 2 ** -24; // what the mean itself is rounded by, as a number of float32
      expectClose(fast.mean, slow.mean, 2 * step);
      // The first mean of stock wasm is off by some dozens at 1e6, which its second mean corrects to as many digits as float32 has.
      expectClose(fast.variance, slow.variance, isExact() ? ROUNDING : 0.01);
      expectClose(fast.normalized, slow.normalized, ROUNDING + 2 * step);
      expectClose(fast.dx, slow.dx, ROUNDING + step);
    }
  });

  test.skipIf(LEAVES_LONG)(
    `the statistics of 65,535 rows are exact to the last digits, but for the sums of the stock wasm backend${WHY_LONG}`,
    () => {
      // A fifth of the rows is 1.1, the others 0.1: the mean is 0.3 and the variance 0.16. Stock wasm adds them up one by one in float32.
      const digits = isExact() ? 1e-6 : 1e-3;
      const rows = 65_535;
      const values = Float32Array.from({length: rows * 4}, (_, i) => (Math.floor(i / 4) % 5 === 0 ? 1.1 : 0.1));
      const dy = Float32Array.from({length: rows * 4}, (_, i) => values[i]! + 0.1);
      const slow = slowBatchNormalize(values, dy, {channels: 4, epsilon: EPSILON});
      const one = tf.ones<tf.Rank.R1>([4]);
      const fast = run(tf.tensor(values, [rows, 4]), tf.tensor(dy, [rows, 4]), one, tf.zeros([4]));
      expectClose(fast.mean, new Array(4).fill(0.3), digits);
      expectClose(fast.variance, new Array(4).fill(0.16), digits);
      expectClose(fast.dBeta!, slow.dBeta, digits * rows);
      expectClose(fast.dGamma!, slow.dGamma, digits * rows);
      expectClose(fast.dx, slow.dx, 10 * digits);
    },
  );

  test('a constant channel becomes beta and sends back no more than dy without its mean', () => {
    const x = tf.fill([6, 4], 0.1);
    const {normalized, variance, dx} = run(x, tf.tensor2d(numbers(8, 24), [6, 4]), tf.ones([4]), tf.fill([4], 3));
    expectClose(variance, [0, 0, 0, 0], 1e-14);
    expectClose(normalized, new Array(24).fill(3), ROUNDING);
    expectClose(tf.sum(dx, 0), [0, 0, 0, 0], ROUNDING / Math.sqrt(EPSILON));
  });

  test('what is not a number in one channel leaves the others alone', () => {
    const values = numbers(9, 24);
    const expected = list(run(tf.tensor2d(values, [4, 6]), tf.ones([4, 6])).normalized);
    values[8] = Number.NaN;
    const actual = list(run(tf.tensor2d(values, [4, 6]), tf.ones([4, 6])).normalized);
    actual.forEach((value, i) => {
      expect(value).toBe(i % 6 === 2 ? Number.NaN : expected[i]);
    });
  });

  test('mean and variance carry no gradient', () => {
    const x = tf.tensor2d(numbers(10, 12), [4, 3]);
    const through = (y: tf.Tensor) => {
      const {normalized, mean, variance} = batchNormalize(y, {epsilon: EPSILON});
      return tf.sum(tf.square(tf.add(tf.add(normalized, mean), variance)));
    };
    const {normalized, mean, variance} = batchNormalize(x, {epsilon: EPSILON});
    const dy = tf.mul(2, tf.add(tf.add(normalized, mean), variance));
    expectClose(tf.grad(through)(x), list(run(x, dy).dx), ROUNDING);
  });

  test('without rows all is empty or zeros', () => {
    tf.fill([2, 3], 7).dispose();
    const {normalized, mean, variance, dx, dGamma, dBeta} = run(
      tf.zeros([0, 4, 4, 3]),
      tf.zeros([0, 4, 4, 3]),
      tf.ones([3]),
      tf.ones([3]),
    );
    expect([normalized.shape, dx.shape]).toEqual([
      [0, 4, 4, 3],
      [0, 4, 4, 3],
    ]);
    for (const zeros of [mean, variance, dGamma!, dBeta!]) expect(list(zeros)).toEqual([0, 0, 0]);
  });

  test('nothing is left behind in the engine or in the backend, with a tape and without', () => {
    const x = tf.variable(tf.tensor2d(numbers(11, 60), [10, 6]));
    const gamma = tf.variable(tf.ones([6]));
    const step = () => {
      const options = {epsilon: EPSILON, gamma: gamma as unknown as tf.Tensor1D};
      tf.dispose(batchNormalize(x, options) as never);
      const {value, grads} = tf.variableGrads(() => {
        const {normalized, mean, variance} = batchNormalize(x, options);
        return tf.sum(tf.mul(normalized, tf.add(mean, variance))) as tf.Scalar;
      });
      tf.dispose([value, grads]);
    };
    const counts = () => [tf.memory().numTensors, tf.backend().numDataIds()];
    step();
    const before = counts();
    for (let i = 0; i < 20; ++i) step();
    expect(counts()).toEqual(before);
    tf.dispose([x, gamma] as tf.Tensor[]);
  });

  test.each([
    [() => [tf.scalar(1), {epsilon: 1}], 'x must be float32 [..., C] with at least one channel, but got float32 [].'],
    [() => [tf.zeros([3, 0]), {epsilon: 1}], 'x must be float32 [..., C] with at least one channel, but got float32'],
    [
      () => [tf.ones([3, 2], 'int32'), {epsilon: 1}],
      'x must be float32 [..., C] with at least one channel, but got int',
    ],
    [() => [tf.ones([3, 2]), {epsilon: 0}], 'epsilon must be a positive finite number, but got 0.'],
    [() => [tf.ones([3, 2]), {epsilon: 1, gamma: tf.ones([3])}], 'gamma must have shape [C] = [2], but got [3].'],
    [() => [tf.ones([3, 2]), {epsilon: 1, beta: tf.ones([1, 2])}], 'beta must have shape [C] = [2], but got [1, 2].'],
  ] as [() => unknown[], string][])('arguments that do not fit are refused, case %#: %s', (args, words) => {
    const call = () => batchNormalize(...(args() as Parameters<typeof batchNormalize>));
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`batchNormalize: ${words}`);
  });
});
