// Einsum on wasm against a slow loop in float64, and against the cpu backend where that knows the equation.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260302;
const LABELS = ['a', 'b', 'c', 'd', 'e'];

/** Labels in any order, each at most once. */
const labels = fc.shuffledSubarray(LABELS, {maxLength: 4});

const equations = fc
  .record({
    terms: fc.oneof(fc.tuple(labels), fc.tuple(labels, labels)),
    order: fc.shuffledSubarray(LABELS, {minLength: LABELS.length}),
    kept: fc.array(fc.boolean(), {minLength: LABELS.length, maxLength: LABELS.length}),
    lengths: fc.tuple(...LABELS.map(() => fc.integer({min: 1, max: 5}))),
    empty: fc.option(fc.integer({min: 0, max: LABELS.length - 1}), {freq: 6}),
    seed: fc.integer({min: 1, max: 1e6}),
  })
  .map(({terms, order, kept, lengths, empty, seed}) => {
    const result = order.filter((label, i) => kept[i] && terms.some(term => term.includes(label)));
    const length = (label: string) => (LABELS.indexOf(label) === empty ? 0 : lengths[LABELS.indexOf(label)]!);
    const shapes = terms.map(term => term.map(length));
    return {equation: `${terms.map(term => term.join('')).join(',')}->${result.join('')}`, shapes, seed};
  });

const operands = (shapes: number[][], seed: number, dtype: tf.DataType = 'float32') =>
  shapes.map((shape, i) => {
    const values = numbers(seed + i, tf.util.sizeFromShape(shape));
    return tf.tensor(dtype === 'int32' ? values.map(value => Math.round(value * 9)) : values, shape, dtype);
  });

/**
 * What an equation says: for each value of the labels of the result, the sum over all values of the others. The cpu backend is no oracle
 * here: of 'a,b->' it sums one axis only.
 */
function slowEinsum(equation: string, tensors: tf.Tensor[]): tf.Tensor {
  const [left, result] = equation.split('->') as [string, string];
  const terms = left.split(',');
  const lengths = new Map(
    terms.flatMap((term, t) => [...term].map((label, axis) => [label, tensors[t]!.shape[axis]!])),
  );
  const labels = [...new Set([...result, ...lengths.keys()])];
  const values = tensors.map(x => x.dataSync());
  const shape = [...result].map(label => lengths.get(label)!);
  const sums = new Array<number>(tf.util.sizeFromShape(shape)).fill(0);
  const at = new Map<string, number>();
  const flat = (term: string) => [...term].reduce((sum, label) => sum * lengths.get(label)! + at.get(label)!, 0);
  const visit = (i: number): void => {
    if (i === labels.length) {
      sums[flat(result)]! += terms.reduce((product, term, t) => product * values[t]![flat(term)]!, 1);
      return;
    }
    for (let k = 0; k < lengths.get(labels[i]!)!; ++k) {
      at.set(labels[i]!, k);
      visit(i + 1);
    }
  };
  visit(0);
  return tf.tensor(sums, shape, tensors[0]!.dtype);
}

withAndWithoutBinary('einsum', () => {
  test('the numbers of any equation are those of the loop', async () => {
    await fc.assert(
      fc.asyncProperty(equations, ({equation, shapes, seed}) =>
        expectSameAsCpu(() => [tf.einsum(equation, ...operands(shapes, seed))], {
          expected: () => [slowEinsum(equation, operands(shapes, seed))],
        }),
      ),
      {seed: SEED, numRuns: 200},
    );
  });

  test('int32 gives int32, and the numbers of the loop', async () => {
    await fc.assert(
      fc.asyncProperty(equations, ({equation, shapes, seed}) =>
        expectSameAsCpu(() => [tf.einsum(equation, ...operands(shapes, seed, 'int32'))], {
          expected: () => [slowEinsum(equation, operands(shapes, seed, 'int32'))],
        }),
      ),
      {seed: SEED, numRuns: 60},
    );
  });

  test.each([
    // A product of matrices, of transposed ones, of batches, attention, an outer product, a trace of a product, and a scalar times a vector.
    [
      'ij,jk->ik',
      [
        [40, 50],
        [50, 30],
      ],
    ],
    [
      'ji,kj->ki',
      [
        [50, 40],
        [30, 50],
      ],
    ],
    [
      'bij,bkj->bik',
      [
        [3, 20, 17],
        [3, 9, 17],
      ],
    ],
    [
      'bqhd,bkhd->bhqk',
      [
        [2, 7, 3, 8],
        [2, 5, 3, 8],
      ],
    ],
    ['i,j->ji', [[6], [5]]],
    [
      'ij,ji->',
      [
        [6, 5],
        [5, 6],
      ],
    ],
    [',i->i', [[], [5]]],
    [' i j , j -> i ', [[3, 4], [4]]],
  ])('%s gives the numbers of the cpu backend', async (equation, shapes) => {
    await expectSameAsCpu(() => [tf.einsum(equation, ...operands(shapes, 7))]);
  });

  test('float32 with int32 is float32, whichever comes first', () => {
    const [x, n] = [tf.tensor1d([0.5, 0.25]), tf.tensor1d([2, 4], 'int32')];
    for (const sum of [tf.einsum('i,i->', x, n), tf.einsum('i,i->', n, x)]) {
      expect(sum.dtype).toBe('float32');
      expect(list(sum)).toEqual([2]);
    }
  });

  test('what an equation leaves as it is, is a tensor that outlives its operand', () => {
    const x = tf.tensor2d([[1, 2]]);
    const same = tf.einsum('ij->ij', x);
    x.dispose();
    expect(list(same)).toEqual([1, 2]);
  });

  test('lengths that differ, labels from nowhere and labels that repeat are refused, and nothing is left', () => {
    const [x, y] = [tf.zeros([2, 3]), tf.zeros([4, 5])];
    const before = tf.engine().backend.numDataIds();
    expect(() => tf.einsum('ij,jk->ik', x, y)).toThrow('Expected dimension 3 at axis 0 of input shaped [4,5]');
    expect(() => tf.einsum('ij->k', x)).toThrow('Output subscripts contain the label k');
    expect(() => tf.einsum('ij->ii', x)).toThrow('a label must not appear twice in the result, but got "ij->ii"');
    expect(() => tf.einsum('ijk->i', x)).toThrow();
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});
