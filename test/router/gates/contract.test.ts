// What every router with a sparse gradient promises, whatever its formula.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {seeded} from 'tfjs-moe/router';
import {describe, expect, test} from 'vitest';
import {denseMixer} from '../../../src/router/gates/dense-mixer.js';
import {sparseMixer} from '../../../src/router/gates/sparse-mixer.js';
import {sparseMixerV2} from '../../../src/router/gates/sparse-mixer-v2.js';
import {sparseMixerV2Star} from '../../../src/router/gates/sparse-mixer-v2-star.js';
import {sparseReinmax} from '../../../src/router/gates/sparse-reinmax.js';
import {sparseStraightThrough} from '../../../src/router/gates/sparse-straight-through.js';
import type {Router, RouterOptions, Routing} from '../../../src/router/types.js';
import {ON_HOST, WHY_ON_HOST} from '../../support/device.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, expectFinite, list} from '../../support/expect-close.js';
import {numCases} from '../../support/long-tests.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';

/** float32 sums of some terms of magnitude one. */
const ROUNDING = 2e-6;

/** Each with the largest K that the tests ask of it. */
const ROUTERS: [string, Router, number][] = [
  ['sparseMixer', sparseMixer, 1],
  ['sparseMixerV2', sparseMixerV2, 3],
  ['sparseMixerV2Star', sparseMixerV2Star, 3],
  ['sparseReinmax', sparseReinmax, 3],
  ['sparseReinmax at temperature 1.5', (x, options) => sparseReinmax(x, {...options, temperature: 1.5}), 3],
  ['sparseStraightThrough', (x, options) => sparseStraightThrough(x, {...options, temperature: 0.7}), 3],
  ['denseMixer', denseMixer, 3],
];

const EXPERTS = 5;
/** So close that the mask of SparseMixer keeps all. */
const values = numbers(3, 6 * EXPERTS, 1, 1.2);
const logits = () => tf.tensor2d(values, [6, EXPERTS]);

const tensorsOf = (routing: Routing): tf.Tensor[] => Object.values(routing).filter(v => v instanceof tf.Tensor);

/** The gradient of sum_tk c_tk weight_tk, with other numbers c for each entry, and of the unchosen weights where there are any. */
function gradientOf(route: Router, x: tf.Tensor2D, options: RouterOptions): tf.Tensor {
  return tf.grad(y => {
    const {weights, unchosen} = route(y as tf.Tensor2D, options);
    const weighted = (w: tf.Tensor, seed: number) => tf.sum(tf.mul(w, tf.tensor(numbers(seed, w.size), w.shape)));
    return unchosen ? tf.add(weighted(weights, 1), weighted(unchosen, 2)) : weighted(weights, 1);
  })(x);
}

