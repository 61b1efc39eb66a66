// The binary Tree-LSTM: values against a loop in float64, gradients against differences of it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {composePair, treeLstmGates} from '../../src/ops/tree-lstm.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Sums of a few products in float32. */
const ROUNDING = 2e-6;
/** Central differences in float64 with a step of 1e-5: an error of about 1e-9 in them, so that float32 decides. */
const DIFFERENCES = 1e-5;
const UNITS = 3;
const WIDTH = 2 * UNITS;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Hidden, then cell, from the sums of the gates of one node. */
function slowGates(pre: number[], left: number[], right: number[]): number[] {
  const gate = (which: number, j: number) => pre[which * left.length + j]!;
  const cell = left.map(
    (l, j) =>
      l * sigmoid(gate(1, j) + 1) + right[j]! * sigmoid(gate(2, j) + 1) + Math.tanh(gate(3, j)) * sigmoid(gate(0, j)),
  );
  return [...cell.map((c, j) => sigmoid(gate(4, j)) * Math.tanh(c)), ...cell];
}

/** The parents of rows of pairs. */
function slowPairs([left, right, kernel, bias]: number[][]): number[] {
  return Array.from({length: left!.length / WIDTH}, (_, row) => {
    const [l, r] = [left!, right!].map(side => side.slice(row * WIDTH, (row + 1) * WIDTH)) as [number[], number[]];
    const hiddens = [...l.slice(0, UNITS), ...r.slice(0, UNITS)];
    const pre = bias!.map((b, k) => hiddens.reduce((sum, h, j) => sum + h * kernel![j * bias!.length + k]!, b));
    return slowGates(pre, l.slice(UNITS), r.slice(UNITS));
  }).flat();
}

const SHAPES = [[4, WIDTH], [4, WIDTH], [WIDTH, 5 * UNITS], [5 * UNITS]];
const VALUES = SHAPES.map((shape, i) => numbers(i + 1, tf.util.sizeFromShape(shape), -1.5, 1.5));
const compose = (...[left, right, kernel, bias]: tf.Tensor[]) =>
  composePair(left!, right!, kernel as tf.Tensor2D, bias as tf.Tensor1D);
const inputs = (leading = [4]) =>
  VALUES.map((values, i) => tf.tensor(values, i < 2 ? [...leading, WIDTH] : SHAPES[i]!));

eachBackendAndKernels('treeLstmGates', () => {
  test('values are those of the loop, for any leading axes', () => {
    const pre = numbers(7, 4 * 5 * UNITS, -3, 3);
    const [left, right] = [numbers(8, 4 * UNITS), numbers(9, 4 * UNITS)];
    const rowOf = (x: number[], width: number, row: number) => x.slice(row * width, (row + 1) * width);
    const expected = [0, 1, 2, 3].map(row =>
      slowGates(rowOf(pre, 5 * UNITS, row), rowOf(left, UNITS, row), rowOf(right, UNITS, row)),
    );
    for (const leading of [[4], [2, 2], [1, 2, 2]]) {
      const cells = [left, right].map(values => tf.tensor(values, [...leading, UNITS])) as [tf.Tensor, tf.Tensor];
      const {hidden, cell} = treeLstmGates(tf.tensor(pre, [...leading, 5 * UNITS]), ...cells);
      expect([hidden.shape, cell.shape]).toEqual([
        [...leading, UNITS],
        [...leading, UNITS],
      ]);
      expectClose(
        hidden,
        expected.flatMap(row => row.slice(0, UNITS)),
        ROUNDING,
      );
      expectClose(
        cell,
        expected.flatMap(row => row.slice(UNITS)),
        ROUNDING,
      );
    }
  });

  test('sums of zero keep sigmoid(1) of both cells: the forget gates begin open', () => {
    // cell = 2 s + 3 s with s = sigmoid(1), and hidden = tanh(cell) / 2.
    const {hidden, cell} = treeLstmGates(tf.zeros([5]), tf.tensor1d([2]), tf.tensor1d([3]));
    expectClose(cell, [5 * sigmoid(1)], ROUNDING);
    expectClose(hidden, [Math.tanh(5 * sigmoid(1)) / 2], ROUNDING);
  });

  test.each([
    [[2, 15], [2, 3], [1, 3], 'rightCell must have shape of leftCell [..., U] = [2, 3], but got [1, 3].'],
    [[1, 15], [2, 3], [2, 3], 'pre must have shape [..., 5 U] = [2, 15], but got [1, 15].'],
    [[2, 14], [2, 3], [2, 3], 'pre must have shape [..., 5 U] = [2, 15], but got [2, 14].'],
    [[2, 0], [2, 0], [2, 0], 'leftCell must have at least one unit on its last axis, but got the shape [2, 0].'],
    [[], [], [], 'leftCell must have at least one unit on its last axis, but got the shape [].'],
  ])('sums %j with cells %j and %j are refused', (pre, left, right, words) => {
    const call = () => treeLstmGates(tf.zeros(pre), tf.zeros(left), tf.zeros(right));
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`treeLstmGates: ${words}`);
  });
});

