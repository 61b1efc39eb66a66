import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {topKMaskOnDevice, topKMaskOnHost} from '../../src/ops/top-k-mask.js';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';

const refuse = (row: number): never => {
  throw new Error(`row ${row}`);
};
const DEVICE = ['rounds of argMax on the device', (x: tf.Tensor, k: number) => topKMaskOnDevice(x, k)] as const;
const HOST = ['the loop on the host', (x: tf.Tensor, k: number) => topKMaskOnHost(x, k, refuse)] as const;
const WAYS = [...hostWays('the loop on the host', HOST), DEVICE];

describe.each(WAYS)('%s', (_title, mask) => {
  eachBackend('a top-k mask', () => {
    test('marks what a sort would mark', () => {
      const values = numbers(1, 60, -5, 5);
      for (let k = 1; k <= 6; ++k) {
        const expected = Array.from({length: 10}, (_, row) => {
          const entries = values.slice(row * 6, row * 6 + 6);
          const smallestMarked = [...entries].sort((a, b) => b - a)[k - 1]!;
          return entries.map(v => Number(v >= smallestMarked));
        });
        expect(list(mask(tf.tensor2d(values, [10, 6]), k))).toEqual(expected.flat());
      }
    });

    test('takes the lowest index of equal entries', () => {
      expect(list(mask(tf.tensor1d([1, 2, 2, 2]), 2))).toEqual([0, 1, 1, 0]);
    });

    test('passes over masked entries and works for one entry and for more axes', () => {
      expect(list(mask(tf.tensor1d([Number.NEGATIVE_INFINITY, -5]), 1))).toEqual([0, 1]);
      expect(list(mask(tf.tensor2d([[3], [-2]]), 1))).toEqual([1, 1]);
      expect(mask(tf.zeros([2, 3, 4]), 2).shape).toEqual([2, 3, 4]);
      expect(mask(tf.zeros([3]), 1).shape).toEqual([3]);
    });
  });
});

const NEVER = Number.NEGATIVE_INFINITY;
/** Rows that do not have as many entries above -Infinity as are asked for, or that hold what is no number. */
const BAD: [number[], number][] = [
  [[Number.NaN, 0], 1],
  [[0, Number.NaN], 1],
  [[NEVER, NEVER], 1],
  [[0, Number.POSITIVE_INFINITY], 1],
  [[NEVER, 1], 2],
];

eachBackend('a top-k mask of a bad row', () => {
  test.skipIf(!ON_HOST)(`is refused on the host${WHY_ON_HOST}`, () => {
    for (const [bad, k] of BAD) expect(() => topKMaskOnHost(tf.tensor2d([[0, 1], bad]), k, refuse)).toThrow('row 1');
  });

  test('is NaN on the device', () => {
    for (const [bad, k] of BAD) {
      expect(list(topKMaskOnDevice(tf.tensor2d([[0, 1], bad]), k)).map(Number.isNaN)).toEqual([
        false,
        false,
        true,
        true,
      ]);
    }
  });
});