describe.each(ROUTERS)('%s', (_name, route, maxTopK) => {
  eachBackendAndKernels('a sparse router', () => {
    test('gives int32 indices of different experts, float32 weights from 0 to 1 and probabilities that sum to 1', () => {
      for (const training of [true, false]) {
        for (let topK = 1; topK <= maxTopK; ++topK) {
          const routing = route(logits(), {topK, training, random: seeded(topK)});
          const {indices, weights, probs} = routing;
          expect([indices.shape, indices.dtype]).toEqual([[6, topK], 'int32']);
          expect([weights.shape, weights.dtype]).toEqual([[6, topK], 'float32']);
          expect([probs.shape, probs.dtype]).toEqual([[6, EXPERTS], 'float32']);
          const rows = indices.arraySync();
          expect(rows.every(row => new Set(row).size === topK && row.every(e => e >= 0 && e < EXPERTS))).toBe(true);
          expect(list(weights).every(w => w > 0 && w <= 1)).toBe(true);
          expectClose(tf.sum(probs, 1), new Array(6).fill(1), ROUNDING);
        }
      }
    });

    test('takes the largest logits without training, of equal ones the first, whatever the source of noise', () => {
      const topK = Math.min(2, maxTopK);
      const x = tf.tensor2d([
        [1, 1.1, 1.2, 1.15],
        [2, 2, 2, 2],
        [1.3, 1, 1.3, 1.2],
      ]);
      const expected = [2, 3, 0, 1, 0, 2].filter((_, i) => i % 2 < topK);
      for (const seed of [1, 2]) expectClose(route(x, {topK, random: seeded(seed)}).indices, expected, 0);
      expectClose(route(x, {topK}).weights, list(route(x, {topK}).weights), 0);
    });

    test('gives the same routing from the same seed', () => {
      const [a, b] = [4, 4].map(seed => route(logits(), {topK: maxTopK, training: true, random: seeded(seed)}));
      tensorsOf(a!).forEach((tensor, i) => {
        expectClose(tensor, list(tensorsOf(b!)[i]!), 0);
      });
    });

    test('has a gradient that sums to 0 over the experts', () => {
      for (const training of [true, false]) {
        const gradient = gradientOf(route, logits(), {topK: maxTopK, training, random: seeded(5)});
        expectClose(tf.sum(gradient, 1), new Array(6).fill(0), ROUNDING);
        expect(list(tf.max(tf.abs(gradient), 1)).every(g => g > 1e-4)).toBe(true);
      }
    });

    test.each(['bool', 'int32', 'float32'] as const)(
      'leaves padding behind a %s mask without a choice, be it NaN',
      dtype => {
        const mask = tf.cast(tf.tensor1d([1, 0, 1, 1, 0, 1]), dtype) as tf.Tensor1D;
        const isReal = [1, 0, 1, 1, 0, 1];
        const x = tf.tensor2d(
          values.map((v, i) => (isReal[Math.floor(i / EXPERTS)] ? v : Number.NaN)),
          [6, EXPERTS],
        );
        for (const training of [true, false]) {
          const options = {topK: maxTopK, training};
          const [padded, whole] = [
            route(x, {...options, mask, random: seeded(6)}),
            route(logits(), {...options, random: seeded(6)}),
          ];
          // The noise of a token does not depend on its neighbours' masks.
          const masked = (tensor: tf.Tensor, blank: number) =>
            list(tensor).map((v, i) => (isReal[Math.floor((6 * i) / tensor.size)] ? v : blank));
          expectClose(padded.indices, masked(whole.indices, -1), 0);
          for (const key of ['weights', 'probs', 'expertGradientWeights', 'unchosen'] as const) {
            expect(padded[key] === undefined).toBe(whole[key] === undefined);
            if (padded[key]) expectClose(padded[key], masked(whole[key]!, 0), 0);
          }
          const gradient = gradientOf(route, x, {...options, mask, random: seeded(6)});
          const ofWhole = gradientOf(route, logits(), {...options, random: seeded(6)});
          expectClose(gradient, masked(ofWhole, 0), 0);
          const ofProbs = tf.grad(y => tf.sum(tf.square(route(y as tf.Tensor2D, {...options, mask}).probs)))(x);
          expectClose(tf.slice(ofProbs, [1, 0], [1, EXPERTS]), new Array(EXPERTS).fill(0), 0);
          expectFinite(ofProbs);
        }
      },
    );

    test('chooses nothing for a batch that is all padding', () => {
      const options = {topK: maxTopK, training: true, mask: tf.zeros([6]) as tf.Tensor1D};
      const {indices, weights} = route(logits(), options);
      expectClose(indices, new Array(6 * maxTopK).fill(-1), 0);
      expectClose(weights, new Array(6 * maxTopK).fill(0), 0);
      expectClose(gradientOf(route, logits(), options), new Array(6 * EXPERTS).fill(0), 0);
    });

    test('never chooses an expert at -Infinity, which gets the gradient 0', () => {
      const never = Number.NEGATIVE_INFINITY;
      const x = tf.tensor2d(new Array(50).fill([1, never, 1.1, 1.05, never]));
      for (const training of [true, false]) {
        const options = {topK: maxTopK, training, random: seeded(7)};
        expect(list(route(x, options).indices).every(e => [0, 2, 3].includes(e))).toBe(true);
        const gradient = gradientOf(route, x, options);
        expectFinite(gradient);
        expectClose(tf.gather(gradient, tf.tensor1d([1, 4], 'int32'), 1), new Array(100).fill(0), 0);
      }
    });

    test.skipIf(!ON_HOST)(`refuses a real token that leaves nothing to choose from, and NaN${WHY_ON_HOST}`, () => {
      const none = tf.fill([1, 3], Number.NEGATIVE_INFINITY) as tf.Tensor2D;
      const broken = tf.tensor2d([[1, Number.NaN, 2]]);
      for (const training of [true, false]) {
        expect(() => route(none, {training})).toThrow(/(token|row) 0 .*(finite logits|nothing to choose from)/);
        expect(() => route(broken, {training})).toThrow(/(token|row) 0 .*(finite logits|nothing to choose from)/);
      }
    });

    test('works on a single expert, which has weight 1 and the gradient 0', () => {
      const x = tf.tensor2d([-3, 0, 1e4], [3, 1]);
      for (const training of [true, false]) {
        const {indices, weights} = route(x, {training});
        expectClose(indices, [0, 0, 0], 0);
        // A drawn single expert is the likeliest one, and has the full weight.
        expectClose(weights, [1, 1, 1], ROUNDING);
        expectClose(gradientOf(route, x, {training}), [0, 0, 0], ROUNDING);
      }
    });

    test('gives empty tensors and an empty gradient for no tokens', () => {
      const x = tf.zeros([0, EXPERTS]) as tf.Tensor2D;
      for (const mask of [undefined, tf.zeros([0]) as tf.Tensor1D]) {
        const options = {topK: maxTopK, training: true, ...(mask && {mask})};
        const routing = route(x, options);
        expect([routing.indices.shape, routing.indices.dtype]).toEqual([[0, maxTopK], 'int32']);
        expect([routing.weights.shape, routing.probs.shape]).toEqual([
          [0, maxTopK],
          [0, EXPERTS],
        ]);
        const gradient = tf.grad(y => route(y as tf.Tensor2D, options).weights)(x);
        expect(gradient.shape).toEqual([0, EXPERTS]);
      }
    });

    test('is finite in value and gradient for random sizes and logits up to 1e4', () => {
      const logit = fc.oneof(
        fc.double({min: -3, max: 3, noNaN: true}),
        fc.constantFrom(0, 1e4, -1e4, 1e-30, Number.NEGATIVE_INFINITY),
      );
      const batch = fc
        .record({experts: fc.integer({min: 1, max: 6}), tokens: fc.integer({min: 1, max: 4})})
        .chain(({experts, tokens}) =>
          fc.record({
            rows: fc.array(fc.array(logit, {minLength: experts, maxLength: experts}), {
              minLength: tokens,
              maxLength: tokens,
            }),
            topK: fc.integer({min: 1, max: Math.min(maxTopK, experts)}),
            training: fc.boolean(),
            seed: fc.nat(1000),
          }),
        )
        .filter(({rows, topK}) => rows.every(row => row.filter(Number.isFinite).length >= topK));
      fc.assert(
        fc.property(batch, ({rows, topK, training, seed}) => {
          tf.tidy(() => {
            const x = tf.tensor2d(rows);
            const options = {topK, training, random: seeded(seed)};
            for (const tensor of tensorsOf(route(x, options))) expectFinite(tensor);
            expectFinite(gradientOf(route, x, options));
          });
        }),
        {seed: 8, numRuns: numCases(30)},
      );
    });

    test('leaves no tensor behind but those of its routing', () => {
      const [x, mask] = [logits(), tf.tensor1d([1, 1, 0, 1, 0, 1])];
      const options = {topK: maxTopK, training: true, mask, random: seeded(9)};
      const before = tf.memory().numTensors;
      const routing = route(x, options);
      expect(tf.memory().numTensors).toBe(before + tensorsOf(routing).length);
      tf.dispose(tensorsOf(routing));
      gradientOf(route, x, options).dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    test('refuses logits of another rank, a topK out of range and a mask of another length', () => {
      expect(() => route(tf.zeros([3]) as unknown as tf.Tensor2D)).toThrow('logits must have shape [tokens, experts]');
      expect(() => route(tf.zeros([3, 0]))).toThrow('at least one expert');
      expect(() => route(tf.zeros([3, 2]), {topK: 0})).toThrow(/topK must be/);
      expect(() => route(tf.zeros([3, 2]), {topK: 3})).toThrow(/topK .*3/);
      expect(() => route(tf.zeros([3, 2]), {mask: tf.zeros([2])})).toThrow(
        'mask must have shape [tokens] = [3], but got [2].',
      );
    });
  });
});
