// The kernels of combine: the binary on a memory of its own, and the kernels against the ops that they stand for.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {runKernel} from '../../src/ops/fused-kernel.js';
import {planRows} from '../../src/router/permutation.js';
import {combineRows, dispatchRows} from '../../src/router/ragged-dispatch.js';
import {binaryMemory, inParts} from '../support/binary-memory.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {exactNumbers} from '../support/slow-mat-mul.js';

tf.enableProdMode();

const RUNS = {seed: 20260403, numRuns: 150};
const cuts = fc.array(fc.nat(), {maxLength: 3});
/** On both sides of a vector of four. */
const columnCount = fc.integer({min: 1, max: 19});
const zeros = (count: number) => new Array<number>(count).fill(0);

describe('the binary', () => {
  test.each([false, true])('sums of rows are written and nothing else, with weights: %s', hasWeights => {
    const cases = fc.record({
      T: fc.integer({min: 1, max: 8}),
      K: fc.integer({min: 1, max: 4}),
      numRows: fc.nat({max: 8}),
      columns: columnCount,
      cuts,
    });
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('from', 'weights', 'rowOfChoice', 'to'),
        ({T, K, numRows, columns, cuts}, last) => {
          const memory = binaryMemory();
          const rows = exactNumbers(numRows * columns, 1);
          const weights = exactNumbers(T * K, 2);
          const rowOfChoice = Int32Array.from(numbers(3, T * K, 0, numRows + 1), Math.floor); // numRows: none
          const from = memory.place(rows, last === 'from');
          const indices = memory.place(rowOfChoice, last === 'rowOfChoice');
          const scale = hasWeights ? memory.place(weights, last === 'weights') : 0;
          const to = memory.place(new Float32Array(T * columns).fill(7), last === 'to'); // old memory
          inParts(T, cuts, (begin, end, worker) =>
            memory.writingOnly(to + 4 * begin * columns, 4 * (end - begin) * columns, () =>
              memory.exports.combineRows!(from, scale, indices, to, columns, numRows, K, begin, end, worker),
            ),
          );
          const expected = zeros(T * columns);
          rowOfChoice.forEach((row, choice) => {
            if (row === numRows) return;
            for (let c = 0; c < columns; ++c) {
              const weight = hasWeights ? weights[choice]! : 1;
              expected[Math.floor(choice / K) * columns + c]! += weight * rows[row * columns + c]!;
            }
          });
          const result = new Float32Array(memory.read(to, 4 * T * columns).buffer);
          expect(Array.from(result, value => value + 0)).toEqual(expected.map(value => value + 0));
        },
      ),
      RUNS,
    );
  });

  test('gradients of rows and of weights are written and nothing else', () => {
    const cases = fc.record({
      T: fc.integer({min: 1, max: 8}),
      K: fc.integer({min: 1, max: 4}),
      numFree: fc.nat({max: 3}),
      columns: columnCount,
      cuts,
    });
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('dy', 'rows', 'weights', 'choiceOfRow', 'to'),
        ({T, K, numFree, columns, cuts}, last) => {
          const memory = binaryMemory();
          const numTotal = T * K;
          // Every second choice has a row, in the reverse order; free rows come first.
          const chosen = Array.from({length: numTotal}, (_, choice) => choice).filter(choice => choice % 2 === 0);
          const choiceOfRow = Int32Array.from([...new Array(numFree).fill(numTotal), ...chosen.reverse()]);
          const numRows = choiceOfRow.length;
          const [dy, rows] = [exactNumbers(T * columns, 1), exactNumbers(numRows * columns, 2)];
          const weights = exactNumbers(numTotal, 3);
          const places = [
            memory.place(dy, last === 'dy'),
            memory.place(rows, last === 'rows'),
            memory.place(weights, last === 'weights'),
            memory.place(choiceOfRow, last === 'choiceOfRow'),
          ];
          // One operand for both results: what one writes too far spoils the other.
          const to = memory.place(new Float32Array(numTotal + numRows * columns).fill(7), last === 'to');
          const args = [...places, to + 4 * numTotal, to, columns, K, numTotal];
          memory.writingOnly(to, 4 * (numTotal + numRows * columns), () =>
            inParts(numRows, cuts, (begin, end, worker) =>
              memory.exports.combineRowsGradient!(...args, begin, end, worker),
            ),
          );
          const ofWeights = new Array<number>(numTotal).fill(7); // those without a row are left alone
          const ofRows = zeros(numRows * columns);
          choiceOfRow.forEach((choice, row) => {
            if (choice === numTotal) return;
            const token = Math.floor(choice / K);
            ofWeights[choice] = 0;
            for (let c = 0; c < columns; ++c) {
              ofRows[row * columns + c] = weights[choice]! * dy[token * columns + c]!;
              ofWeights[choice]! += dy[token * columns + c]! * rows[row * columns + c]!;
            }
          });
          const result = new Float32Array(memory.read(to, 4 * (numTotal + numRows * columns)).buffer);
          expect(Array.from(result, value => value + 0)).toEqual([...ofWeights, ...ofRows].map(value => value + 0));
        },
      ),
      RUNS,
    );
  });
});

