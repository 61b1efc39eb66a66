import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {softMoEWeights} from '../../src/router/soft-moe.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';

/** float32 sums of a few terms of magnitude one. */
const ROUNDING = 2e-6;

const [B, S, D, N] = [2, 5, 3, 4];
const TOKENS = numbers(1, B * S * D, -2, 2);
const PHI = numbers(2, D * N);
const SCALE = 1.7;
const MASK = [1, 1, 0, 1, 1, 0, 1, 1, 1, 0];

/** The weights by loops in float64, from the definition. */
function slowWeights(tokens: number[], phi: number[], scale: number, mask: number[]) {
  const logit = (row: number, n: number) => {
    let [product, token, direction] = [0, 1e-6, 1e-6];
    for (let d = 0; d < D; ++d) {
      const [x, y] = [tokens[row * D + d]!, phi[d * N + n]!];
      product += x * y;
      token += x * x;
      direction += y * y;
    }
    return (scale * product) / Math.sqrt(token * direction);
  };
  const dispatch = new Array<number>(B * S * N).fill(0);
  const combine = new Array<number>(B * S * N).fill(0);
  for (let row = 0; row < B * S; ++row) {
    if (!mask[row]) continue;
    const sequence = Array.from({length: S}, (_, s) => Math.floor(row / S) * S + s).filter(r => mask[r]);
    for (let n = 0; n < N; ++n) {
      const e = Math.exp(logit(row, n));
      dispatch[row * N + n] = e / sequence.reduce((sum, r) => sum + Math.exp(logit(r, n)), 0);
      combine[row * N + n] = e / Array.from({length: N}, (_, m) => Math.exp(logit(row, m))).reduce((a, b) => a + b);
    }
  }
  return {dispatch, combine};
}

const tensors = () => [tf.tensor3d(TOKENS, [B, S, D]), tf.tensor2d(PHI, [D, N]), tf.scalar(SCALE)] as const;
const realOnly = new Array<number>(B * S).fill(1);

