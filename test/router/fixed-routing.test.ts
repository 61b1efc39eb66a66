import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {balancedHashTable, hashRouting} from '../../src/router/hash-routing.js';
import {lshRouting} from '../../src/router/lsh-routing.js';
import {randomRouting} from '../../src/router/random-routing.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {injected} from '../support/injected.js';
import {numCases} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import type {Rows} from './reference.js';
import {sum} from './slow-routing.js';

const int = (values: number[]) => tf.tensor1d(values, 'int32');

eachBackend('hashRouting', () => {
  test("gives each token its table's expert, with weight 1 and a one-hot", () => {
    const {indices, weights, probs} = hashRouting(int([2, 0, 3]), {numExperts: 3, table: [0, 1, 2, 2]});
    expect(indices.dtype).toBe('int32');
    expect(indices.arraySync()).toEqual([[2], [0], [2]]);
    expect(weights.arraySync()).toEqual([[1], [1], [1]]);
    expect(probs.arraySync()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
      [0, 0, 1],
    ]);
  });

  test('does not look at the ids of padding', () => {
    const mask = tf.tensor1d([0, 1, 0], 'bool');
    const {indices, weights, probs} = hashRouting(int([-1, 1, 99]), {numExperts: 2, table: [0, 1], mask});
    expect(list(indices)).toEqual([-1, 1, -1]);
    expect(list(weights)).toEqual([0, 1, 0]);
    expect(list(probs)).toEqual([0, 0, 0, 1, 0, 0]);
  });

  test('works for no tokens and for one expert', () => {
    const {indices, probs} = hashRouting(int([]), {numExperts: 2, table: [0, 1]});
    expect([indices.shape, probs.shape]).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(list(hashRouting(int([0, 1]), {numExperts: 1, table: [0, 0]}).indices)).toEqual([0, 0]);
  });

  test.skipIf(!ON_HOST)(`refuses ids and tables that do not fit, and goes on working${WHY_ON_HOST}`, () => {
    const route = (ids: number[], table: number[]) => () => hashRouting(int(ids), {numExperts: 2, table});
    expect(route([0, 2], [0, 1])).toThrow('hashRouting: tokenIds[1] must be a whole number from 0 to 1, but got 2.');
    expect(route([-1], [0, 1])).toThrow('hashRouting: tokenIds[0] must be');
    expect(route([0], [0, 2])).toThrow('hashRouting: table[1] must be a whole number from 0 to 1, but got 2.');
    expect(route([0], [0.5])).toThrow('hashRouting: table[0] must be a whole number');
    expect(() => hashRouting(int([0]), {numExperts: 1, table: [0], mask: tf.ones([2])})).toThrow(
      'hashRouting: mask must have shape [tokens] = [1], but got [2].',
    );
    expect(route([0], [1])).not.toThrow();
  });
});

test('balancedHashTable gives the next most frequent id to the least loaded expert', () => {
  // 5 to expert 0, 3 and 3 to expert 1, and 1 to expert 0, which has 5 and not 6. Now both have 6 and two ids: 0 is the lower.
  expect(Array.from(balancedHashTable([1, 5, 3, 3, 0], 2))).toEqual([0, 0, 1, 1, 0]);
  // Ids that never occur are spread by their number.
  expect(Array.from(balancedHashTable([0, 0, 0, 0], 2))).toEqual([0, 1, 0, 1]);
  expect(balancedHashTable([], 3).length).toBe(0);
});

test('balancedHashTable is off balance by at most the largest frequency', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(100), {minLength: 1, maxLength: 40}),
      fc.integer({min: 1, max: 6}),
      (frequencies, numExperts) => {
        const table = balancedHashTable(frequencies, numExperts);
        const loads = Array.from({length: numExperts}, (_, e) => sum(frequencies.filter((_f, id) => table[id] === e)));
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(Math.max(...frequencies));
      },
    ),
    {seed: 2, numRuns: numCases(50)},
  );
});

test('balancedHashTable refuses frequencies that are none', () => {
  expect(() => balancedHashTable([1, -2], 2)).toThrow(
    'balancedHashTable: frequencies[1] must be a finite number of at least 0, but got -2.',
  );
  expect(() => balancedHashTable([Number.NaN], 2)).toThrow('frequencies[0]');
  expect(() => balancedHashTable([1], 0)).toThrow('balancedHashTable: numExperts must be a whole number');
});

