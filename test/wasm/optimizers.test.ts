// Steps of Adam and RAdam by one kernel, against the same optimizers without it.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {seeded} from 'tfjs-moe/estimators';
import {radam} from 'tfjs-moe/training';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {ownKernels} from '../../src/wasm/own-kernels.js';
import {list} from '../support/expect-close.js';

tf.enableProdMode();

/** Relative, to the largest number that a step adds up: eight steps of float32, rounded to 6e-8 some ten times each. */
const ROUNDING = 1e-6;

const stockMethod = tf.AdamOptimizer.prototype.applyGradients;

let made: tf.Variable[] = [];

/** Variables of the given shapes with repeatable values; a zero among them. */
function variables(shapes: number[][], seed = 1): tf.Variable[] {
  const result = shapes.map((shape, i) => tf.tidy(() => tf.variable(numbers(shape, seed + i))));
  made.push(...result);
  return result;
}

function numbers(shape: number[], seed: number): tf.Tensor {
  const values = Float32Array.from(seeded(seed).uniform(tf.util.sizeFromShape(shape)), u => 4 * u - 2);
  if (values.length > 0) values[0] = 0;
  return tf.tensor(values, shape, 'float32');
}

/** One step with gradients that depend on `seed`; those of the variables in `missing` are left out. */
function step(optimizer: tf.Optimizer, trained: tf.Variable[], seed: number, missing: number[] = []): void {
  tf.tidy(() => {
    const gradients = trained.map(({name, shape}, i) => ({
      name,
      tensor: missing.includes(i) ? undefined : numbers(shape, 1000 * seed + i),
    }));
    optimizer.applyGradients(gradients as {name: string; tensor: tf.Tensor}[]);
  });
}

/** Whether our kernel computes the steps. */
async function isFused(optimizer: tf.Optimizer, trained: tf.Variable[]): Promise<boolean> {
  const {kernelNames} = await tf.profile(() => step(optimizer, trained, 99));
  return kernelNames.includes('AdamUpdate');
}

function expectSame(actual: number[][], expected: number[][]): void {
  expect(actual.map(values => values.length)).toEqual(expected.map(values => values.length));
  const worst = actual.flatMap((values, i) => values.map((x, j) => Math.abs(x - expected[i]![j]!)));
  expect(Math.max(0, ...worst)).toBeLessThan(ROUNDING * 4);
}

type Make = (settings: {learningRate: number; beta1: number; beta2: number; epsilon: number}) => tf.Optimizer;

const OPTIMIZERS: [string, Make][] = [
  ['tf.train.adam', s => tf.train.adam(s.learningRate, s.beta1, s.beta2, s.epsilon)],
  ['radam', ({learningRate, ...options}) => radam(learningRate, options)],
];

const DEFAULTS = {learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7};
const SHAPES = [[], [1], [3], [7, 5], [0, 4], [2, 3, 4]];

beforeEach(async () => {
  await tf.setBackend('wasm');
});
afterEach(() => {
  unregisterWasmTrainingKernels();
  tf.dispose(made);
  made = [];
});

