// The LSTM as one op: values against a loop in float64, gradients against taped ops and against differences of the loop.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {lstmSequence} from '../../src/ops/lstm-sequence.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Sums of some tens of products in float32, through up to seven steps. */
const ROUNDING = 3e-6;
/** Central differences in float64 with a step of 1e-5: an error of about 1e-9 in them, so that float32 decides. */
const DIFFERENCES = 1e-5;

type Sides = [numSteps: number, batch: number, units: number];
const SIDES: Sides[] = [
  [7, 3, 4],
  [1, 2, 3],
  [2, 1, 1],
  [3, 5, 17],
];

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The definition, number by number: [T, B, 2 U]. */
function slowLstm(projected: number[], kernel: number[], [numSteps, batch, units]: Sides): number[] {
  const result: number[] = [];
  const hidden = Array.from({length: batch}, () => new Array<number>(units).fill(0));
  const cell = hidden.map(row => [...row]);
  for (let t = 0; t < numSteps; ++t) {
    for (let b = 0; b < batch; ++b) {
      const sums = Array.from({length: 4 * units}, (_, k) =>
        hidden[b]!.reduce(
          (sum, h, j) => sum + h * kernel[j * 4 * units + k]!,
          projected[(t * batch + b) * 4 * units + k]!,
        ),
      );
      const gate = (which: number, j: number) => sums[which * units + j]!;
      cell[b] = cell[b]!.map((c, j) => sigmoid(gate(1, j)) * c + sigmoid(gate(0, j)) * Math.tanh(gate(2, j)));
      hidden[b] = cell[b]!.map((c, j) => sigmoid(gate(3, j)) * Math.tanh(c));
      result.push(...hidden[b]!, ...cell[b]!);
    }
  }
  return result;
}

/** The same by ops that tfjs differentiates. */
function tapedLstm(projected: tf.Tensor3D, kernel: tf.Tensor2D): tf.Tensor {
  const [numSteps, batch, width] = projected.shape;
  let [hidden, cell]: tf.Tensor[] = [tf.zeros([batch, width / 4]), tf.zeros([batch, width / 4])];
  const states = Array.from({length: numSteps}, (_, t) => {
    const fromInput = tf.reshape(tf.slice(projected, [t, 0, 0], [1, -1, -1]), [batch, width]);
    const [i, f, u, o] = tf.split(tf.add(fromInput, tf.matMul(hidden!, kernel)), 4, 1) as tf.Tensor2D[];
    cell = tf.add(tf.mul(tf.sigmoid(f!), cell!), tf.mul(tf.sigmoid(i!), tf.tanh(u!)));
    hidden = tf.mul(tf.sigmoid(o!), tf.tanh(cell));
    return tf.concat([hidden, cell], 1);
  });
  return tf.stack(states);
}

function inputsOf([numSteps, batch, units]: Sides) {
  return {
    projected: numbers(1, numSteps * batch * 4 * units, -2, 2),
    kernel: numbers(2, units * 4 * units),
    dy: numbers(3, numSteps * batch * 2 * units),
  };
}

function tensorsOf(sides: Sides): {projected: tf.Tensor3D; kernel: tf.Tensor2D; dy: tf.Tensor3D} {
  const [numSteps, batch, units] = sides;
  const {projected, kernel, dy} = inputsOf(sides);
  return {
    projected: tf.tensor3d(projected, [numSteps, batch, 4 * units]),
    kernel: tf.tensor2d(kernel, [units, 4 * units]),
    dy: tf.tensor3d(dy, [numSteps, batch, 2 * units]),
  };
}

type Lstm = (projected: tf.Tensor3D, kernel: tf.Tensor2D) => tf.Tensor;
const gradientsOf = (lstm: Lstm, {projected, kernel, dy}: ReturnType<typeof tensorsOf>) =>
  tf.grads((x, w) => lstm(x as tf.Tensor3D, w as tf.Tensor2D))([projected, kernel], dy);