eachBackend('softMoEWeights', () => {
  test.each([
    ['without a mask', undefined],
    ['with a mask', MASK],
  ])('equals a loop over tokens and slots %s', (_title, mask) => {
    const expected = slowWeights(TOKENS, PHI, SCALE, mask ?? realOnly);
    const {dispatch, combine} = softMoEWeights(...tensors(), mask && {mask: tf.tensor2d(mask, [B, S])});
    expectClose(dispatch, expected.dispatch, ROUNDING);
    expectClose(combine, expected.combine, ROUNDING);
  });

  test('every slot shares out a whole sequence, and every token all slots', () => {
    const {dispatch, combine} = softMoEWeights(...tensors());
    expectClose(tf.sum(dispatch, 1), new Array(B * N).fill(1), ROUNDING);
    expectClose(tf.sum(combine, 2), new Array(B * S).fill(1), ROUNDING);
  });

  test.each([
    ['without a mask', undefined],
    ['with a mask', MASK],
  ])('the gradients equal differences of the loop in float64 %s', (_title, mask) => {
    const [u, v] = [numbers(3, B * S * N), numbers(4, B * S * N)];
    const slowLoss = (tokens: number[], phi: number[], scale: number) => {
      const {dispatch, combine} = slowWeights(tokens, phi, scale, mask ?? realOnly);
      return dispatch.reduce((sum, w, i) => sum + w * u[i]! + combine[i]! * v[i]!, 0);
    };
    const step = 1e-5;
    const bump = (values: number[], i: number, by: number) => values.map((x, j) => (j === i ? x + by : x));
    const slope = (loss: (by: number) => number) => (loss(step) - loss(-step)) / (2 * step);

    const gradients = tf.grads((x, phi, scale) => {
      const options = mask && {mask: tf.tensor2d(mask, [B, S])};
      const {dispatch, combine} = softMoEWeights(x as tf.Tensor3D, phi as tf.Tensor2D, scale as tf.Scalar, options);
      const [us, vs] = [tf.tensor3d(u, [B, S, N]), tf.tensor3d(v, [B, S, N])];
      return tf.sum(tf.add(tf.mul(dispatch, us), tf.mul(combine, vs)));
    })([...tensors()]);
    const ofTokens = TOKENS.map((_, i) => slope(by => slowLoss(bump(TOKENS, i, by), PHI, SCALE)));
    const ofPhi = PHI.map((_, i) => slope(by => slowLoss(TOKENS, bump(PHI, i, by), SCALE)));
    expectClose(gradients[0]!, ofTokens, 2e-5);
    expectClose(gradients[1]!, ofPhi, 2e-5);
    expectClose(gradients[2]!, [slope(by => slowLoss(TOKENS, PHI, SCALE + by))], 2e-5);
  });

  test('what padded tokens hold, be it NaN, changes neither weights nor gradients', () => {
    const mask = tf.tensor2d(MASK, [B, S]);
    const run = (padding: number) => {
      const values = TOKENS.map((x, i) => (MASK[Math.floor(i / D)] ? x : padding));
      const loss = (x: tf.Tensor, phi: tf.Tensor, scale: tf.Tensor) => {
        const weights = softMoEWeights(x as tf.Tensor3D, phi as tf.Tensor2D, scale as tf.Scalar, {mask});
        return tf.sum(tf.square(tf.add(weights.dispatch, tf.mul(2, weights.combine))));
      };
      const [, phi, scale] = tensors();
      const {value, grads} = tf.valueAndGrads(loss)([tf.tensor3d(values, [B, S, D]), phi, scale]);
      return [...list(value), ...grads.flatMap(list)];
    };
    const expected = run(0);
    for (const padding of [Number.NaN, 50, Number.POSITIVE_INFINITY]) expectClose(run(padding), expected, 0);
    const ofPadding = expected.slice(1, 1 + B * S * D).filter((_, i) => !MASK[Math.floor(i / D)]);
    expectClose(ofPadding, new Array(ofPadding.length).fill(0), 0);
  });

  test('padding takes no share however large the scale', () => {
    // Two real tokens opposite to the slot have logits -1e6; a padded one, cleared to zeros, would have 0 and take all.
    const tokens = tf.tensor3d([-1, -1, 7], [1, 3, 1]);
    const mask = tf.tensor2d([1, 1, 0], [1, 3]);
    const {dispatch} = softMoEWeights(tokens, tf.tensor2d([[1]]), tf.scalar(1e6), {mask});
    expectClose(dispatch, [0.5, 0.5, 0], ROUNDING);
  });

  test('a sequence of only padding gives zeros with zero gradients', () => {
    const mask = tf.tensor2d([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], [B, S]);
    const [x, phi, scale] = tensors();
    const {dispatch, combine} = softMoEWeights(x, phi, scale, {mask});
    for (const weights of [dispatch, combine]) {
      expectClose(tf.slice(weights, [1, 0, 0], [1, S, N]), new Array(S * N).fill(0), 0);
    }
    const gradient = tf.grad(y => {
      const weights = softMoEWeights(y as tf.Tensor3D, phi, scale, {mask});
      return tf.sum(tf.square(tf.add(weights.dispatch, tf.mul(2, weights.combine))));
    })(x);
    expectFinite(gradient);
    expectClose(tf.slice(gradient, [1, 0, 0], [1, S, D]), new Array(S * D).fill(0), 0);
  });

  test('zero vectors give uniform weights and finite gradients', () => {
    const loss = (x: tf.Tensor, phi: tf.Tensor, scale: tf.Tensor) =>
      tf.sum(tf.square(softMoEWeights(x as tf.Tensor3D, phi as tf.Tensor2D, scale as tf.Scalar).dispatch));
    const [x, phi] = [tf.zeros<tf.Rank.R3>([B, S, D]), tf.zeros<tf.Rank.R2>([D, N])];
    const {dispatch, combine} = softMoEWeights(x, phi, tf.scalar(1));
    expectClose(dispatch, new Array(B * S * N).fill(1 / S), ROUNDING);
    expectClose(combine, new Array(B * S * N).fill(1 / N), ROUNDING);
    tf.grads(loss)([x, tf.tensor2d(PHI, [D, N]), tf.scalar(1)]).forEach(expectFinite);
    tf.grads(loss)([tf.tensor3d(TOKENS, [B, S, D]), phi, tf.scalar(1)]).forEach(expectFinite);
  });

  test('a single slot is combined whole, and an empty batch or sequence gives empty weights', () => {
    const [x, , scale] = tensors();
    expectClose(softMoEWeights(x, tf.ones([D, 1]), scale).combine, new Array(B * S).fill(1), ROUNDING);
    expect(softMoEWeights(tf.zeros([2, 0, D]), tf.ones([D, N]), scale).dispatch.shape).toEqual([2, 0, N]);
    expect(softMoEWeights(tf.zeros([0, 2, D]), tf.ones([D, N]), scale).combine.shape).toEqual([0, 2, N]);
  });

  test('leaves no tensor behind but its two results', () => {
    const inputs = tensors();
    const mask = tf.tensor2d(MASK, [B, S]);
    const before = tf.memory().numTensors;
    softMoEWeights(...inputs, {mask});
    expect(tf.memory().numTensors).toBe(before + 2);
  });

  test('shapes that do not match are refused', () => {
    const [x, phi, scale] = tensors();
    expect(() => softMoEWeights(x, tf.ones([D + 1, N]), scale)).toThrow(
      'softMoEWeights: phi must have shape [features, slots] = [3, any], but got [4, 4].',
    );
    expect(() => softMoEWeights(x, tf.ones([D, 0]), scale)).toThrow(
      'softMoEWeights: phi must have at least one feature and one slot, but got [3, 0].',
    );
    expect(() => softMoEWeights(x, phi, tf.ones([1]))).toThrow(
      'softMoEWeights: scale must have shape of a scalar = [], but got [1].',
    );
    expect(() => softMoEWeights(x, phi, scale, {mask: tf.ones([S, B])})).toThrow(
      'softMoEWeights: mask must have shape [batch, sequence] = [2, 5], but got [5, 2].',
    );
  });
});
