// Gather and the sums of segments, its gradient, on wasm against the cpu backend.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260301;

/** Numbers of a dtype, the same each time; bool and int32 are small. */
function tensor(shape: number[], dtype: 'float32' | 'int32' | 'bool', seed: number): tf.Tensor {
  const values = numbers(seed, tf.util.sizeFromShape(shape));
  if (dtype === 'float32') return tf.tensor(values, shape);
  return tf.tensor(
    values.map(value => (dtype === 'bool' ? Number(value > 0) : Math.floor(value * 100))),
    shape,
    dtype,
  );
}

/** Indices within [0, length). */
const indices = (shape: number[], length: number, seed: number) =>
  tf.tensor(numbers(seed, tf.util.sizeFromShape(shape), 0, length).map(Math.floor), shape, 'int32');

const side = fc.integer({min: 0, max: 6});
const seed = fc.integer({min: 1, max: 1e6});

/** A tensor, where it is gathered from, and what the indices look like. */
const cases = fc
  .record({
    dtype: fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const),
    // The last axis decides how a row is copied: bytes, numbers, vectors, long rows.
    shape: fc
      .tuple(fc.array(side, {maxLength: 3}), fc.oneof(side, fc.integer({min: 7, max: 40}), fc.constant(300)))
      .map(([outer, last]) => [...outer, last]),
    indicesShape: fc.array(side, {maxLength: 2}),
    axis: fc.nat(),
    batchDims: fc.nat({max: 2}),
    seed,
  })
  .map(({shape, axis, batchDims, indicesShape, ...rest}) => {
    const parsedAxis = axis % shape.length;
    const numBatch = Math.min(batchDims, parsedAxis);
    return {
      ...rest,
      shape,
      axis: parsedAxis,
      batchDims: numBatch,
      indicesShape: [...shape.slice(0, numBatch), ...indicesShape],
    };
  })
  .filter(({shape, axis, indicesShape}) => shape[axis]! > 0 || tf.util.sizeFromShape(indicesShape) === 0)
  // The cpu backend divides by the size of the batch.
  .filter(({shape, batchDims}) => !shape.slice(0, batchDims).includes(0));

withAndWithoutBinary('gather', () => {
  test('every number is the one of the cpu backend, along any axis and with any batchDims', async () => {
    await fc.assert(
      fc.asyncProperty(cases, ({dtype, shape, indicesShape, axis, batchDims, seed}) =>
        expectSameAsCpu(() => {
          const at = indices(indicesShape, shape[axis]!, seed + 1);
          return [tf.gather(tensor(shape, dtype, seed), at, axis, batchDims)];
        }),
      ),
      {seed: SEED, numRuns: 150},
    );
  });

  test('the gradient is that of the cpu backend, with indices that repeat', async () => {
    // Without batchDims: with them, the gradient of tfjs needs the chained methods of the whole library.
    const differentiable = cases.filter(({batchDims, shape}) => batchDims === 0 && tf.util.sizeFromShape(shape) > 0);
    await fc.assert(
      fc.asyncProperty(differentiable, ({shape, indicesShape, axis, seed}) =>
        expectSameAsCpu(() => {
          const at = indices(indicesShape, shape[axis]!, seed);
          const gathered = tf.gather(tf.zeros(shape), at, axis);
          const weights = tensor(gathered.shape, 'float32', seed + 1);
          return [tf.grad(x => tf.sum(tf.mul(weights, tf.gather(x, at, axis))))(tensor(shape, 'float32', seed + 2))];
        }),
      ),
      {seed: SEED, numRuns: 80},
    );
  });

  test('an index beyond either end is refused in the words of the cpu backend, and nothing is left', () => {
    const x = tf.zeros([3, 4]);
    const before = tf.memory().numTensors;
    for (const index of [-1, 4, 2 ** 31 - 1, -(2 ** 31)]) {
      const at = tf.tensor1d([0, 3, index], 'int32');
      const ids = tf.engine().backend.numDataIds();
      expect(() => tf.gather(x, at, 1)).toThrow(`GatherV2: the index value ${index} is not in [0, 3]`);
      expect(tf.engine().backend.numDataIds()).toBe(ids);
      at.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a batch of none gives none', () => {
    expect(tf.gather(tf.zeros([0, 3, 2]), tf.zeros([0, 5], 'int32'), 1, 1).shape).toEqual([0, 5, 2]);
  });

  test('batch axes of different lengths are refused', () => {
    expect(() => tf.gather(tf.zeros([2, 3]), tf.zeros([3, 1], 'int32'), 1, 1)).toThrow('should be equal to');
  });

  test('infinities, NaN and the sign of zero are copied', () => {
    const gathered = list(
      tf.gather(tf.tensor1d([-0, Number.NaN, Infinity, -Infinity]), tf.tensor1d([3, 0, 1, 2], 'int32')),
    );
    expect(gathered).toEqual([-Infinity, -0, Number.NaN, Infinity]);
  });

  test('what was gathered is right also while the memory grows, and ten thousand calls need no more of it', () => {
    const at = tf.tensor1d([2, 0, 1], 'int32');
    const x = tensor([3, 50], 'float32', 5);
    const [row] = tf.unstack(x, 0) as [tf.Tensor];
    // 64 MB more than there were, in one result.
    const long = tf.tidy(() =>
      list(tf.slice(tf.gather(x, tf.tensor1d(new Int32Array(320_000), 'int32')), [319_999, 0])),
    );
    expectClose(long, row.dataSync(), 0);
    const {memory} = (tf.backend() as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}}).wasm.asm;
    const bytes = memory.buffer.byteLength;
    const weights = tensor([3, 50], 'float32', 6);
    for (let i = 0; i < 10_000; ++i) {
      tf.dispose(tf.gather(x, at));
      tf.dispose(tf.unsortedSegmentSum(weights, at, 3));
    }
    expect(memory.buffer.byteLength).toBe(bytes);
  });
});

