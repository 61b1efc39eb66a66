import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {sparseMixer} from '../../../src/router/gates/sparse-mixer.js';
import type {SparseMixerOptions} from '../../../src/router/gates/sparse-mixer-routing.js';
import {sparseMixerV2} from '../../../src/router/gates/sparse-mixer-v2.js';
import {sparseMixerV2Star} from '../../../src/router/gates/sparse-mixer-v2-star.js';
import {sparseReinmax} from '../../../src/router/gates/sparse-reinmax.js';
import {sparseStraightThrough} from '../../../src/router/gates/sparse-straight-through.js';
import type {Routing} from '../../../src/router/types.js';
import {expectClose} from '../../support/expect-close.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';
import {softmax} from '../reference.js';
import {
  CUBIC,
  detachedGradient,
  EXPERTS,
  expectedGradient,
  type GivenRouter,
  LINEAR,
  maskedSoftmax,
  type Objective,
  QUADRATIC,
  QUARTIC,
  relativeError,
  trueGradient,
  unweightedGradient,
} from './exact-draws.js';

/** float32 sums of a dozen terms against float64, relative to the norm of the gradient. */
const ROUNDING = 3e-6;

/** From here on an estimate is called biased: four orders above the rounding. */
const BIASED = 0.02;

const LOGITS = [1.2, 0.5, 0.9, 0.3];
const ALL = [true, true, true, true];
/** Keeps all four: the least ratio of the mask is (1.2 - 0.3) / 1.2 = 0.75 <= 2 * 0.5. */
const KEEP_ALL = 0.5;
/** Ratios 0, 0.583, 0.25, 0.75: keeps the first and the third. */
const KEEP_TWO = 0.2;
const TWO = [true, false, true, false];

type SparseMixer = (logits: tf.Tensor2D, options: SparseMixerOptions) => Routing;

const inTraining =
  (route: SparseMixer, argmaxRule: boolean, jitter = KEEP_ALL): GivenRouter =>
  (logits, given, givenCoin) =>
    route(logits, {training: true, jitter, given, givenCoin, argmaxRule});

/** The ordinary gradient of the weight p_D. */
const switchLike: GivenRouter = (logits, given) => sparseMixer(logits, {jitter: KEEP_ALL, given});

/** Each version with its P(B = 1), its temperature, and the gradient that it estimates. */
const V1 = {route: sparseMixer, heads: 1 / 2, temperature: 1, truth: trueGradient};
const V2 = {route: sparseMixerV2, heads: 1 / 4, temperature: 1, truth: detachedGradient};
const V2_STAR = {route: sparseMixerV2Star, heads: 5 / 8, temperature: 2, truth: trueGradient};

function errorOf(version: typeof V1, f: Objective, argmaxRule: boolean, kept = ALL, jitter = KEEP_ALL): number {
  const {route, heads, temperature, truth} = version;
  const probs = maskedSoftmax(LOGITS, kept, temperature);
  const estimate = expectedGradient(inTraining(route, argmaxRule, jitter), f, LOGITS, probs, heads);
  return relativeError(estimate, truth(f, LOGITS, kept, temperature));
}