describe('the kernels', () => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
  });
  beforeEach(() => {
    tf.engine().startScope();
    registerWasmTrainingKernels();
  });
  afterEach(() => tf.engine().endScope());
  afterAll(() => unregisterWasmTrainingKernels());

  /** Values and gradients of dispatch and combine of 400 tokens with 3 choices each, of which one in 7 is dropped. */
  function step(): number[][] {
    const [T, K, E, D] = [400, 3, 5, 33];
    const experts = Array.from({length: T * K}, (_, c) => (c % 7 === 3 ? -1 : (Math.floor(c / K) * 2 + c) % E));
    const used = zeros(E);
    const positions = experts.map(e => (e === -1 ? -1 : used[e]!++));
    const plan = planRows({
      numExperts: E,
      capacity: T,
      experts: tf.tensor2d(experts, [T, K], 'int32'),
      positions: tf.tensor2d(positions, [T, K], 'int32'),
    });
    const tokens = tf.tensor2d(numbers(1, T * D), [T, D]);
    const weights = tf.tensor2d(numbers(2, T * K), [T, K]);
    const through = (x: tf.Tensor, w: tf.Tensor) =>
      combineRows(tf.square(dispatchRows(x as tf.Tensor2D, plan)), w as tf.Tensor2D, plan);
    const dy = tf.tensor2d(numbers(3, T * D), [T, D]);
    return [through(tokens, weights), ...tf.grads(through)([tokens, weights], dy)].map(list);
  }

  test('give what the ops give', () => {
    const ours = step();
    unregisterWasmTrainingKernels();
    const stock = step();
    // Sums of 33 products of magnitude 1 in another order, and of 3.
    ours.forEach((values, k) => {
      const largest = Math.max(...stock[k]!.map(Math.abs));
      expectClose(values, stock[k]!, 1e-6 * largest);
    });
  });

  test('are those that a step runs', async () => {
    const {kernelNames} = await tf.profile(() => {
      step();
    });
    expect(kernelNames).toEqual(expect.arrayContaining(['CombineRows', 'CombineRowsGradient', 'SumRows']));
  });

  const rows = () => tf.ones([3, 4]);
  const weights = () => tf.ones([2, 2]);
  const integers = (values: number[], shape: number[]) => tf.tensor(values, shape, 'int32');
  const inOrder = () => integers([0, 1, 2, 3], [2, 2]);

  test.each([
    [
      'SumRows',
      () => ({rows: rows(), rowOfChoice: integers([0, 1, 4, 2], [2, 2])}),
      'SumRows: rowOfChoice must be from 0 to 3, but got 4.',
    ],
    [
      'SumRows',
      () => ({rows: rows(), rowOfChoice: integers([0, 1, -1, 2], [2, 2])}),
      'SumRows: rowOfChoice must be from 0 to 3, but got -1.',
    ],
    [
      'SumRows',
      () => ({rows: rows(), rowOfChoice: tf.ones([2, 2])}),
      'SumRows: rowOfChoice must be int32, but is float32.',
    ],
    [
      'SumRows',
      () => ({rows: tf.ones([3, 4], 'int32'), rowOfChoice: inOrder()}),
      'SumRows: rows, weights and gradients must be float32, but one is int32.',
    ],
    [
      'SumRows',
      () => ({rows: tf.ones([3]), rowOfChoice: inOrder()}),
      'SumRows: rows must have shape [rows, columns] = [any, any], but got [3].',
    ],
    [
      'SumRows',
      () => ({rows: rows(), rowOfChoice: integers([0, 1], [2])}),
      'SumRows: rowOfChoice must have shape [tokens, choices] = [any, any], but got [2].',
    ],
    [
      'CombineRows',
      () => ({rows: rows(), weights: tf.ones([2, 1]), rowOfChoice: inOrder()}),
      'CombineRows: weights must have shape [tokens, choices] = [2, 2], but got [2, 1].',
    ],
    [
      'CombineRows',
      () => ({rows: rows(), weights: tf.ones([2, 2], 'int32'), rowOfChoice: inOrder()}),
      'CombineRows: rows, weights and gradients must be float32, but one is int32.',
    ],
    [
      'CombineRowsGradient',
      () => ({dy: tf.ones([2, 4]), rows: rows(), weights: weights(), choiceOfRow: integers([0, 5, 1], [3])}),
      'CombineRowsGradient: choiceOfRow must be from 0 to 4, but got 5.',
    ],
    [
      'CombineRowsGradient',
      () => ({dy: tf.ones([2, 4]), rows: rows(), weights: weights(), choiceOfRow: integers([0, 1], [2])}),
      'CombineRowsGradient: choiceOfRow must have shape [rows] = [3], but got [2].',
    ],
    [
      'CombineRowsGradient',
      () => ({dy: tf.ones([3, 4]), rows: rows(), weights: weights(), choiceOfRow: integers([0, 1, 2], [3])}),
      'CombineRowsGradient: dy must have shape [tokens, columns] = [2, 4], but got [3, 4].',
    ],
    [
      'CombineRowsGradient',
      () => ({dy: tf.ones([2, 4], 'int32'), rows: rows(), weights: weights(), choiceOfRow: integers([0, 1, 2], [3])}),
      'CombineRowsGradient: rows, weights and gradients must be float32, but one is int32.',
    ],
  ])('%s refuses what it could not read, in words, and leaves no memory behind', (name, inputs, words) => {
    const given = inputs() as Record<string, tf.Tensor>;
    const backend = tf.backend() as BackendWasm;
    const before = backend.numDataIds();
    expect(() => runKernel(name, given)).toThrow(words);
    expect(backend.numDataIds()).toBe(before);
  });

  test('take axes of length zero', () => {
    const none = (shape: number[]) => integers([], shape);
    expect(list(runKernel('SumRows', {rows: tf.zeros([0, 2]), rowOfChoice: integers([0, 0], [2, 1])})[0]!)).toEqual(
      zeros(4),
    );
    expect(list(runKernel('SumRows', {rows: tf.ones([3, 2]), rowOfChoice: none([2, 0])})[0]!)).toEqual(zeros(4));
    expect(runKernel('SumRows', {rows: tf.zeros([3, 0]), rowOfChoice: inOrder()})[0]!.shape).toEqual([2, 0]);
    const gradients = (numRows: number, width: number) =>
      runKernel('CombineRowsGradient', {
        dy: tf.ones([2, width]),
        rows: tf.ones([numRows, width]),
        weights: weights(),
        choiceOfRow: integers([0, 1, 2].slice(0, numRows), [numRows]),
      }).map(list);
    expect(gradients(0, 4)).toEqual([[], zeros(4)]);
    expect(gradients(3, 0)).toEqual([[], zeros(4)]);
  });
});