eachBackendAndKernels('composePair', () => {
  test('values are those of the loop, for any leading axes', () => {
    for (const leading of [[4], [2, 2], [2, 1, 2]]) {
      const parents = compose(...inputs(leading));
      expect(parents.shape).toEqual([...leading, WIDTH]);
      expectClose(parents, slowPairs(VALUES), ROUNDING);
    }
    const one = VALUES.map((values, i) => (i < 2 ? values.slice(0, WIDTH) : values));
    const parent = compose(...one.map((values, i) => tf.tensor(values, i < 2 ? [WIDTH] : SHAPES[i]!)));
    expect(parent.shape).toEqual([WIDTH]);
    expectClose(parent, slowPairs(one), ROUNDING);
  });

  test('all four gradients are the differences of the loop', () => {
    const dy = numbers(11, 4 * WIDTH);
    const loss = (values: number[][]) => slowPairs(values).reduce((sum, y, i) => sum + y * dy[i]!, 0);
    const step = 1e-5;
    const gradients = tf.grads(compose)(inputs([2, 2]), tf.tensor(dy, [2, 2, WIDTH]));
    gradients.forEach((gradient, i) => {
      const at = (j: number, change: number) => loss(VALUES.with(i, VALUES[i]!.with(j, VALUES[i]![j]! + change)));
      expectClose(
        gradient,
        VALUES[i]!.map((_, j) => (at(j, step) - at(j, -step)) / (2 * step)),
        DIFFERENCES,
      );
    });
  });

  test('no pairs give an empty result and gradients of zeros, whatever the memory held', () => {
    tf.fill([WIDTH, 5 * UNITS], 7).dispose();
    const [, , kernel, bias] = inputs();
    for (const shape of [
      [0, WIDTH],
      [2, 0, WIDTH],
    ]) {
      const none = [tf.zeros(shape), tf.zeros(shape), kernel!, bias!];
      expect(compose(...none).shape).toEqual(shape);
      const gradients = tf.grads(compose)(none);
      expect(gradients.map(g => g.shape)).toEqual(none.map(x => x.shape));
      for (const g of gradients) expect(list(g)).toEqual(new Array(g.size).fill(0));
    }
  });

  test('nothing is left behind', () => {
    const tensors = inputs();
    const run = () => {
      compose(...tensors).dispose();
      tf.dispose(tf.grads(compose)(tensors));
    };
    run();
    const before = [tf.memory().numTensors, tf.backend().numDataIds()];
    run();
    expect([tf.memory().numTensors, tf.backend().numDataIds()]).toEqual(before);
  });

  test.each([
    [[2, 5], [2, 5], [6, 15], [15], 'left must have shape [..., 2 U], a hidden and a cell, but got [2, 5].'],
    [[2, 6], [1, 6], [6, 15], [15], 'right must have shape of left [..., 2 U] = [2, 6], but got [1, 6].'],
    [[2, 6], [2, 6], [6, 12], [15], 'kernel must have shape [2 U, 5 U] = [6, 15], but got [6, 12].'],
    [[2, 6], [2, 6], [6, 15], [1], 'bias must have shape [5 U] = [15], but got [1].'],
    [[2, 0], [2, 0], [0, 0], [0], 'left must have at least one unit on its last axis, but got the shape [2, 0].'],
  ])('%j and %j by a kernel %j with a bias %j are refused', (left, right, kernel, bias, words) => {
    const call = () => compose(...[left, right, kernel, bias].map(shape => tf.zeros(shape)));
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`composePair: ${words}`);
  });
});
