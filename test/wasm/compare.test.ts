// Comparisons, selections, extremes, powers and the hyperbolic tangent on wasm against the cpu backend.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260306;
/** Numbers that compare in every way. */
const NUMBERS = [0, -0, 1, -1, 0.5, 2, Number.NaN, Infinity, -Infinity];
/** In float32, of a number within its last few places. */
const LAST_PLACES = 4 * 2 ** -23;

const COMPARISONS = [tf.greater, tf.greaterEqual, tf.less, tf.lessEqual, tf.equal, tf.notEqual];

/** Tensors of one shape, or one of them a single number, or broadcast. */
const pairs = fc.record({
  shape: fc.tuple(fc.integer({min: 0, max: 3}), fc.integer({min: 0, max: 40})),
  kind: fc.constantFrom('same', 'scalar', 'one', 'scalar first', 'row', 'column'),
  seed: fc.integer({min: 1, max: 1e6}),
});

function operands({shape, kind, seed}: {shape: number[]; kind: string; seed: number}): [tf.Tensor, tf.Tensor] {
  const draw = (s: number[], at: number) =>
    tf.tensor(
      numbers(at, tf.util.sizeFromShape(s), 0, NUMBERS.length).map(i => NUMBERS[Math.floor(i)]!),
      s,
    );
  const others: Record<string, number[]> = {
    scalar: [],
    one: [1, 1, 1],
    'scalar first': [],
    row: [shape[1]!],
    column: [shape[0]!, 1],
  };
  const a = draw(shape, seed);
  const b = draw(others[kind] ?? shape, seed + 1);
  return kind === 'scalar first' ? [b, a] : [a, b];
}

withAndWithoutBinary('comparisons', hasBinary => {
  test('every comparison is that of the cpu backend, also of NaN, infinities and zeros of either sign', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, c =>
        expectSameAsCpu(() => {
          const [a, b] = operands(c);
          return COMPARISONS.map(compare => compare(a, b));
        }),
      ),
      {seed: SEED, numRuns: 100},
    );
  });

  test('comparisons of int32 are those of the cpu backend', async () => {
    await expectSameAsCpu(() => {
      const [a, b] = [tf.tensor1d([1, 2, 3, -4], 'int32'), tf.tensor1d([1, 3, 2, -4], 'int32')];
      return [...COMPARISONS, tf.maximum, tf.minimum].map(compare => compare(a, b));
    });
  });

  // With NaN the stock kernels, which are kept without the binary and for what is broadcast, return either operand.
  if (hasBinary)
    test('the larger and the smaller of two numbers are those of the cpu backend', async () => {
      await fc.assert(
        fc.asyncProperty(
          pairs.filter(({kind}) => kind !== 'row' && kind !== 'column'),
          c =>
            expectSameAsCpu(() => {
              const [a, b] = operands(c);
              return [tf.maximum(a, b), tf.minimum(a, b)];
            }),
        ),
        {seed: SEED, numRuns: 60},
      );
    });

  test('what a condition selects is what the cpu backend selects', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const), (c, dtype) =>
        expectSameAsCpu(() => {
          const [a, b] = operands({...c, kind: 'same'});
          const condition = tf.greater(b, 0);
          const [yes, no] =
            dtype === 'float32' ? [a, b] : [tf.cast(tf.isFinite(a), dtype), tf.cast(tf.isFinite(b), dtype)];
          return [
            tf.where(condition, yes, no),
            tf.where(tf.scalar(true, 'bool'), yes, no),
            tf.logicalAnd(condition, tf.greater(a, 0)),
            tf.logicalOr(condition, tf.greater(a, 0)),
            tf.logicalAnd(condition, tf.scalar(true, 'bool')),
          ];
        }),
      ),
      {seed: SEED, numRuns: 100},
    );
  });

  test.each(['float32', 'int32', 'bool'] as const)('a condition of rank 1 selects rows of %s', async dtype => {
    await expectSameAsCpu(() => {
      const condition = tf.tensor1d([1, 0, 1], 'bool');
      const [t, e] = [tf.ones([3, 5], dtype), tf.zeros([3, 5], dtype)];
      return [tf.engine().runKernel('Select', {condition, t, e}) as tf.Tensor];
    });
  });

  test('the gradient of a clipped number is that of the cpu backend', async () => {
    await expectSameAsCpu(() => {
      const x = tf.tensor1d(numbers(3, 37, -3, 3));
      return [
        tf.grad(y => tf.sum(tf.mul(tf.clipByValue(y, -1, 1), x)))(x),
        tf.grad(y => tf.sum(tf.mul(tf.relu6(tf.mul(y, 4)), x)))(x),
        tf.grad(y => tf.sum(tf.mul(tf.maximum(y, 0.3), x)))(x),
        tf.grad(y => tf.sum(tf.mul(tf.leakyRelu(y), x)))(x),
      ];
    });
  });

  test('tanh is that of the cpu backend in all but the last places, at every size of number', async () => {
    // Five numbers for each power of two that float32 has above 1e-30, and the borders of the two formulas.
    const sizes = Array.from({length: 140}, (_, i) => 2 ** (i - 100)).flatMap(size =>
      numbers(1, 5, 1, 2).map(factor => Math.fround(size * factor)),
    );
    const x = [...sizes, ...sizes.map(size => -size), 0.624999, 0.625, 0.625001, 9, 9.25, 0, -0, Infinity, -Infinity];
    const values = list(tf.tanh(tf.tensor1d(x)));
    const errors = values.map((value, i) => {
      const exact = Math.tanh(Math.fround(x[i]!));
      return exact === value ? 0 : Math.abs(value - exact) / Math.abs(exact);
    });
    expect(Math.max(...errors)).toBeLessThan(LAST_PLACES);
    expect(Object.is(values.at(-3), -0)).toBe(true);
    expect(list(tf.tanh(tf.tensor1d([Number.NaN, 1])))[0]).toBeNaN();
    await expectSameAsCpu(() => [tf.grad(y => tf.tanh(y))(tf.tensor1d(numbers(2, 41, -4, 4)))]);
    await expectSameAsCpu(() => [tf.tanh(tf.zeros([0, 3]))]);
  });

  test('powers are those of the cpu backend, and so are their gradients', async () => {
    await expectSameAsCpu(() => {
      const x = tf.tensor2d([...numbers(4, 8, -3, 3), Number.NaN, Infinity, -Infinity, -0], [3, 4]);
      const y = tf.tensor1d(numbers(5, 9, -3, 3));
      return [
        ...[2, 3, 0.5, 1, 0, -1].map(exponent => tf.pow(x, exponent)),
        tf.pow(x, tf.tensor1d([2, 3, 1, 0])),
        tf.pow(tf.tensor1d([2, 3]), tf.tensor2d([[2]])),
        ...[2, 3].map(exponent => tf.grad(z => tf.pow(z, exponent))(y)),
      ];
    });
  });
});