describe.each(OPTIMIZERS)('%s by one kernel', (_name, make) => {
  test('takes the steps that it takes without, whatever the shapes, the settings and the gradients that are missing', () => {
    const settings = fc.record({
      learningRate: fc.double({min: 0, max: 0.1, noNaN: true}),
      beta1: fc.constantFrom(0, 0.5, 0.9),
      beta2: fc.constantFrom(0, 0.9, 0.999),
      epsilon: fc.constantFrom(1e-8, 1e-7, 0.1),
    });
    const shape = fc.array(fc.integer({min: 0, max: 9}), {maxLength: 3});
    const shapes = fc.array(shape, {minLength: 1, maxLength: 4});
    const missing = fc.array(fc.array(fc.integer({min: 0, max: 3})), {minLength: 8, maxLength: 8});
    fc.assert(
      fc.property(settings, shapes, missing, (chosen, shapes, missing) => {
        const path = () => {
          const [optimizer, trained] = [make(chosen), variables(shapes)];
          missing.forEach((indices, i) => {
            step(optimizer, trained, i, indices);
          });
          optimizer.dispose();
          return trained.map(list);
        };
        unregisterWasmTrainingKernels();
        const stock = path();
        registerWasmTrainingKernels();
        expectSame(path(), stock);
      }),
      {seed: 1, numRuns: 60},
    );
  });

  test('takes the steps of the cpu backend', async () => {
    const path = () => {
      const [optimizer, trained] = [make(DEFAULTS), variables(SHAPES)];
      for (let i = 0; i < 20; ++i) step(optimizer, trained, i);
      return trained.map(list);
    };
    await tf.setBackend('cpu');
    const expected = path();
    await tf.setBackend('wasm');
    registerWasmTrainingKernels();
    expectSame(path(), expected);
  });

  test('goes on where steps without the kernel ended, and they where it ended', async () => {
    const [expected, actual] = [variables(SHAPES), variables(SHAPES)];
    const [optimizer, mixed] = [make(DEFAULTS), make(DEFAULTS)];
    for (let i = 0; i < 12; ++i) {
      step(optimizer, expected, i);
      if (i === 3) registerWasmTrainingKernels();
      step(mixed, actual, i);
      if (i === 7) unregisterWasmTrainingKernels();
      expectSame(actual.map(list), expected.map(list));
    }
  });

  test('saves the same weights in the same order, and goes on from saved ones', async () => {
    const first = variables(SHAPES);
    const saved = async () => {
      const optimizer = make(DEFAULTS);
      for (let i = 0; i < 3; ++i) step(optimizer, first, i);
      return optimizer.getWeights();
    };
    const expected = await saved();
    registerWasmTrainingKernels();
    const actual = await saved();
    const describeAll = (weights: typeof actual) => weights.map(({name, tensor}) => [name, tensor.shape, tensor.dtype]);
    expect(describeAll(actual)).toEqual(describeAll(expected));
    expectSame(
      actual.map(({tensor}) => list(tensor)),
      expected.map(({tensor}) => list(tensor)),
    );
    const path = async () => {
      const [optimizer, trained] = [make(DEFAULTS), first];
      const copies = actual.map(({name, tensor}) => ({name, tensor: tf.clone(tensor)}));
      await optimizer.setWeights(copies);
      const before = trained.map(x => x.clone());
      for (let i = 0; i < 3; ++i) step(optimizer, trained, i);
      const after = trained.map(list);
      trained.forEach((x, i) => void x.assign(before[i]!));
      return after;
    };
    const ours = await path();
    unregisterWasmTrainingKernels();
    expectSame(ours, await path());
  });

  test('what shares memory with a variable or a moment keeps its values', async () => {
    registerWasmTrainingKernels();
    const optimizer = make(DEFAULTS);
    const trained = variables([[4, 3]]);
    step(optimizer, trained, 1);
    const moments = (await optimizer.getWeights()).slice(1).map(({tensor}) => tensor);
    const snapshots = [trained[0]!, ...moments].flatMap(x => [tf.clone(x), tf.reshape(x, [-1])]);
    const before = snapshots.map(list);
    step(optimizer, trained, 2);
    expect(snapshots.map(list)).toEqual(before);
    expect(list(trained[0]!)).not.toEqual(before[0]);
  });

  test('NaN and Infinity in a gradient reach what they reach without the kernel', () => {
    const path = () => {
      const [optimizer, trained] = [make(DEFAULTS), variables([[6]])];
      for (const extreme of [1, 1e-30, 1e25]) {
        const tensor = tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, extreme, -extreme, 0, -0]);
        for (let i = 0; i < 4; ++i) optimizer.applyGradients([{name: trained[0]!.name, tensor}]);
      }
      return list(trained[0]!);
    };
    const stock = path();
    registerWasmTrainingKernels();
    const ours = path();
    const kinds = (values: number[]) => values.map(x => (Number.isFinite(x) ? 'finite' : String(x)));
    expect(kinds(ours)).toEqual(kinds(stock));
    expectSame([ours.filter(Number.isFinite)], [stock.filter(Number.isFinite)]);
  });

  test('is asked for float32 of one shape only', async () => {
    registerWasmTrainingKernels();
    const trained = variables([[2, 3]]);
    expect(await isFused(make(DEFAULTS), trained)).toBe(true);
    const step = (tensor: tf.Tensor) => () => {
      make(DEFAULTS).applyGradients([{name: trained[0]!.name, tensor}]);
    };
    // The ops of a step broadcast a gradient of fewer axes.
    const {kernelNames} = await tf.profile(step(tf.ones([3])));
    expect(kernelNames).not.toContain('AdamUpdate');
    unregisterWasmTrainingKernels();
    expect(await isFused(make(DEFAULTS), trained)).toBe(false);
  });

  test('10,000 steps leave no tensor, no data and no growth of the memory behind', () => {
    registerWasmTrainingKernels();
    const [optimizer, trained] = [make(DEFAULTS), variables([[20, 30], [30], []])];
    const backend = tf.backend() as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}; numDataIds(): number};
    for (let i = 0; i < 10; ++i) step(optimizer, trained, i);
    const state = () => [
      tf.memory().numTensors,
      tf.memory().numBytes,
      backend.numDataIds(),
      backend.wasm.asm.memory.buffer.byteLength,
    ];
    const before = state();
    tf.tidy(() => {
      const gradients = trained.map(({name, shape}, i) => ({name, tensor: numbers(shape, i)}));
      for (let i = 0; i < 10_000; ++i) optimizer.applyGradients(gradients);
    });
    expect(state()).toEqual(before);
  });
});

