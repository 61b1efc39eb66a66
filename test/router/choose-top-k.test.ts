import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {chooseTopKOnDevice, chooseTopKOnHost} from '../../src/router/choose-top-k.js';
import {gatherWeightsOnDevice, gatherWeightsOnHost} from '../../src/router/gather-weights.js';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {numCases} from '../support/long-tests.js';

const NEVER = Number.NEGATIVE_INFINITY;
const refuse = (row: number): never => {
  throw new Error(`row ${row}`);
};

type Choose = (scores: tf.Tensor2D, k: number, mask?: tf.Tensor1D) => tf.Tensor2D;
const CHOOSE: [string, Choose][] = [
  ...hostWays<[string, Choose]>('the loop on the host', [
    'the loop on the host',
    (scores, k, mask) => chooseTopKOnHost(scores, k, mask, refuse),
  ]),
  ['rounds of argMax on the device', chooseTopKOnDevice],
];

/** By a stable sort: equal scores keep the order of their indices. */
const sorted = (row: number[], k: number): number[] =>
  row
    .map((_, e) => e)
    .sort((a, b) => row[b]! - row[a]!)
    .slice(0, k);

describe.each(CHOOSE)('chooseTopK by %s', (_title, choose) => {
  eachBackend('a choice', () => {
    test('is what a stable sort gives, ties and masks included, and -1 for padding', () => {
      // Few different scores, so that ties are frequent.
      const score = fc.constantFrom(-1e4, -2, 0, 0.5, 1e4);
      const rows = fc
        .tuple(fc.integer({min: 1, max: 5}), fc.integer({min: 1, max: 6}))
        .chain(([tokens, experts]) =>
          fc.tuple(
            fc.array(fc.array(score, {minLength: experts, maxLength: experts}), {minLength: tokens, maxLength: tokens}),
            fc.array(fc.constantFrom(0, 1), {minLength: tokens, maxLength: tokens}),
            fc.integer({min: 1, max: experts}),
          ),
        );
      fc.assert(
        fc.property(rows, ([scores, mask, k]) => {
          const expected = scores.map((row, t) => (mask[t] ? sorted(row, k) : new Array<number>(k).fill(-1)));
          const indices = choose(tf.tensor2d(scores), k, tf.tensor1d(mask, 'bool'));
          expect(indices.dtype).toBe('int32');
          expect(indices.arraySync()).toEqual(expected);
        }),
        {seed: 1, numRuns: numCases(60)},
      );
    });

    test('never takes an expert at -Infinity', () => {
      expect(
        list(
          choose(
            tf.tensor2d([
              [NEVER, -5, NEVER, -7],
              [0, NEVER, 1, 2],
            ]),
            2,
          ),
        ),
      ).toEqual([1, 3, 3, 2]);
    });

    test('does not look at padding, of any dtype of mask', () => {
      const scores = tf.tensor2d([
        [Number.NaN, 0],
        [1, 2],
      ]);
      for (const dtype of ['bool', 'int32', 'float32'] as const) {
        expect(list(choose(scores, 1, tf.tensor1d([0, 1], dtype)))).toEqual([-1, 1]);
      }
    });

    test('works for no tokens', () => {
      expect(choose(tf.zeros([0, 3]), 2).shape).toEqual([0, 2]);
    });
  });
});

eachBackend('chooseTopK of a bad row', () => {
  const BAD = [
    [Number.NaN, 0, 1],
    [0, 1, Number.NaN],
    [NEVER, 0, NEVER],
    [0, Number.POSITIVE_INFINITY, 1],
  ].map(bad => [[0, 1, 2], bad]);

  test.skipIf(!ON_HOST)(`is refused on the host${WHY_ON_HOST}`, () => {
    for (const rows of BAD) {
      expect(() => chooseTopKOnHost(tf.tensor2d(rows), 2, undefined, refuse)).toThrow('row 1');
    }
  });

  test('lacks a choice on the device', () => {
    for (const rows of BAD) {
      const scores = tf.tensor2d(rows);
      const indices = list(chooseTopKOnDevice(scores, 2));
      expect(indices.slice(0, 2)).toEqual([2, 1]);
      expect(indices.slice(2)).toContain(-1);
    }
  });
});

describe.each([
  ...hostWays('a gather on the host', ['the loop on the host', gatherWeightsOnHost] as const),
  ['masks on the device', gatherWeightsOnDevice],
] as const)('gatherWeights by %s', (_title, gather) => {
  eachBackend('a gather', () => {
    test('takes the entries and gives their gradient back, and takes 0 for -1', () => {
      const x = tf.tensor2d([
        [1, 2, 3],
        [4, NEVER, 6],
        [7, 8, 9],
      ]);
      const indices = tf.tensor2d([2, 0, 2, -1, -1, -1], [3, 2], 'int32');
      expect(list(gather(x, indices))).toEqual([3, 1, 6, 0, 0, 0]);
      const dy = tf.tensor2d([10, 20, 30, 40, 50, 60], [3, 2]);
      const gradient = tf.grad(y => tf.sum(tf.mul(gather(y as tf.Tensor2D, indices), dy)))(x);
      expectClose(gradient, [20, 0, 10, 0, 0, 30, 0, 0, 0], 0);
    });

    test('works for no tokens', () => {
      expect(gather(tf.zeros([0, 3]), tf.zeros([0, 2], 'int32')).shape).toEqual([0, 2]);
    });
  });
});