eachBackend('lshRouting', () => {
  const tokens = (numTokens: number, width = 6, seed = 4) =>
    tf.tensor2d(numbers(seed, numTokens * width), [numTokens, width]);
  const expertsOf = (x: tf.Tensor2D, numExperts = 8, seed = 3) =>
    list(lshRouting(x, {numExperts, random: seeded(seed)}).indices);

  test('the bits of the expert are the signs of the projections', () => {
    // Radii sqrt(-2 ln u) = sqrt(2) at angles of 1/8 and 3/8 of a turn: the matrix [[1, 1], [-1, 1]], whose columns are
    // (1, -1) for bit 0 and (1, 1) for bit 1.
    const random = injected([Math.exp(-1), 1 / 8, Math.exp(-1), 3 / 8]);
    const x = tf.tensor2d([
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]);
    expect(list(lshRouting(x, {numExperts: 4, random}).indices)).toEqual([3, 0, 2, 1]);
  });

  test('the same seed routes alike, also from one source used again, and another seed otherwise', () => {
    const random = seeded(3);
    const x = tokens(60);
    const again = () => list(lshRouting(x, {numExperts: 8, random}).indices);
    expect(again()).toEqual(again());
    expect(again()).toEqual(expertsOf(x));
    expect(expertsOf(x, 8, 5)).not.toEqual(expertsOf(x));
  });

  test('depends on the direction alone, and opposite tokens get opposite bits', () => {
    const x = tokens(30);
    expect(expertsOf(tf.mul(x, 0.01))).toEqual(expertsOf(x));
    expect(expertsOf(tf.neg(x))).toEqual(expertsOf(x).map(e => 7 - e));
    expect(new Set(expertsOf(tokens(300))).size).toBe(8);
  });

  test('takes padding out, whatever it holds, and works for no tokens and one expert', () => {
    const x = tf.tensor2d([
      [Number.NaN, 0],
      [1, 2],
      [3, 4],
    ]);
    const {indices, weights} = lshRouting(x, {numExperts: 4, random: seeded(1), mask: tf.tensor1d([0, 1, 0])});
    expect(list(indices).map(e => e === -1)).toEqual([true, false, true]);
    expect(list(weights)).toEqual([0, 1, 0]);
    expect(lshRouting(tf.zeros([0, 3]), {numExperts: 4, random: seeded(1)}).indices.shape).toEqual([0, 1]);
    expect(expertsOf(tokens(3), 1)).toEqual([0, 0, 0]);
  });

  test.skipIf(!ON_HOST)(
    `refuses NaN, no features, and numbers of experts that are not powers of two${WHY_ON_HOST}`,
    () => {
      const options = {numExperts: 4, random: seeded(1)};
      expect(() => lshRouting(tf.tensor2d([[0], [Number.NaN]]), options)).toThrow(
        'lshRouting: token 1 must be finite, but has NaN or Infinity.',
      );
      expect(() => lshRouting(tf.zeros([2, 0]), options)).toThrow('lshRouting: tokens must have at least one feature');
      expect(() => lshRouting(tf.zeros([2, 3]), {...options, numExperts: 6})).toThrow(
        'lshRouting: numExperts must be a power of two, but got 6.',
      );
    },
  );
});

eachBackend('randomRouting', () => {
  test('each pair of experts is as likely as any other, in either order', () => {
    const numTokens = 3000;
    const {indices, weights, probs} = randomRouting(tf.zeros([numTokens, 4]), {
      topK: 2,
      training: true,
      random: seeded(5),
    });
    const counts = new Array<number>(16).fill(0);
    for (const [a, b] of indices.arraySync() as Rows) ++counts[4 * a! + b!]!;
    expect([0, 5, 10, 15].map(i => counts[i])).toEqual([0, 0, 0, 0]);
    const pairs = counts.filter((_, i) => i % 5 !== 0);
    expect(chiSquare(pairs, new Array(12).fill(numTokens / 12))).toBeLessThan(chiSquareBound(11));
    expect(new Set([...list(weights), ...list(probs)])).toEqual(new Set([0.5, 0.25]));
  });

  test('goes round without training, and draws nothing', () => {
    const {indices} = randomRouting(tf.zeros([4, 3]), {topK: 2, random: injected([])});
    expect(indices.arraySync()).toEqual([
      [0, 1],
      [2, 0],
      [1, 2],
      [0, 1],
    ]);
  });

  test('never takes an expert at -Infinity', () => {
    const logits = tf.tile(tf.tensor2d([[0, Number.NEGATIVE_INFINITY, 0]]), [20, 1]) as tf.Tensor2D;
    for (const training of [true, false]) {
      const {indices} = randomRouting(logits, {topK: 2, training, random: seeded(1)});
      expect(list(indices)).not.toContain(1);
    }
  });
});