describe('tf.train.adam', () => {
  test('has its own method back after unregistering, after any number of registrations', () => {
    registerWasmTrainingKernels();
    registerWasmTrainingKernels();
    expect(tf.AdamOptimizer.prototype.applyGradients).not.toBe(stockMethod);
    unregisterWasmTrainingKernels();
    expect(tf.AdamOptimizer.prototype.applyGradients).toBe(stockMethod);
    unregisterWasmTrainingKernels();
    expect(tf.AdamOptimizer.prototype.applyGradients).toBe(stockMethod);
  });

  test('is wrapped once by two copies of this package, and either restores it', async () => {
    registerWasmTrainingKernels();
    const ours = tf.AdamOptimizer.prototype.applyGradients;
    vi.resetModules();
    const copy = await import('../../src/wasm/fused/adam-optimizer.js');
    copy.replaceAdamSteps();
    expect(tf.AdamOptimizer.prototype.applyGradients).toBe(ours);
    copy.restoreAdamSteps();
    expect(tf.AdamOptimizer.prototype.applyGradients).toBe(stockMethod);
  });

  test('is left alone by unregistering where somebody else has replaced the method meanwhile', () => {
    registerWasmTrainingKernels();
    const ours = tf.AdamOptimizer.prototype.applyGradients;
    const theirs: typeof ours = function (this: tf.AdamOptimizer, gradients) {
      ours.call(this, gradients);
    };
    tf.AdamOptimizer.prototype.applyGradients = theirs;
    try {
      unregisterWasmTrainingKernels();
      expect(tf.AdamOptimizer.prototype.applyGradients).toBe(theirs);
      const trained = variables([[3]]);
      const before = list(trained[0]!);
      step(tf.train.adam(), trained, 1);
      expect(list(trained[0]!)).not.toEqual(before);
    } finally {
      tf.AdamOptimizer.prototype.applyGradients = stockMethod;
    }
  });

  test('steps on another backend while the kernels are registered', async () => {
    registerWasmTrainingKernels();
    await tf.setBackend('cpu');
    const trained = variables([[3]]);
    const optimizer = tf.train.adam(0.1);
    step(optimizer, trained, 1);
    // The first step moves each value with a gradient by the learning rate.
    const moved = list(trained[0]!).map((x, i) => Math.abs(x - list(numbers([3], 1))[i]!));
    expect(moved.slice(1).map(distance => Math.round(distance * 1e4) / 1e4)).toEqual([0.1, 0.1]);
  });

  test('says what the stock method says of a variable that there is not', () => {
    const wrong = () => tf.train.adam().applyGradients([{name: 'no such variable', tensor: tf.scalar(1)}]);
    const words = (() => {
      try {
        wrong();
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    })();
    registerWasmTrainingKernels();
    expect(wrong).toThrow(words);
    expect(words).not.toBe('');
  });
});

test('updateAdam writes its part of the outputs and nothing else', () => {
  const backend = tf.backend() as BackendWasm;
  const own = ownKernels(backend)!;
  const memory = () => new Float32Array((backend as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.buffer);
  const stride = 16; // numbers from one array to the next
  own.withScratch(8 * stride * 4, scratch => {
    for (let begin = 0; begin < 6; ++begin) {
      for (let end = begin; end < 12; ++end) {
        const region = () => memory().subarray(scratch / 4, scratch / 4 + 8 * stride);
        region().set(Float32Array.from({length: 8 * stride}, (_, i) => i + 0.5));
        const before = Array.from(region());
        const addresses = Array.from({length: 7}, (_, i) => scratch + 4 * (i * stride + 2));
        own.exports.updateAdam(...addresses, 0.9, 0.1, 0.99, 0.01, 1, 1e-7, 0.1, 1, begin, end, 0);
        const changed = Array.from(region()).flatMap((x, i) => (x === before[i] ? [] : [i]));
        const expected = [4, 5, 6].flatMap(array =>
          Array.from({length: end - begin}, (_, i) => array * stride + 2 + begin + i),
        );
        expect(changed).toEqual(expected);
      }
    }
  });
});

test('AdamUpdate refuses tensors of other shapes or dtypes in words', () => {
  registerWasmTrainingKernels();
  const x = tf.zeros([2, 3]);
  const run = (gradient: tf.Tensor) => () =>
    tf.engine().runKernel('AdamUpdate', {value: x, first: x, second: x, gradient}, {});
  expect(run(tf.zeros([3]))).toThrow(
    'AdamUpdate: value, moments and gradient must be float32 tensors of one shape, but got float32 [2,3], float32 [2,3], float32 [2,3], float32 [3].',
  );
  expect(run(tf.zeros([2, 3], 'int32'))).toThrow('int32 [2,3].');
});
