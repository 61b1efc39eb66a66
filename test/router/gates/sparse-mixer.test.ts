import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/router';
import {describe, expect, test} from 'vitest';
import {jitterMask} from '../../../src/router/gates/jitter-mask.js';
import {sparseMixer} from '../../../src/router/gates/sparse-mixer.js';
import type {SparseMixerOptions} from '../../../src/router/gates/sparse-mixer-routing.js';
import {sparseMixerV2} from '../../../src/router/gates/sparse-mixer-v2.js';
import {sparseMixerV2Star} from '../../../src/router/gates/sparse-mixer-v2-star.js';
import type {Routing} from '../../../src/router/types.js';
import {ON_HOST, WHY_ON_HOST} from '../../support/device.js';
import {expectClose, list} from '../../support/expect-close.js';
import {numDraws} from '../../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../../support/statistics.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';
import {softmax} from '../reference.js';
import {maskedSoftmax} from './exact-draws.js';

/** float32 against float64 for numbers up to one. */
const ROUNDING = 1e-6;

type SparseMixer = (logits: tf.Tensor2D, options: SparseMixerOptions) => Routing;

/** Each with P(B = 1), the fraction otherwise, the temperature, and the factor of the gradient. */
const VERSIONS: [string, SparseMixer, {heads: number; fraction: number; temperature: number; factor: number}][] = [
  ['sparseMixer', sparseMixer, {heads: 1 / 2, fraction: 1 / 2, temperature: 1, factor: 2}],
  ['sparseMixerV2', sparseMixerV2, {heads: 1 / 4, fraction: 1 / 3, temperature: 1, factor: 1}],
  ['sparseMixerV2Star', sparseMixerV2Star, {heads: 5 / 8, fraction: 1 / 3, temperature: 2, factor: 2}],
];

/** 1 where the mask drops, as the reference writes it. */
const dropped = (rows: number[][], jitter: number) =>
  list(jitterMask(tf.tensor2d(rows), jitter)).map(v => Number(v === Number.NEGATIVE_INFINITY));

eachBackendAndKernels('jitterMask', () => {
  test('drops what the published formula drops', () => {
    // At jitter 0.1. 0.245 stands for a 0.24 whose ratio is 0.2 in real numbers and falls either way by rounding.
    expect(dropped([[-1, -1.1, -3, -1.3]], 0.1)).toEqual([0, 0, 1, 1]);
    expect(dropped([[0, 0, -0.01, -1]], 0.1)).toEqual([0, 0, 1, 1]);
    expect(dropped([[0.3, -0.2, 0.25, 0.245]], 0.1)).toEqual([0, 1, 0, 0]);
  });

  test('does not change when a row is scaled, and does when it is shifted', () => {
    const row = [2, 1.9, 1.5];
    expect(dropped([row], 0.1)).toEqual([0, 0, 1]);
    for (const factor of [1e-3, 0.5, 7, 1e4]) expect(dropped([row.map(z => factor * z)], 0.1)).toEqual([0, 0, 1]);
    expect(dropped([row.map(z => z + 10)], 0.1)).toEqual([0, 0, 0]);
  });

  test('keeps a score whose ratio is the bound itself', () => {
    // (2 - 1.5) / 2 = 1/4 = 2 jitter, in numbers that float32 holds exactly.
    expect(dropped([[2, 1.5, 1.4990234375]], 0.125)).toEqual([0, 0, 1]);
  });

  test('keeps the largest score and its equals, be they zero or negative, at jitter 0', () => {
    expect(dropped([[0, 0, -1e-6]], 0)).toEqual([0, 0, 1]);
    expect(dropped([[-5, -5, -5.001]], 0)).toEqual([0, 0, 1]);
  });

  test('drops -Infinity next to finite scores, at any jitter', () => {
    for (const jitter of [0, 0.1, 100]) expect(dropped([[0, Number.NEGATIVE_INFINITY]], jitter)).toEqual([0, 1]);
  });
});

