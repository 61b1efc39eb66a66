import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {topKMaskOnDevice, topKMaskOnHost} from '../../src/ops/top-k-mask.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';

const refuse = (row: number): never => {
  throw new Error(`row ${row}`);
};
const WAYS = [
  ['the loop on the host', (x: tf.Tensor, k: number) => topKMaskOnHost(x, k, refuse)],
  ['rounds of argMax on the device', (x: tf.Tensor, k: number) => topKMaskOnDevice(x, k)],
] as const;

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
    });
  });
});

eachBackend('a top-k mask of a bad row', () => {
  test('is refused on the host and NaN on the device', () => {
    const never = Number.NEGATIVE_INFINITY;
    for (const bad of [
      [Number.NaN, 0],
      [0, Number.NaN],
      [never, never],
      [0, Number.POSITIVE_INFINITY],
    ]) {
      const x = tf.tensor2d([[0, 1], bad as [number, number]]);
      expect(() => topKMaskOnHost(x, 1, refuse)).toThrow('row 1');
      expect(list(topKMaskOnDevice(x, 1)).map(Number.isNaN)).toEqual([false, false, true, true]);
    }
    expect(() => topKMaskOnHost(tf.tensor1d([never, 1]), 2, refuse)).toThrow('row 0');
    expect(list(topKMaskOnDevice(tf.tensor1d([never, 1]), 2)).map(Number.isNaN)).toEqual([true, true]);
  });
});
