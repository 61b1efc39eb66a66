// The kernels of batch normalisation: the binary on a memory of its own, and the kernels against the ops that they stand for.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {batchNormalize} from '../../src/ops/batch-normalize.js';
import {runKernel} from '../../src/ops/fused-kernel.js';
import {binaryMemory, inParts} from '../support/binary-memory.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {slowBatchNormalize} from '../support/slow-batch-normalize.js';

tf.enableProdMode();

/** Sums of up to 200 numbers of about 1, taken apart into blocks in float32. */
const ROUNDING = 2e-6;

/** Rows on both sides of one and of several blocks of 32, in chunks of one to three blocks; channels on both sides of a vector of four. */
const cases = fc.record({
  rows: fc.integer({min: 1, max: 130}),
  channels: fc.integer({min: 1, max: 13}),
  chunkRows: fc.constantFrom(32, 64, 96),
  cuts: fc.array(fc.nat(), {maxLength: 3}),
  seed: fc.nat(),
});
const floats = (bytes: Uint8Array) => new Float32Array(bytes.buffer);
const draw = (seed: number, count: number) => Float32Array.from(numbers(seed, count, -1, 2));

describe('the binary', () => {
  test('means and variances are written and nothing else, the same for any division of the chunks', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('x', 'to'), ({rows, channels, chunkRows, cuts, seed}, last) => {
        const statistics = (cuts: number[]) => {
          const memory = binaryMemory();
          const x = draw(seed, rows * channels);
          const at = memory.place(x, last === 'x');
          const chunks = Math.ceil(rows / chunkRows);
          const partials = memory.place(new Float32Array(4 * chunks * channels).fill(7)); // old memory
          const to = memory.place(new Float32Array(2 * channels).fill(7), last === 'to');
          inParts(chunks, cuts, (begin, end, worker) =>
            memory.writingOnly(partials + 16 * channels * begin, 16 * channels * (end - begin), () =>
              memory.exports.batchMoments!(at, partials, rows, channels, chunkRows, begin, end, worker),
            ),
          );
          memory.writingOnly(to, 8 * channels, () =>
            inParts(channels, cuts, (begin, end, worker) =>
              memory.exports.joinMoments!(partials, to, rows, channels, chunkRows, begin, end, worker),
            ),
          );
          return {x, result: floats(memory.read(to, 8 * channels))};
        };
        const {x, result} = statistics(cuts);
        const slow = slowBatchNormalize(x, x, {channels, epsilon: 1});
        expectClose(result, [...slow.mean, ...slow.variance], ROUNDING);
        expect(result).toEqual(statistics([]).result);
      }),
      {seed: 20260510, numRuns: 150},
    );
  });

  test('sums of gradients are written and nothing else, the same for any division of the chunks', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('x', 'dy', 'means', 'to'), ({rows, channels, chunkRows, cuts, seed}, last) => {
        const sums = (cuts: number[]) => {
          const memory = binaryMemory();
          const [x, dy, means] = [rows, rows, 1].map((length, i) => draw(seed + i, length * channels)) as [
            Float32Array,
            Float32Array,
            Float32Array,
          ];
          const places = [
            memory.place(dy, last === 'dy'),
            memory.place(x, last === 'x'),
            memory.place(means, last === 'means'),
          ];
          const chunks = Math.ceil(rows / chunkRows);
          const partials = memory.place(new Float32Array(4 * chunks * channels).fill(7));
          const to = memory.place(new Float32Array(2 * channels).fill(7), last === 'to');
          inParts(chunks, cuts, (begin, end, worker) =>
            memory.writingOnly(partials + 16 * channels * begin, 16 * channels * (end - begin), () =>
              memory.exports.batchGradientSums!(...places, partials, rows, channels, chunkRows, begin, end, worker),
            ),
          );
          memory.writingOnly(to, 8 * channels, () =>
            inParts(2 * channels, cuts, (begin, end, worker) =>
              memory.exports.joinSums!(partials, to, chunks, 2 * channels, begin, end, worker),
            ),
          );
          return {x, dy, means, result: floats(memory.read(to, 8 * channels))};
        };
        const {x, dy, means, result} = sums(cuts);
        const expected = new Array<number>(2 * channels).fill(0);
        dy.forEach((gradient, i) => {
          const c = i % channels;
          expected[c]! += gradient;
          expected[channels + c]! += gradient * (x[i]! - means[c]!);
        });
        expectClose(result, expected, ROUNDING * rows);
        expect(result).toEqual(sums([]).result);
      }),
      {seed: 20260511, numRuns: 150},
    );
  });

  test.each([
    ['batchNormalize', 1, 3, ([x], [mean, scale, shift]) => (x! - mean!) * scale! + shift!],
    [
      'batchNormalizeGradient',
      2,
      4,
      ([dy, x], [mean, meanOfDy, slope, scale]) => (dy! - meanOfDy! - (x! - mean!) * slope!) * scale!,
    ],
  ] as [string, number, number, (numbers: number[], factors: number[]) => number][])(
    '%s writes each number of its rows and nothing else',
    (name, numInputs, numFactors, formula) => {
      fc.assert(
        fc.property(cases, fc.constantFrom('input', 'to', 'factors'), ({rows, channels, cuts, seed}, last) => {
          const memory = binaryMemory();
          const inputs = Array.from({length: numInputs}, (_, i) => draw(seed + i, rows * channels));
          const factors = draw(seed + 5, numFactors * channels);
          const places = inputs.map((values, i) => memory.place(values, last === 'input' && i === 0));
          const to = memory.place(new Float32Array(rows * channels).fill(7), last === 'to');
          const atFactors = memory.place(factors, last === 'factors');
          inParts(rows, cuts, (begin, end, worker) =>
            memory.writingOnly(to + 4 * channels * begin, 4 * channels * (end - begin), () =>
              memory.exports[name]!(...places, to, atFactors, channels, begin, end, worker),
            ),
          );
          const expected = inputs[0]!.map((_, i) =>
            formula(
              inputs.map(values => values[i]!),
              Array.from({length: numFactors}, (_, k) => factors[k * channels + (i % channels)]!),
            ),
          );
          expectClose(floats(memory.read(to, 4 * rows * channels)), expected, ROUNDING);
        }),
        {seed: 20260512, numRuns: 100},
      );
    },
  );
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

  const shape = [8, 16, 16, 20]; // chunks of 1,664 rows: one and a part of another
  const values = (seed: number, count = tf.util.sizeFromShape(shape)) => numbers(seed, count);
  const step = () => {
    const inputs = [tf.tensor(values(1), shape), tf.tensor1d(values(2, 20)), tf.tensor1d(values(3, 20))];
    const apply = ([x, gamma, beta]: tf.Tensor[]) =>
      batchNormalize(x!, {epsilon: 0.01, gamma: gamma as tf.Tensor1D, beta: beta as tf.Tensor1D});
    const dy = tf.tensor(values(4), shape);
    return [...Object.values(apply(inputs)), ...tf.grads((...inputs) => apply(inputs).normalized)(inputs, dy)];
  };

  test('a step with them is one without them, and runs them', async () => {
    unregisterWasmTrainingKernels();
    const stock = step().map(list);
    registerWasmTrainingKernels();
    step().forEach((ours, i) => {
      // Sums of 2,048 numbers, of which the stock kernels lose some digits.
      expectClose(ours, stock[i]!, i < 4 ? 1e-5 : 1e-3);
    });
    const {kernelNames} = await tf.profile(() => tf.tidy(step));
    expect(kernelNames).toEqual(
      expect.arrayContaining(['BatchStatistics', 'BatchNormalize', 'BatchNormalizeGradient']),
    );
    expect(kernelNames).not.toContain('Mean');
  });

  test('shapes and dtypes that do not fit are refused, and nothing is left behind', () => {
    const backend = tf.backend() as BackendWasm;
    const [x, statistics, two] = [tf.ones([3, 2]), tf.ones([2, 2]), tf.ones([2])];
    const attributes = {epsilon: 1};
    const before = backend.numDataIds();
    const refuse = (name: string, inputs: Record<string, tf.Tensor>, words: string) =>
      expect(() => runKernel(name, inputs, attributes)).toThrow(words);
    tf.tidy(() => {
      const [wrong, whole] = [tf.ones([3]), tf.ones([3, 2], 'int32')];
      refuse('BatchStatistics', {x: tf.ones([0, 2])}, 'BatchStatistics: x must have a row and a channel, but has the');
      refuse('BatchStatistics', {x: tf.scalar(1)}, 'BatchStatistics: x must have a row and a channel, but has the');
      refuse('BatchStatistics', {x: whole}, 'BatchStatistics: the inputs must be float32, but one is int32.');
      refuse('BatchNormalize', {x, statistics: two}, 'BatchNormalize: statistics must have shape [2, C] = [2, 2]');
      refuse('BatchNormalize', {x, statistics, gamma: wrong}, 'BatchNormalize: gamma must have shape [C] = [2]');
      refuse('BatchNormalize', {x, statistics, beta: wrong}, 'BatchNormalize: beta must have shape [C] = [2]');
      const gradient = 'BatchNormalizeGradient';
      refuse(gradient, {dy: two, x, statistics}, `${gradient}: dy must have shape of x = [3, 2], but got [2].`);
      refuse(gradient, {dy: whole, x, statistics}, `${gradient}: the inputs must be float32, but one is int32.`);
    });
    expect(backend.numDataIds()).toBe(before);
  });
});