describe.each(VERSIONS)('%s', (_name, route, {heads, fraction, temperature, factor}) => {
  eachBackendAndKernels('SparseMixer', () => {
    const row = [1.2, 0.5, 0.9, 0.3];
    const kept = [true, false, true, false]; // ratios 0, 0.583, 0.25, 0.75 against 0.4
    const jitter = 0.2;
    const probs = maskedSoftmax(row, kept, temperature);
    const rows = (count: number) => tf.tensor2d(new Array(count).fill(row));

    test('without training weighs the largest logit by the masked softmax, with its ordinary gradient', () => {
      const weigh = (x: tf.Tensor) => route(x as tf.Tensor2D, {jitter}).weights;
      expectClose(route(rows(1), {jitter}).indices, [0], 0);
      expectClose(weigh(rows(1)), [probs[0]!], ROUNDING);
      const gradient = probs.map((p, e) => (probs[0]! * ((e === 0 ? 1 : 0) - p)) / temperature);
      expectClose(tf.grad(weigh)(rows(1)), gradient, ROUNDING);
      expect(route(rows(1), {expertGradient: 'paper'}).expertGradientWeights).toBeUndefined();
    });

    test('masks by a jitter of 0.1 by default', () => {
      // (2 - 1.7) / 2 = 0.15 <= 0.2 < 0.25 = (2 - 1.5) / 2.
      const expected = maskedSoftmax([2, 1.7, 1.5], [true, true, false], temperature);
      expectClose(route(tf.tensor2d([[2, 1.7, 1.5]]), {}).weights, [expected[0]!], ROUNDING);
    });

    test('in training passes the gradient to the probability, whatever the fraction', () => {
      for (const coin of [0, 1]) {
        const options = {
          training: true,
          jitter,
          given: tf.tensor2d([[2]], [1, 1], 'int32'),
          givenCoin: tf.tensor2d([[coin]]),
        };
        const weigh = (x: tf.Tensor) => route(x as tf.Tensor2D, options).weights;
        expectClose(weigh(rows(1)), [probs[2]! * (coin ? 1 : fraction)], ROUNDING);
        const gradient = probs.map((p, e) => (factor * probs[2]! * ((e === 2 ? 1 : 0) - p)) / temperature);
        expectClose(tf.grad(weigh)(rows(1)), gradient, ROUNDING);
      }
    });

    test('gives the likeliest expert its full probability, and does not without the argmax rule', () => {
      const options = {
        training: true,
        jitter,
        given: tf.tensor2d([[0]], [1, 1], 'int32'),
        givenCoin: tf.tensor2d([[0]]),
      };
      expectClose(route(rows(1), options).weights, [probs[0]!], ROUNDING);
      expectClose(route(rows(1), {...options, argmaxRule: false}).weights, [probs[0]! * fraction], ROUNDING);
    });

    test('draws experts by the masked softmax and never a masked one', () => {
      const count = numDraws(4000);
      const {indices} = route(rows(count), {training: true, jitter, random: seeded(11)});
      const counts = [0, 0, 0, 0];
      for (const e of list(indices)) counts[e]!++;
      expect([counts[1], counts[3]]).toEqual([0, 0]);
      const statistic = chiSquare([counts[0]!, counts[2]!], [count * probs[0]!, count * probs[2]!]);
      expect(statistic).toBeLessThan(chiSquareBound(1));
    });

    test('has the full weight with the probability of its coin, apart from the draw', () => {
      // Binomial: the mean is n heads, the deviation sqrt(n heads (1 - heads)); 4 deviations either side, for both experts.
      const {indices, weights} = route(rows(numDraws(4000)), {
        training: true,
        jitter,
        random: seeded(12),
        argmaxRule: false,
      });
      const [drawn, values] = [list(indices), list(weights)];
      for (const expert of [0, 2]) {
        const shares = values.filter((_, t) => drawn[t] === expert).map(w => w / probs[expert]!);
        expect(shares.every(s => Math.min(Math.abs(s - 1), Math.abs(s - fraction)) < 1e-5)).toBe(true);
        const full = shares.filter(s => s > 0.9).length;
        const deviation = Math.sqrt(shares.length * heads * (1 - heads));
        expect(Math.abs(full - shares.length * heads)).toBeLessThan(4 * deviation);
      }
    });

    test('multiplies the gradient of the expert by the weight under code and by the probability under paper', () => {
      const options = {
        training: true,
        jitter,
        given: tf.tensor2d([[2]], [1, 1], 'int32'),
        givenCoin: tf.tensor2d([[0]]),
      };
      expect(route(rows(1), {...options, expertGradient: 'code'}).expertGradientWeights).toBeUndefined();
      // 2*: y = 2h + stopGradient(s h - 2h) has the derivative 2 p_D in the expert's output; the others' y = h + stopGradient(s h - h) has p_D.
      const twice = route === sparseMixerV2Star ? 2 : 1;
      const paper = route(rows(1), {...options, expertGradient: 'paper'}).expertGradientWeights!;
      expectClose(paper, [twice * probs[2]!], ROUNDING);
      const byDefault = route(rows(1), options).expertGradientWeights;
      expect(byDefault === undefined).toBe(route !== sparseMixerV2Star);
    });

    test.skipIf(!ON_HOST)(`refuses bad options in words${WHY_ON_HOST}`, () => {
      const call = (options: object) => () => route(rows(2), {training: true, ...options});
      expect(call({jitter: -0.1})).toThrow('jitter must be a finite number of at least 0, but got -0.1.');
      expect(call({expertGradient: 'both'})).toThrow('expertGradient must be one of "code", "paper", but got "both".');
      expect(call({given: tf.zeros([1, 1], 'int32')})).toThrow(
        'given must have shape [tokens, topK] = [2, 1], but got [1, 1].',
      );
      expect(call({given: tf.fill([2, 1], 4, 'int32')})).toThrow(
        'given must hold different experts from 0 to 3 in each row, but row 0 is [4].',
      );
      expect(call({givenCoin: tf.zeros([2, 2])})).toThrow(
        'givenCoin must have shape [tokens, topK] = [2, 1], but got [2, 2].',
      );
    });
  });
});

