// What every router loss promises, whatever its formula.
import * as tf from '@tensorflow/tfjs-core';
import {
  batchEntropy,
  entropyLoss,
  importanceLoss,
  loadBalancingLoss,
  loadLoss,
  mutualInformation,
  routerZLoss,
  type TokenMaskOptions,
  tokenEntropy,
} from 'tfjs-moe/router';
import {describe, expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';

/** float32 sums over some tens of terms of magnitude one. */
const ROUNDING = 1e-6;

type Loss = (x: tf.Tensor, options?: TokenMaskOptions) => tf.Scalar;

/** Marks the largest entry of each row, off the tape. */
const choice = (x: tf.Tensor) => tf.cast(tf.equal(x, tf.max(x, -1, true)), 'float32');

/** Noise that moves with the experts when they are permuted: a function of the logit alone. */
const noisy = (x: tf.Tensor) => tf.add(x, tf.mul(0.3, tf.sin(tf.mul(7, tf.maximum(x, -3)))));

const detached = (x: tf.Tensor) => tf.customGrad(() => ({value: tf.clone(x), gradFunc: () => []}))();

/** Each as a function of the logits, so that all can be given the same tensors. */
const LOSSES: [string, Loss][] = [
  ...(['meanK', 'sumK', 'gshardTop1'] as const).map(
    convention =>
      [
        `loadBalancingLoss, ${convention}`,
        (x: tf.Tensor, options?: TokenMaskOptions) =>
          loadBalancingLoss(tf.softmax(x), choice(detached(x)), {...options, convention}),
      ] as [string, Loss],
  ),
  ['importanceLoss', (x, options) => importanceLoss(tf.softmax(x), options)],
  ['loadLoss', (x, options) => loadLoss(x, noisy(detached(x)), {...options, noiseStd: 0.5})],
  ['routerZLoss', (x, options) => routerZLoss(x, options)],
  ['tokenEntropy', (x, options) => tokenEntropy(tf.softmax(x), options)],
  ['batchEntropy', (x, options) => batchEntropy(tf.softmax(x), options)],
  ['mutualInformation', (x, options) => mutualInformation(tf.softmax(x), options)],
  ['entropyLoss', (x, options) => entropyLoss(tf.softmax(x), options)],
];

const EXPERTS = 5;
const real = numbers(1, 6 * EXPERTS, -2, 2);
const padding = numbers(2, 3 * EXPERTS, -2, 2);

describe.each(LOSSES)('%s', (_name, loss) => {
  eachBackend('a router loss', () => {
    test('is a float32 scalar', () => {
      const value = loss(tf.tensor2d(real, [6, EXPERTS]));
      expect([value.shape, value.dtype]).toEqual([[], 'float32']);
    });

    test('depends on the tokens and not on how their axes are laid out', () => {
      const [value] = list(loss(tf.tensor2d(real, [6, EXPERTS])));
      expectClose(loss(tf.tensor3d(real, [2, 3, EXPERTS])), [value!], 0);
      expectClose(loss(tf.tensor4d(real, [3, 1, 2, EXPERTS])), [value!], 0);
    });

    test('takes a vector for a single token', () => {
      const one = real.slice(0, EXPERTS);
      expectClose(loss(tf.tensor1d(one)), list(loss(tf.tensor2d(one, [1, EXPERTS]))), 0);
    });

    test.each(['bool', 'int32', 'float32'] as const)('is unchanged by padded rows behind a %s mask', dtype => {
      const mask = tf.cast(tf.tensor1d([1, 0, 1, 1, 1, 0, 1, 0, 1]), dtype);
      const rows = [real, padding].map(values =>
        Array.from({length: values.length / EXPERTS}, (_, t) => values.slice(t * EXPERTS, (t + 1) * EXPERTS)),
      );
      const order = [
        rows[0]![0],
        rows[1]![0],
        ...rows[0]!.slice(1, 4),
        rows[1]![1],
        rows[0]![4],
        rows[1]![2],
        rows[0]![5],
      ];
      const padded = tf.tensor2d(order as number[][]);
      expectClose(loss(padded, {mask}), list(loss(tf.tensor2d(real, [6, EXPERTS]))), ROUNDING);
      const [gradient, expected] = [
        tf.grad(x => loss(x, {mask}))(padded),
        tf.grad(x => loss(x))(tf.tensor2d(real, [6, EXPERTS])),
      ];
      expectClose(tf.gather(gradient, tf.tensor1d([0, 2, 3, 4, 6, 8], 'int32')), list(expected), ROUNDING);
      expectClose(tf.gather(gradient, tf.tensor1d([1, 5, 7], 'int32')), new Array(3 * EXPERTS).fill(0), 0);
    });

    test('takes a mask of several axes', () => {
      const mask = tf.tensor2d([1, 1, 1, 0, 1, 0], [2, 3]);
      const kept = [...real.slice(0, 3 * EXPERTS), ...real.slice(4 * EXPERTS, 5 * EXPERTS)];
      const value = loss(tf.tensor3d(real, [2, 3, EXPERTS]), {mask});
      expectClose(value, list(loss(tf.tensor2d(kept, [4, EXPERTS]))), ROUNDING);
    });

    test('is unchanged when the experts are permuted', () => {
      const x = tf.tensor2d(real, [6, EXPERTS]);
      const permuted = tf.gather(x, tf.tensor1d([3, 0, 4, 1, 2], 'int32'), 1);
      expectClose(loss(permuted), list(loss(x)), ROUNDING);
    });

    test('is 0 with gradient 0 where all tokens are padding', () => {
      const x = tf.tensor2d(real, [6, EXPERTS]);
      expectClose(loss(x, {mask: tf.zeros([6])}), [0], 0);
      expectClose(tf.grad(y => loss(y, {mask: tf.zeros([6])}))(x), new Array(6 * EXPERTS).fill(0), 0);
    });

    test('is 0 for a batch without rows', () => {
      tf.tidy(() => tf.fill([64, EXPERTS], 3)); // what a reduction over an empty axis would find in the memory of wasm
      expectClose(loss(tf.zeros([0, EXPERTS])), [0], 0);
      expectClose(loss(tf.zeros([2, 0, EXPERTS]), {mask: tf.zeros([2, 0])}), [0], 0);
    });

    test.each([
      ['equal logits', new Array<number>(2 * EXPERTS).fill(0)],
      ['logits of 1e4 and -1e4', [1e4, -1e4, 0, 1e4, -1e4, -1e4, -1e4, 1e4, 0, 0]],
      ['logits that all agree on one expert', [1e4, 0, 0, 0, 0, 1e4, 0, 0, 0, 0]],
    ])('is finite in value and gradient for %s', (_title, values) => {
      const x = tf.tensor2d(values, [2, EXPERTS]);
      expectFinite(loss(x));
      expectFinite(tf.grad(y => loss(y))(x));
    });

    test('is finite in value and gradient for a masked expert, whose logit is -Infinity', () => {
      const x = tf.tensor2d([1, Number.NEGATIVE_INFINITY, 0, 2, Number.NEGATIVE_INFINITY, 3], [2, 3]);
      expectFinite(loss(x));
      expectFinite(tf.grad(y => loss(y))(x));
    });

    test('is finite in value and gradient for a single expert', () => {
      const x = tf.tensor2d([2, -1, 0], [3, 1]);
      expectFinite(loss(x));
      expectFinite(tf.grad(y => loss(y))(x));
    });

    test('leaves no tensor behind but its value', () => {
      const x = tf.tensor2d(real, [6, EXPERTS]);
      const mask = tf.tensor1d([1, 1, 0, 1, 0, 1]);
      const before = tf.memory().numTensors;
      tf.tidy(() => loss(x, {mask})).dispose();
      const {value, grad} = tf.valueAndGrad(y => loss(y, {mask}))(x);
      expect(tf.memory().numTensors).toBe(before + 2);
      tf.dispose([value, grad]);
    });
  });
});

eachBackend('a router loss called directly', () => {
  const x = () => tf.softmax(tf.tensor2d(real, [6, EXPERTS]));

  test.each([
    ['importanceLoss', importanceLoss],
    ['tokenEntropy', tokenEntropy],
    ['batchEntropy', batchEntropy],
    ['mutualInformation', mutualInformation],
    ['entropyLoss', entropyLoss],
    ['routerZLoss', routerZLoss],
  ] as [string, Loss][])('%s leaves no tensor behind and is not changed by NaN in padded rows', (_name, loss) => {
    const probs = x();
    const broken = tf.concat2d([probs as tf.Tensor2D, tf.fill([2, EXPERTS], Number.NaN)], 0);
    const mask = tf.tensor1d([1, 1, 1, 1, 1, 1, 0, 0]);
    const [expected] = list(loss(probs));
    const before = tf.memory().numTensors;
    const value = loss(broken, {mask});
    expect(tf.memory().numTensors).toBe(before + 1);
    expectClose(value, [expected!], ROUNDING);
    expectFinite(tf.grad(y => loss(y, {mask}))(broken));
  });

  test('a mask of another shape, a scalar and a batch without experts are refused', () => {
    expect(() => importanceLoss(x(), {mask: tf.ones([5])})).toThrow(
      'importanceLoss: mask must have shape of the tokens in probs = [6], but got [5].',
    );
    expect(() => routerZLoss(x(), {mask: tf.ones([6, 1])})).toThrow(
      'routerZLoss: mask must have shape of the tokens in logits = [6], but got [6, 1].',
    );
    expect(() => tokenEntropy(tf.scalar(1))).toThrow(
      'tokenEntropy: probs must have shape [..., numExperts] with at least one expert, but got [].',
    );
    expect(() => batchEntropy(tf.zeros([3, 0]))).toThrow(
      'batchEntropy: probs must have shape [..., numExperts] with at least one expert, but got [3, 0].',
    );
  });
});
