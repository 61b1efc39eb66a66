import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {loadLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {standardNormal} from '../../src/random/normal.js';
import {type NoisyTopKRoutingOptions, noisyTopKRouting} from '../../src/router/noisy-top-k-routing.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {injected} from '../support/injected.js';
import {meanAndError} from '../support/statistics.js';
import {flat, type Rows, randomLogits, softmax} from './reference.js';
import {largestOf, lossOf, type SlowRouting, slowGradient} from './slow-routing.js';

/** A softmax of a few numbers near 1 in float32. */
const ROUNDING = 2e-6;
const T = 6;
const E = 5;
const LOGITS = randomLogits(5, T, E);
const NOISE_LOGITS = randomLogits(6, T, E);

/** The noise that `seeded(8)` adds, as nested lists. */
const noise = (): Rows => standardNormal([T, E], seeded(8)).arraySync() as Rows;
const softplus = (x: number) => Math.log1p(Math.exp(x));
const noisyRows = (logits: Rows, std: (t: number, e: number) => number): Rows => {
  const eps = noise();
  return logits.map((row, t) => row.map((z, e) => z + eps[t]![e]! * std(t, e)));
};

function slowNoisy(clean: Rows, noisy: Rows, topK: number, softmaxOver: 'chosen' | 'all'): SlowRouting {
  const indices = noisy.map(row => largestOf(row, topK));
  const weights = noisy.map((row, t) =>
    softmaxOver === 'all' ? indices[t]!.map(e => softmax(row)[e]!) : softmax(indices[t]!.map(e => row[e]!)),
  );
  return {indices, weights, probs: clean.map(softmax)};
}

eachBackend('noisyTopKRouting', () => {
  test.each([
    [1, 'all'],
    [3, 'all'],
    [2, 'chosen'],
    [5, 'chosen'],
  ] as const)(
    'with fixed noise has the numbers and the gradient of a loop in float64: top %i, softmax over %s',
    (topK, softmaxOver) => {
      const slow = (rows: Rows) =>
        slowNoisy(
          rows,
          noisyRows(rows, () => 0.7),
          topK,
          softmaxOver,
        );
      const route = (z: tf.Tensor) =>
        noisyTopKRouting(z as tf.Tensor2D, {topK, softmaxOver, noiseStd: 0.7, training: true, random: seeded(8)});
      const {indices, weights, probs, noisyLogits} = route(tf.tensor2d(LOGITS));
      const expected = slow(LOGITS);
      expect(indices.arraySync()).toEqual(expected.indices);
      expectClose(weights, flat(expected.weights), ROUNDING);
      expectClose(probs, flat(expected.probs), ROUNDING);
      expectClose(noisyLogits!, flat(noisyRows(LOGITS, () => 0.7)), ROUNDING);
      expectClose(tf.grad(z => lossOf(route(z)))(tf.tensor2d(LOGITS)), slowGradient(slow, LOGITS), ROUNDING);
    },
  );

  test('with learned noise has the numbers and both gradients of a loop in float64', () => {
    const slow = (logits: Rows, noiseLogits: Rows) =>
      slowNoisy(
        logits,
        noisyRows(logits, (t, e) => softplus(noiseLogits[t]![e]!) + 0.01),
        2,
        'chosen',
      );
    const route = (z: tf.Tensor, noiseLogits: tf.Tensor) =>
      noisyTopKRouting(z as tf.Tensor2D, {
        topK: 2,
        softmaxOver: 'chosen',
        noiseLogits: noiseLogits as tf.Tensor2D,
        training: true,
        random: seeded(8),
      });
    const [z, n] = [tf.tensor2d(LOGITS), tf.tensor2d(NOISE_LOGITS)];
    const {indices, weights} = route(z, n);
    const expected = slow(LOGITS, NOISE_LOGITS);
    expect(indices.arraySync()).toEqual(expected.indices);
    expectClose(weights, flat(expected.weights), ROUNDING);
    const [ofLogits, ofNoise] = tf.grads((a, b) => lossOf(route(a!, b!)))([z, n]);
    expectClose(
      ofLogits!,
      slowGradient(rows => slow(rows, NOISE_LOGITS), LOGITS),
      ROUNDING,
    );
    expectClose(
      ofNoise!,
      slowGradient(rows => slow(LOGITS, rows), NOISE_LOGITS),
      ROUNDING,
    );
  });

  test('without training there is no noise, whatever noise is asked for, and nothing is drawn', () => {
    const expected = slowNoisy(LOGITS, LOGITS, 2, 'all');
    for (const options of [{noiseStd: 3}, {noiseLogits: tf.tensor2d(NOISE_LOGITS)}, {}]) {
      const routing = noisyTopKRouting(tf.tensor2d(LOGITS), {...options, topK: 2, random: injected([])});
      expect(routing.indices.arraySync()).toEqual(expected.indices);
      expectClose(routing.weights, flat(expected.weights), ROUNDING);
      expect(routing.noisyLogits).toBeUndefined();
    }
  });

  test('noise is that of V-MoE unless told otherwise, 1 / E, and fresh for each token', () => {
    const {noisyLogits} = noisyTopKRouting(tf.zeros([2000, 4]), {training: true, random: seeded(3)});
    const values = list(noisyLogits!);
    expect(new Set(values).size).toBeGreaterThan(7900);
    const {mean, error} = meanAndError(values.map(v => v * v));
    expect(Math.abs(mean - 1 / 16)).toBeLessThan(4 * error);
  });

  test('noise touches nothing but the logits that experts are chosen and weighted by', () => {
    // transformers #33969: the jitter was written into the tensor that the experts read.
    const logits = tf.tensor2d(LOGITS);
    const {probs} = noisyTopKRouting(logits, {noiseStd: 2, training: true, random: seeded(8)});
    expectClose(logits, Float32Array.from(flat(LOGITS)), 0);
    expectClose(probs, flat(LOGITS.map(softmax)), ROUNDING);
  });

  test('says what the deviation of its noise was, and only in training', () => {
    const logits = tf.tensor2d(LOGITS);
    const options = {training: true, random: seeded(8)};
    const numExperts = LOGITS[0]!.length;
    expect(noisyTopKRouting(logits, options).noiseStd).toBe(1 / numExperts);
    expect(noisyTopKRouting(logits, {...options, noiseStd: 0.5}).noiseStd).toBe(0.5);
    const learned = noisyTopKRouting(logits, {...options, noiseLogits: logits}).noiseStd as tf.Tensor;
    expectClose(
      learned,
      flat(LOGITS).map(z => Math.log1p(Math.exp(z)) + 0.01),
      ROUNDING,
    );
    expect(noisyTopKRouting(logits, {noiseStd: 0.5}).noiseStd).toBeUndefined();
  });

  test('its noisy logits are what loadLoss asks for', () => {
    const logits = tf.tensor2d(LOGITS);
    const options = {topK: 2, noiseStd: 0.5};
    const {noisyLogits} = noisyTopKRouting(logits, {...options, training: true, random: seeded(8)});
    expectClose(
      loadLoss(logits, noisyLogits!, options),
      list(loadLoss(logits, tf.tensor2d(noisyRows(LOGITS, () => 0.5)), options)),
      ROUNDING,
    );
  });

  test('is finite at extreme logits of choice and of noise', () => {
    const logits = tf.tensor2d([
      [1e4, -1e4, 0],
      [-1e4, -1e4, -1e4],
      [0, 0, 0],
    ]);
    for (const softmaxOver of ['chosen', 'all'] as const) {
      const route = (z: tf.Tensor, n: tf.Tensor) =>
        noisyTopKRouting(z as tf.Tensor2D, {
          topK: 2,
          softmaxOver,
          noiseLogits: n as tf.Tensor2D,
          training: true,
          random: seeded(2),
        });
      expectFinite(route(logits, tf.neg(logits)).weights);
      for (const gradient of tf.grads((z, n) => lossOf(route(z!, n!)))([logits, tf.neg(logits)]))
        expectFinite(gradient);
    }
  });

  test('padding has no noise and no gradient, whatever its logits of noise are', () => {
    const noiseLogits = tf.tensor2d([
      [0, 1],
      [Number.NaN, Number.NaN],
    ]);
    const route = (n: tf.Tensor) =>
      noisyTopKRouting(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
        {
          noiseLogits: n as tf.Tensor2D,
          training: true,
          random: seeded(2),
          mask: tf.tensor1d([1, 0]),
        },
      );
    const {noisyLogits} = route(noiseLogits);
    expect(list(noisyLogits!).slice(2)).toEqual([0, 0]);
    const gradient = tf.grad(n => lossOf(route(n)))(noiseLogits);
    expectFinite(gradient);
    expect(list(gradient).slice(2)).toEqual([0, 0]);
  });

  test('fixed noise leaves padding at 0', () => {
    const options = {training: true, random: seeded(2), mask: tf.tensor1d([0, 1])};
    expect(list(noisyTopKRouting(tf.ones([2, 2]), options).noisyLogits!).slice(0, 2)).toEqual([0, 0]);
  });

  test('an expert at -Infinity is not brought back by noise', () => {
    const logits = tf.tensor2d([[0, Number.NEGATIVE_INFINITY]]);
    const {indices} = noisyTopKRouting(logits, {noiseStd: 100, training: true, random: seeded(1)});
    expect(list(indices)).toEqual([0]);
  });

  test.skipIf(!ON_HOST)(`refuses what it cannot work with, and goes on working${WHY_ON_HOST}`, () => {
    const route = (options: NoisyTopKRoutingOptions) => () => noisyTopKRouting(tf.zeros([2, 3]), options);
    expect(route({softmaxOver: 'chosen'})).toThrow('noisyTopKRouting: softmaxOver "chosen" needs topK of at least 2');
    expect(route({softmaxOver: 'some' as 'all'})).toThrow(
      'noisyTopKRouting: softmaxOver must be one of "chosen", "all", but got "some".',
    );
    expect(route({noiseStd: -1})).toThrow(
      'noisyTopKRouting: noiseStd must be a finite number of at least 0, but got -1.',
    );
    expect(route({noiseStd: 1, noiseLogits: tf.zeros([2, 3])})).toThrow(
      'noisyTopKRouting: noiseStd and noiseLogits exclude each other',
    );
    expect(route({noiseLogits: tf.zeros([2, 2])})).toThrow(
      'noisyTopKRouting: noiseLogits must have shape of logits = [2, 3], but got [2, 2].',
    );
    expect(route({noiseLogits: tf.fill([2, 3], Number.NaN), training: true})).toThrow(
      'noisyTopKRouting: token 0 must have at least topK (=1) finite logits',
    );
    expect(route({})).not.toThrow();
  });
});