eachBackendAndKernels('SparseMixer', () => {
  const row = [1.2, 0.5, 0.9, 0.3];

  test('the first version has the masked softmax for its probabilities, with its gradient, and the second the whole one', () => {
    const x = tf.tensor2d([row]);
    const kept = [true, false, true, false];
    const square = (route: SparseMixer) => (y: tf.Tensor) =>
      tf.sum(tf.square(route(y as tf.Tensor2D, {jitter: 0.2}).probs));
    const cases: [SparseMixer, number[], number][] = [
      [sparseMixer, maskedSoftmax(row, kept), 1],
      [sparseMixerV2, softmax(row), 1],
      [sparseMixerV2Star, softmax(row.map(z => z / 2)), 2],
    ];
    for (const [route, probs, temperature] of cases) {
      expectClose(route(x, {jitter: 0.2}).probs, probs, ROUNDING);
      const mean = probs.reduce((sum, p) => sum + 2 * p * p, 0);
      const gradient = probs.map(p => (p * (2 * p - mean)) / temperature);
      expectClose(tf.grad(square(route))(x), gradient, ROUNDING);
    }
  });

  test.each([
    ['sparseMixerV2', sparseMixerV2, 1],
    ['sparseMixerV2Star', sparseMixerV2Star, 2],
  ] as [string, SparseMixer, number][])(
    '%s masks each further choice anew, and does not renormalise',
    (_n, route, tau) => {
      // The ratios of the mask, from the best score that is left; a tenth of jitter keeps up to 0.2.
      const z = [2, 1.9, 1.55, 1];
      const kept = [
        [true, true, false, false], // 0, 0.05, 0.225, 0.5
        [false, true, true, false], // 0, 0.184, 0.474
        [false, false, true, false], // 0, 0.355
      ];
      const {indices, weights} = route(tf.tensor2d([z]), {topK: 3});
      expectClose(indices, [0, 1, 2], 0);
      expectClose(
        weights,
        kept.map((mask, k) => maskedSoftmax(z, mask, tau)[k]!),
        ROUNDING,
      );
    },
  );

  test('a further choice is drawn from the softmax of what the earlier ones left', () => {
    const count = numDraws(4000);
    const x = tf.tensor2d(new Array(count).fill(row));
    const {indices} = sparseMixerV2(x, {topK: 2, training: true, jitter: 0.5, random: seeded(13)});
    const pairs = new Map<string, number>();
    for (const pair of indices.arraySync()) pairs.set(pair.join(), (pairs.get(pair.join()) ?? 0) + 1);
    const first = softmax(row);
    const [observed, expected]: [number[], number[]] = [[], []];
    first.forEach((p, i) => {
      // All that are left are kept: the largest ratio is (1.2 - 0.3) / 1.2 = 0.75.
      const second = maskedSoftmax(
        row,
        row.map((_, e) => e !== i),
      );
      second.forEach((q, j) => {
        if (i === j) return;
        observed.push(pairs.get(`${i},${j}`) ?? 0);
        expected.push(count * p * q);
      });
    });
    expect(observed.reduce((a, b) => a + b)).toBe(count);
    expect(chiSquare(observed, expected)).toBeLessThan(chiSquareBound(11));
  });

  test('the first version refuses several experts', () => {
    expect(() => sparseMixer(tf.tensor2d([row]), {topK: 2})).toThrow(
      'sparseMixer: topK must be 1, but got 2. sparseMixerV2 chooses several experts.',
    );
  });
});
