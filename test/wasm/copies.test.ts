// Slices, splits, tiles, reversals and concatenations on wasm against the cpu backend, and one-hot vectors and casts.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260303;

const dtypes = fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const);
const shapes = fc
  .tuple(fc.array(fc.integer({min: 0, max: 5}), {maxLength: 4}), fc.constantFrom(1, 2, 3, 4, 16, 17, 40))
  .map(([outer, last]) => [...outer, last]);
const naturals = fc.array(fc.nat(), {minLength: 12, maxLength: 12});

const tensor = (shape: number[], dtype: tf.DataType, seed = 1) =>
  tf.tensor(
    numbers(seed, tf.util.sizeFromShape(shape), 0, 100).map(value => (dtype === 'bool' ? Number(value > 50) : value)),
    shape,
    dtype,
  );

withAndWithoutBinary('copies', () => {
  test('a slice is that of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, dtypes, naturals, (shape, dtype, n) => {
        const begin = shape.map((length, axis) => n[axis]! % (length + 1));
        // A third of the axes whole, so that blocks of several axes occur.
        const isWhole = shape.map((_, axis) => n[axis]! % 3 === 0);
        const size = shape.map((length, axis) => (isWhole[axis] ? length : n[axis + 6]! % (length - begin[axis]! + 1)));
        const from = begin.map((position, axis) => (isWhole[axis] ? 0 : position));
        return expectSameAsCpu(() => [tf.slice(tensor(shape, dtype), from, size)]);
      }),
      {seed: SEED, numRuns: 200},
    );
  });

  test('a slice beyond the end is refused', () => {
    expect(() => tf.slice(tf.zeros([3, 4]), [0, 2], [3, 3])).toThrow('would overflow input.shape[1]');
  });

  test('the parts of a split and of an unstack are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, dtypes, naturals, (shape, dtype, n) => {
        const axis = n[0]! % shape.length;
        const length = shape[axis]!;
        const cut = n[1]! % (length + 1);
        return expectSameAsCpu(() => {
          const x = tensor(shape, dtype);
          return [
            ...tf.split(x, [cut, length - cut], axis),
            ...tf.unstack(x, axis),
            ...tf.unstack(x, axis - shape.length),
          ];
        });
      }),
      {seed: SEED, numRuns: 80},
    );
  });

  test('a tile is that of the cpu backend, and so is its gradient', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, dtypes, naturals, (shape, dtype, n) => {
        const reps = shape.map((_, axis) => n[axis]! % 4);
        return expectSameAsCpu(() => [tf.tile(tensor(shape, dtype), reps)]);
      }),
      {seed: SEED, numRuns: 100},
    );
    const small = fc.array(fc.integer({min: 1, max: 3}), {minLength: 1, maxLength: 4});
    await fc.assert(
      fc.asyncProperty(small, naturals, (shape, n) => {
        const reps = shape.map((_, axis) => n[axis]! % 4);
        return expectSameAsCpu(() => {
          const weights = tensor(
            shape.map((length, axis) => length * reps[axis]!),
            'float32',
            2,
          );
          return [tf.grad(x => tf.sum(tf.mul(weights, tf.tile(x, reps))))(tensor(shape, 'float32'))];
        });
      }),
      {seed: SEED, numRuns: 60},
    );
  });

  test('unregistering brings back the gradient of tile that tfjs has', () => {
    const own = tf.getGradient('Tile');
    unregisterWasmTrainingKernels();
    const stock = tf.getGradient('Tile');
    expect(stock).not.toBe(own);
    registerWasmTrainingKernels();
    expect(tf.getGradient('Tile')).not.toBe(stock);
    registerWasmTrainingKernels();
    unregisterWasmTrainingKernels();
    expect(tf.getGradient('Tile')).toBe(stock);
    registerWasmTrainingKernels();
  });

  test('a reversal along any axes is that of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, dtypes, naturals, (shape, dtype, n) => {
        const axes = shape.map((_, axis) => axis).filter(axis => n[axis]! % 2 === 0);
        return expectSameAsCpu(() => [tf.reverse(tensor(shape, dtype), axes)]);
      }),
      {seed: SEED, numRuns: 80},
    );
  });

  test('a concatenation along any axis is that of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, dtypes, naturals, (shape, dtype, n) => {
        const axis = n[0]! % shape.length;
        const parts = n.slice(1, 2 + (n[1]! % 4)).map(m => shape.map((length, i) => (i === axis ? m % 6 : length)));
        return expectSameAsCpu(() => [
          tf.concat(
            parts.map((part, i) => tensor(part, dtype, i + 1)),
            axis,
          ),
        ]);
      }),
      {seed: SEED, numRuns: 80},
    );
  });

  test('a concatenation takes the dtype of its first part, and refuses parts that do not fit', async () => {
    await expectSameAsCpu(() => {
      const [x, n] = [tensor([3, 2], 'float32'), tensor([3, 4], 'int32')];
      return [tf.concat([x, n], 1), tf.concat([x, n, tf.zeros([3, 0])], 1), tf.concat([x, tf.zeros([3, 0])], 1)];
    });
    expect(() => tf.concat([tf.zeros([3, 2]), tf.zeros([2, 2])], 1)).toThrow('does not match the shape of the rest');
  });

  test('one-hot vectors are those of the cpu backend in every dtype', async () => {
    const indices = fc.array(fc.integer({min: -1, max: 6}), {maxLength: 9});
    await fc.assert(
      fc.asyncProperty(indices, fc.integer({min: 2, max: 6}), dtypes, (at, depth, dtype) =>
        expectSameAsCpu(() => [
          tf.oneHot(tf.tensor1d(at, 'int32'), depth, 1, 0, dtype),
          tf.oneHot(tf.tensor2d(at, [at.length, 1], 'int32'), depth, 3, 2, dtype === 'bool' ? 'int32' : dtype),
        ]),
      ),
      {seed: SEED, numRuns: 60},
    );
    expect(list(tf.oneHot(tf.tensor1d([1], 'int32'), 2, 0.5, -0.25, 'float32'))).toEqual([-0.25, 0.5]);
  });

  test('a cast is that of the cpu backend: whatever is not zero is true', async () => {
    await expectSameAsCpu(() => {
      const x = tf.tensor1d([0, -0, 0.25, -3.75, 256, 512, Number.NaN]);
      const n = tf.tensor1d([0, 256, -1], 'int32');
      return [
        tf.cast(x, 'bool'),
        tf.cast(n, 'bool'),
        tf.cast(x, 'int32'),
        tf.cast(n, 'float32'),
        tf.cast(tf.cast(x, 'bool'), 'float32'),
        tf.cast(tf.zeros([0, 3]), 'bool'),
      ];
    });
  });
});