withAndWithoutBinary('unsortedSegmentSum', () => {
  const segmented = fc.record({
    numRows: fc.integer({min: 0, max: 40}),
    rest: fc.array(fc.oneof(fc.integer({min: 0, max: 7}), fc.constant(33)), {maxLength: 2}),
    numSegments: fc.integer({min: 1, max: 9}),
    seed,
  });

  test('every number is the one of the cpu backend, without the rows of segments that there are not', async () => {
    await fc.assert(
      fc.asyncProperty(segmented, ({numRows, rest, numSegments, seed}) =>
        expectSameAsCpu(() => {
          const segments = tf.tensor1d(numbers(seed, numRows, -2, numSegments + 2).map(Math.floor), 'int32');
          return [tf.unsortedSegmentSum(tensor([numRows, ...rest], 'float32', seed + 1), segments, numSegments)];
        }),
      ),
      {seed: SEED, numRuns: 100},
    );
  });

  test('sums of int32 and of bool are the numbers of the cpu backend, as int32', async () => {
    await fc.assert(
      fc.asyncProperty(segmented, fc.constantFrom('int32' as const, 'bool' as const), (c, dtype) => {
        const {numRows, rest, numSegments, seed} = c;
        const compute = () => {
          const segments = tf.tensor1d(numbers(seed, numRows, -2, numSegments + 2).map(Math.floor), 'int32');
          return tf.unsortedSegmentSum(tensor([numRows, ...rest], dtype, seed + 1), segments, numSegments);
        };
        return expectSameAsCpu(() => [compute()], {expected: () => [tf.cast(compute(), 'int32')]});
      }),
      {seed: SEED, numRuns: 60},
    );
  });

  test('a NaN reaches its own segment alone', () => {
    const sums = tf.unsortedSegmentSum(tf.tensor1d([Number.NaN, 1, 2]), tf.tensor1d([0, 1, 1], 'int32'), 3);
    expect(list(sums)).toEqual([Number.NaN, 3, 0]);
  });

  test('no segments give an empty tensor', () => {
    expect(tf.unsortedSegmentSum(tf.ones([2, 3]), tf.tensor1d([0, 0], 'int32'), 0).shape).toEqual([0, 3]);
  });

  test('segments that are not one for each row are refused', () => {
    const refused = (x: tf.Tensor, segments: tf.Tensor) => () => tf.unsortedSegmentSum(x, segments as tf.Tensor1D, 2);
    const ones = tf.ones([2, 3]);
    expect(refused(ones, tf.zeros([3], 'int32'))).toThrow(ValueError);
    expect(refused(ones, tf.zeros([2, 3], 'int32'))).toThrow(
      'of shape [2], one for each row of x [2,3], but got int32 [2,3]',
    );
    expect(refused(tf.scalar(1), tf.scalar(0, 'int32'))).toThrow(ValueError);
    expect(() => tf.unsortedSegmentSum(ones, tf.tensor1d([0, 0], 'int32'), -1)).toThrow(
      'must not be negative, but got -1',
    );
  });
});
