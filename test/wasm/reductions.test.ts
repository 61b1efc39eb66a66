// Sums, means and other reductions on wasm against the cpu backend.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260304;

const shapes = fc
  .tuple(fc.array(fc.integer({min: 0, max: 5}), {maxLength: 4}), fc.constantFrom(1, 2, 3, 9, 16, 17, 50))
  .map(([outer, last]) => [...outer, last]);
const axesOf = (shape: number[], mask: number) => shape.map((_, axis) => axis).filter(axis => (mask >> axis) & 1);
const tensor = (shape: number[], dtype: tf.DataType = 'float32') =>
  tf.tensor(numbers(1, tf.util.sizeFromShape(shape), -2, 2), shape, dtype);

withAndWithoutBinary('reductions', hasBinary => {
  test('sums, means, products and extremes along any axes are those of the cpu backend, also of nothing', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({min: 1, max: 31}), fc.boolean(), (shape, mask, keepDims) => {
        const axes = axesOf(shape, mask);
        return expectSameAsCpu(() => {
          const x = tensor(shape);
          return [tf.sum, tf.mean, tf.prod, tf.max, tf.min].map(reduce => reduce(x, axes, keepDims));
        });
      }),
      {seed: SEED, numRuns: 150},
    );
  });

  test('sums of int32 and bool are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({min: 1, max: 31}), (shape, mask) =>
        expectSameAsCpu(() => {
          const axes = axesOf(shape, mask);
          const x = tensor(shape, 'int32');
          return [tf.sum(x, axes), tf.mean(x, axes), tf.max(x, axes), tf.sum(tf.cast(x, 'bool'), axes)];
        }),
      ),
      {seed: SEED, numRuns: 80},
    );
  });

  test('the gradients of a sum and of a mean are those of the cpu backend', async () => {
    await expectSameAsCpu(() => {
      const x = tensor([3, 4, 5]);
      return [tf.sum, tf.mean].flatMap(reduce =>
        [[0], [1], [2], [0, 2]].map(axes => tf.grad(y => tf.sum(tf.square(reduce(y, axes))))(x)),
      );
    });
  });

  test('NaN and infinities come through', () => {
    const x = tf.tensor2d([
      [Number.NaN, 1, Infinity, -Infinity],
      [1, 2, 3, 4],
      [1, 2, 3, Infinity],
    ]);
    expect(list(tf.sum(x, 0))).toEqual([Number.NaN, 5, Infinity, Number.NaN]);
    expect(list(tf.sum(x, 1))).toEqual([Number.NaN, 10, Infinity]);
    expect(list(tf.mean(x, 0))).toEqual([Number.NaN, 5 / 3, Infinity, Number.NaN].map(Math.fround));
  });

  // In float32 each tenth added to a sum of some ten thousands is off by up to 4e-3, and always to the same side.
  if (hasBinary)
    test('a sum of a million numbers is exact to the last digit, along either axis', () => {
      const x = tf.fill([1 << 20], 0.1);
      const exact = Math.fround(Math.fround(0.1) * 2 ** 20);
      expectClose(tf.sum(x), [exact], 0);
      expectClose(tf.sum(tf.reshape(x, [1 << 19, 2]), 0), [exact / 2, exact / 2], 0);
      expectClose(tf.mean(tf.reshape(x, [1 << 15, 32]), 0), new Array(32).fill(Math.fround(0.1)), 0);
    });
});