eachBackendAndKernels('lstmSequence', () => {
  describe.each(SIDES)('%d steps, %d sequences, %d units', (...sides) => {
    test('values are those of the loop', () => {
      const {projected, kernel} = tensorsOf(sides);
      const states = lstmSequence(projected, kernel);
      expect(states.shape).toEqual([sides[0], sides[1], 2 * sides[2]]);
      const inputs = inputsOf(sides);
      expectClose(states, slowLstm(inputs.projected, inputs.kernel, sides), ROUNDING);
    });

    test('gradients are those of taped ops', () => {
      const tensors = tensorsOf(sides);
      const gradients = gradientsOf(lstmSequence, tensors);
      const expected = gradientsOf(tapedLstm, tensors);
      gradients.forEach((gradient, i) => {
        expect(gradient.shape).toEqual(expected[i]!.shape);
        expectClose(gradient, list(expected[i]!), ROUNDING);
      });
    });
  });

  test('gradients are the differences of the loop', () => {
    const sides: Sides = [4, 2, 3];
    const {projected, kernel, dy} = inputsOf(sides);
    const loss = (x: number[], w: number[]) => slowLstm(x, w, sides).reduce((sum, y, i) => sum + y * dy[i]!, 0);
    const step = 1e-5;
    const differences = (values: number[], of: (changed: number[]) => number) =>
      values.map((value, i) => (of(values.with(i, value + step)) - of(values.with(i, value - step))) / (2 * step));
    const [dProjected, dKernel] = gradientsOf(lstmSequence, tensorsOf(sides));
    expectClose(
      dProjected!,
      differences(projected, x => loss(x, kernel)),
      DIFFERENCES,
    );
    expectClose(
      dKernel!,
      differences(kernel, w => loss(projected, w)),
      DIFFERENCES,
    );
  });

  test('the kernel of one step has a gradient of zeros', () => {
    const [, dKernel] = gradientsOf(lstmSequence, tensorsOf([1, 2, 3]));
    expect(list(dKernel!)).toEqual(new Array(36).fill(0));
  });

  test('a batch without sequences gives an empty result and gradients of zeros, whatever the memory held', () => {
    tf.fill([3, 12], 7).dispose();
    const kernel: tf.Tensor2D = tf.ones([3, 12]);
    const projected: tf.Tensor3D = tf.zeros([5, 0, 12]);
    expect(lstmSequence(projected, kernel).shape).toEqual([5, 0, 6]);
    const [dProjected, dKernel] = gradientsOf(lstmSequence, {projected, kernel, dy: tf.zeros([5, 0, 6])});
    expect(dProjected!.shape).toEqual([5, 0, 12]);
    expect(list(dKernel!)).toEqual(new Array(36).fill(0));
  });

  test('gates far in saturation keep values and gradients finite', () => {
    const projected = tf.tensor3d([1e4, -1e4, 1e4, -1e4, -1e4, 1e4, -1e4, 1e4], [2, 1, 4]);
    const tensors = {projected, kernel: tf.ones([1, 4]) as tf.Tensor2D, dy: tf.ones([2, 1, 2]) as tf.Tensor3D};
    // First: the cell takes tanh = 1, and nothing is shown. Then it is kept, and shown.
    expectClose(lstmSequence(projected, tensors.kernel), [0, 1, Math.tanh(1), 1], ROUNDING);
    // The sum of the first update gate moves nothing any more; no other sum does.
    for (const gradient of gradientsOf(lstmSequence, tensors)) expectClose(gradient, list(tf.zerosLike(gradient)), 0);
  });

  test('nothing is left behind in the engine or in the backend, with a tape and without', () => {
    const {projected, kernel} = tensorsOf([4, 2, 3]);
    const counts = () => [tf.memory().numTensors, tf.backend().numDataIds()];
    const run = () => {
      lstmSequence(projected, kernel).dispose();
      tf.dispose(tf.grads((x, w) => lstmSequence(x as tf.Tensor3D, w as tf.Tensor2D))([projected, kernel]));
    };
    run();
    const before = counts();
    run();
    run();
    expect(counts()).toEqual(before);
  });

  test.each([
    [[2, 3, 8], [2, 9], 'recurrentKernel must have shape [U, 4 U] = [any, 8], but got [2, 9].'],
    [[2, 3, 9], [2, 8], 'projected must have shape [T, B, 4 U] = [any, any, 8], but got [2, 3, 9].'],
    [[3, 8], [2, 8], 'projected must have shape [T, B, 4 U] = [any, any, 8], but got [3, 8].'],
    [[0, 3, 8], [2, 8], 'projected must have at least one step and one unit, but its shape [T, B, 4 U] is [0, 3, 8].'],
    [[2, 3, 0], [0, 0], 'projected must have at least one step and one unit, but its shape [T, B, 4 U] is [2, 3, 0].'],
  ])('projected %j with a kernel %j is refused', (projected, kernel, words) => {
    const call = () =>
      lstmSequence(tf.zeros(projected as [number, number, number]), tf.zeros(kernel as [number, number]));
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`lstmSequence: ${words}`);
  });
});