describe('over all draws and coins', () => {
  eachBackendAndKernels('the expected gradient', () => {
    test.each([
      ['sparseMixer', 'linear', V1, LINEAR],
      ['sparseMixer', 'quadratic', V1, QUADRATIC],
      ['sparseMixerV2Star', 'linear', V2_STAR, LINEAR],
      ['sparseMixerV2Star', 'quadratic', V2_STAR, QUADRATIC],
      ['sparseMixerV2Star', 'cubic', V2_STAR, CUBIC],
      ['sparseMixerV2', 'linear', V2, LINEAR],
      ['sparseMixerV2', 'quadratic', V2, QUADRATIC],
      ['sparseMixerV2', 'cubic', V2, CUBIC],
    ])(
      'of %s without the argmax rule is exact for %s f, with all experts and with two masked',
      (_n, _f, version, f) => {
        expect(errorOf(version, f, false)).toBeLessThan(ROUNDING);
        expect(errorOf(version, f, false, TWO, KEEP_TWO)).toBeLessThan(ROUNDING);
      },
    );

    test.each([
      ['sparseMixer', 'cubic', V1, CUBIC],
      ['sparseMixer', 'quartic', V1, QUARTIC],
      ['sparseMixerV2Star', 'quartic', V2_STAR, QUARTIC],
      ['sparseMixerV2', 'quartic', V2, QUARTIC],
    ])('of %s without the argmax rule is biased for %s f', (_n, _f, version, f) => {
      expect(errorOf(version, f, false)).toBeGreaterThan(BIASED);
    });

    test.each([
      ['sparseMixer', V1],
      ['sparseMixerV2Star', V2_STAR],
      ['sparseMixerV2', V2],
    ])('of %s with the argmax rule is exact for linear f and biased for quadratic and cubic f', (_n, version) => {
      expect(errorOf(version, LINEAR, true)).toBeLessThan(ROUNDING);
      expect(errorOf(version, QUADRATIC, true)).toBeGreaterThan(BIASED);
      expect(errorOf(version, CUBIC, true)).toBeGreaterThan(BIASED);
    });

    test('of the weight alone has a relative error of one half for linear f', () => {
      // E f = sum p_i (p_i f(expert_i)): its gradient is 2 sum p_i f(expert_i) dp_i, of which the weight sees one.
      const estimate = expectedGradient(switchLike, LINEAR, LOGITS, softmax(LOGITS), 1);
      const error = relativeError(estimate, trueGradient(LINEAR, LOGITS, ALL));
      expect(Math.abs(error - 0.5)).toBeLessThan(ROUNDING);
    });

    test('of sparseMixer is, for linear f, twice the one of the weight alone', () => {
      for (const argmaxRule of [true, false]) {
        const [mixer, alone] = [inTraining(sparseMixer, argmaxRule), switchLike].map(route =>
          expectedGradient(route, LINEAR, LOGITS, softmax(LOGITS), 1 / 2),
        );
        expectClose(
          mixer!,
          alone!.map(v => 2 * v),
          ROUNDING,
        );
      }
    });

    test('of a second choice is exact for cubic f, given the first', () => {
      // Given D1 = 0 the second is drawn from the softmax of the others; with the first one's output held, Heun's rule gives
      // f(first + h) - f(first), whose expectation moves with the probabilities of the second draw.
      const first = EXPERTS[0]!.map(v => 0.4 * v);
      const shifted: Objective = {
        ofVector: y => CUBIC.ofVector(y.map((v, i) => v + first[i]!)),
        ofRows: y => CUBIC.ofRows(tf.add(y, tf.tensor1d(first))),
      };
      const rest = [false, true, true, true];
      const second: GivenRouter = (logits, given, coin) => {
        const firsts = tf.zerosLike(given);
        const routing = sparseMixerV2(logits, {
          topK: 2,
          training: true,
          jitter: KEEP_ALL,
          given: tf.concat([firsts, given], 1),
          givenCoin: tf.concat([tf.zerosLike(coin), coin], 1),
          argmaxRule: false,
        });
        return {...routing, weights: tf.slice(routing.weights, [0, 1], [-1, 1]) as tf.Tensor2D};
      };
      // D2 = 0 cannot be: its rows choose expert 1 with chance 0.
      const probs = maskedSoftmax(LOGITS, rest);
      const rows: GivenRouter = (logits, given, coin) =>
        second(logits, tf.cast(tf.maximum(1, given), 'int32') as tf.Tensor2D, coin);
      const estimate = expectedGradient(rows, shifted, LOGITS, probs, 1 / 4);
      expect(estimate[0]).toBe(0);
      expect(relativeError(estimate, detachedGradient(shifted, LOGITS, rest))).toBeLessThan(ROUNDING);
    });

    test('of sparseReinmax is half of the true one for linear f, exact for a square, and neither at temperature 2', () => {
      // f(y) = (a.y)^2: f(expert) = f'(expert) expert / 2, the half that Heun's rule gives to the derivative at the expert.
      const square: Objective = {
        ofVector: y => LINEAR.ofVector(y) ** 2,
        ofRows: y => tf.square(LINEAR.ofRows(y)),
      };
      const at =
        (temperature: number): GivenRouter =>
        (logits, given) =>
          sparseReinmax(logits, {training: true, given, temperature});
      const estimate = (f: Objective, temperature: number) =>
        expectedGradient(at(temperature), f, LOGITS, softmax(LOGITS), 1);
      const half = unweightedGradient(LINEAR, LOGITS).map(v => v / 2);
      expect(relativeError(estimate(LINEAR, 1), half)).toBeLessThan(ROUNDING);
      expect(relativeError(estimate(square, 1), unweightedGradient(square, LOGITS))).toBeLessThan(ROUNDING);
      expect(relativeError(estimate(LINEAR, 2), half)).toBeGreaterThan(BIASED);
      expect(relativeError(estimate(square, 2), unweightedGradient(square, LOGITS))).toBeGreaterThan(BIASED);
    });

    test('of sparseStraightThrough is sum p_i^2 g_i (e_i - p), which is no multiple of the true one', () => {
      const probs = softmax(LOGITS);
      const straight: GivenRouter = (logits, given) => sparseStraightThrough(logits, {training: true, given});
      const estimate = expectedGradient(straight, LINEAR, LOGITS, probs, 1);
      const expected = probs.map((pk, k) =>
        probs.reduce((sum, p, i) => sum + p * p * LINEAR.ofVector(EXPERTS[i]!) * ((i === k ? 1 : 0) - pk), 0),
      );
      expect(relativeError(estimate, expected)).toBeLessThan(ROUNDING);
      const truth = unweightedGradient(LINEAR, LOGITS);
      const along = (v: number[]) => v.reduce((sum, x, i) => sum + x * truth[i]!, 0);
      const bestMultiple = truth.map(v => (v * along(estimate)) / along(truth));
      expect(relativeError(bestMultiple, estimate)).toBeGreaterThan(BIASED);
    });
  });
});
