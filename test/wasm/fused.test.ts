// The fused kernels of estimators and of random numbers, against the ops and host loops that they stand for.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {ESTIMATORS, type Estimator, type RandomSource, reinmax, seeded, straightThrough} from 'tfjs-moe/estimators';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {relativeLogits} from '../../src/ops/relative-logits.js';
import {softmaxGradient} from '../../src/ops/softmax-gradient.js';
import {topKMask, topKMaskOnHost} from '../../src/ops/top-k-mask.js';
import {categorical, categoricalOnHost} from '../../src/random/categorical.js';
import {gumbelNoise} from '../../src/random/gumbel.js';
import {ownKernels} from '../../src/wasm/own-kernels.js';
import {expectClose, list} from '../support/expect-close.js';

tf.enableProdMode();

/** Relative to the largest number of a result: rows of up to 70 numbers summed in another order. */
const ROUNDING = 1e-5;

/** Of tf.profile: which kernels ran. */
const kernelsOf = async (run: () => void) => (await tf.profile(() => tf.tidy(run))).kernelNames;

/** The result without our kernels, then with them. */
function bothWays<T>(compute: () => T): [stock: T, ours: T] {
  unregisterWasmTrainingKernels();
  const stock = compute();
  registerWasmTrainingKernels();
  return [stock, compute()];
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const largest = Math.max(1e-30, ...Array.from(expected, Math.abs));
  expectClose(Array.from(actual), Array.from(expected), ROUNDING * largest);
}

/** Shapes of rows with at least one category, some without any rows. */
const shapes = fc
  .tuple(fc.array(fc.integer({min: 0, max: 5}), {maxLength: 2}), fc.integer({min: 1, max: 70}))
  .map(([leading, categories]) => [...leading, categories]);

/** What logits may hold, but for NaN. */
const logit = fc.oneof(
  {weight: 6, arbitrary: fc.double({min: -5, max: 5, noNaN: true})},
  fc.constantFrom(1e4, -1e4, 0, Number.NEGATIVE_INFINITY),
);

/** Logits under a shape, with something to choose from in each row. */
const logits = shapes.chain(shape => {
  const size = tf.util.sizeFromShape(shape);
  const categories = shape[shape.length - 1]!;
  return fc.array(logit, {minLength: size, maxLength: size}).map(values => {
    for (let i = 0; i < size; i += categories) values[i] = Math.max(-20, values[i]!);
    return {shape, values};
  });
});

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => {
  tf.engine().startScope();
  registerWasmTrainingKernels();
});
afterEach(() => tf.engine().endScope());
afterAll(() => unregisterWasmTrainingKernels());

describe.each(Object.entries(ESTIMATORS) as [string, {estimate: Estimator}][])('%s', (name, {estimate}) => {
  test('gives the same sample and the same gradient as without the kernels, for any shape and extreme or masked logits', () => {
    fc.assert(
      fc.property(logits, fc.constantFrom(1, 0.3, 4), fc.integer(), ({shape, values}, temperature, seed) => {
        tf.tidy(() => {
          const weights = tf.tensor(
            Float32Array.from(seeded(seed).uniform(values.length), u => 4 * u - 2),
            shape,
          );
          const [stock, ours] = bothWays(() => {
            const options = {temperature, random: seeded(seed), ...(name === 'gumbelRao' ? {numSamples: 3} : {})};
            let sample: number[] = [];
            const gradient = tf.grad(x => {
              const result = estimate(x, options).sample;
              sample = list(result);
              return tf.sum(tf.mul(result, weights));
            })(tf.tensor(values, shape, 'float32'));
            return {sample, gradient: list(gradient)};
          });
          expectNear(ours.sample, stock.sample);
          expectClose(ours.gradient, stock.gradient, (ROUNDING * 4) / Math.min(1, temperature));
        });
      }),
      {seed: 3, numRuns: 60},
    );
  });
});

test('the kernels are those that a step of straight-through and of ReinMax runs', async () => {
  const step = (estimate: Estimator) => () =>
    tf.grad(x => tf.sum(estimate(x, {temperature: 2, random: seeded(1)}).sample))(tf.zeros([4, 3]));
  expect(await kernelsOf(step(straightThrough))).toEqual(
    expect.arrayContaining(['CategoricalSample', 'RelativeRows', 'SoftmaxGradient']),
  );
  expect(await kernelsOf(step(reinmax))).toEqual(expect.arrayContaining(['CategoricalSample', 'ReinmaxGradient']));
});

test('softmaxGradient takes a gradient without the leading axes of the probabilities', () => {
  const q = tf.softmax(tf.randomNormal([3, 4, 5], 0, 1, 'float32', 1));
  const g = tf.randomNormal([4, 5], 0, 1, 'float32', 2);
  const [stock, ours] = bothWays(() => list(softmaxGradient(q, g, 0.5)));
  expectNear(ours, stock);
});

test('relativeLogits of a row with NaN is NaN throughout, and others are left alone', () => {
  const x = tf.tensor2d([1, Number.NaN, 2, 3, 4, 1, 2, 3, 4, 5], [2, 5]);
  expect(list(relativeLogits(x, 2))).toEqual([...new Array(5).fill(Number.NaN), -2, -1.5, -1, -0.5, 0]);
});

describe('a draw by the kernel', () => {
  test('is the very draw of the host loop, whatever the probabilities and the uniforms', () => {
    const entry = fc.oneof(fc.double({min: 0, max: 1, noNaN: true}), fc.constantFrom(0, 1e-38, 1e30, 0.5));
    const rows = fc
      .integer({min: 1, max: 9})
      .chain(columns =>
        fc.array(fc.array(entry, {minLength: columns, maxLength: columns}), {minLength: 1, maxLength: 8}),
      );
    // Uniforms on the boundaries of quarters and halves: there a sum in another order or precision shows.
    const uniform = fc.oneof(
      fc.double({min: 2 ** -33, max: 1 - 2 ** -33, noNaN: true}),
      fc.constantFrom(0.25, 0.5, 0.75),
    );
    fc.assert(
      fc.property(rows, fc.array(uniform, {minLength: 8, maxLength: 8}), (rows, uniforms) => {
        const source: RandomSource = {uniform: n => Float64Array.from(uniforms.slice(0, n)), split: () => source};
        for (const row of rows) row[row.length - 1] = Math.max(row[row.length - 1]!, 1e-3);
        tf.tidy(() => {
          const probs = tf.tensor2d(rows);
          expect(list(categorical('test', probs, source))).toEqual(list(categoricalOnHost('test', probs, source)));
        });
      }),
      {seed: 4, numRuns: 300},
    );
  });

  test('is that of the host loop also where a uniform lies on the sum of hundreds of probabilities', () => {
    // Each uniform is the quotient of a partial sum and the sum: in float32, or in another order, the sums are others.
    const columns = 500;
    const values = Float32Array.from(seeded(6).uniform(columns));
    const sums: number[] = [];
    values.reduce((sum, x) => {
      sums.push(sum + x);
      return sum + x;
    }, 0);
    const uniforms = Float64Array.from(sums.slice(0, -1), sum => sum / sums[columns - 1]!);
    const source: RandomSource = {uniform: () => uniforms, split: () => source};
    const probs = tf.tile(tf.tensor2d(values, [1, columns]), [columns - 1, 1]);
    const [stock, ours] = bothWays(() => list(tf.argMax(categorical('test', probs, source), 1)));
    expect(ours).toEqual(stock);
  });

  test('takes uniforms that are a part of a larger array', () => {
    const source: RandomSource = {uniform: n => Float64Array.of(0.9, 0.1, 0.6).subarray(1, 1 + n), split: () => source};
    const sample = categorical('test', tf.tensor2d([0.5, 0.5, 0.5, 0.5], [2, 2]), source);
    expect(list(sample)).toEqual([1, 0, 0, 1]);
  });

  test('refuses a bad row in the words of the host loop, and leaves nothing behind', () => {
    const probs = tf.tensor2d([0.5, 0.5, 0, 0, Number.NaN, 1], [3, 2]);
    const backend = tf.backend() as BackendWasm;
    const before = [backend.numDataIds(), tf.memory().numTensors];
    const [stock, ours] = bothWays(() => {
      try {
        categorical('owner', probs, seeded(1)).dispose();
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(ours).toBe(stock);
    expect(ours).toContain('owner: row 1 of the logits leaves nothing to choose from');
    expect([backend.numDataIds(), tf.memory().numTensors]).toEqual(before);
    expect(() => categorical('owner', tf.tensor2d([Number.NaN, 1, 1, 0], [2, 2]), seeded(1))).toThrow('owner: row 0');
  });
});

test('topKMask by the kernel is the mask of the host loop, and refuses the same rows', () => {
  const entry = fc.oneof(
    {weight: 8, arbitrary: fc.integer({min: -3, max: 3})},
    fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  );
  const cases = fc.tuple(fc.integer({min: 1, max: 6}), fc.integer({min: 1, max: 6})).chain(([numRows, columns]) =>
    fc.record({
      columns: fc.constant(columns),
      k: fc.integer({min: 1, max: columns}),
      values: fc.array(entry, {minLength: numRows * columns, maxLength: numRows * columns}),
    }),
  );
  fc.assert(
    fc.property(cases, ({columns, k, values}) => {
      tf.tidy(() => {
        const x = tf.tensor2d(values, [values.length / columns, columns], 'float32');
        const outcome = (mask: typeof topKMask) => {
          try {
            return list(
              mask(x, k, row => {
                throw new Error(`row ${row}`);
              }),
            );
          } catch (error) {
            return (error as Error).message;
          }
        };
        expect(outcome(topKMask)).toEqual(outcome(topKMaskOnHost));
      });
    }),
    {seed: 5, numRuns: 400},
  );
});

describe('random numbers by the kernels', () => {
  test('a stream is the same with the kernel, without it, and in pieces that begin anywhere', () => {
    // Calls of 512 numbers and more ask for the kernel; each call begins with a fresh block of four.
    const counts = [1, 512, 3, 1023, 4096, 5, 100_001, 7];
    const streams = () => {
      const source = seeded(-7).split(3);
      return counts.map(count => source.uniform(count));
    };
    const [stock, ours] = bothWays(streams);
    expect(ours).toEqual(stock);
    expect(ours!.every(part => part.constructor === Float64Array)).toBe(true);
  });

  test('the kernel counts past 2^32 blocks', () => {
    const uniforms = (position: number, numBlocks: number) =>
      tf
        .engine()
        .runKernel('PhiloxUniforms', {}, {key: Uint32Array.of(1, 2), position, numBlocks} as never) as tf.Tensor;
    const words = list(uniforms(2 ** 32 - 2, 4));
    expect(words.slice(0, 16)).toEqual(list(uniforms(2 ** 32 - 2, 2)));
    expect(words.slice(16)).toEqual(list(uniforms(2 ** 32, 2)));
    expect(words.slice(16)).not.toEqual(list(uniforms(0, 2)));
  });

  test('Gumbel noise is that of the host up to one rounding to float32, also at the ends', () => {
    const random = seeded(5).uniform(20_001);
    const ends = [2 ** -33, 1 - 2 ** -33, 1 - 2 ** -53, 1e-300, Math.exp(-1), 0.5, Math.SQRT1_2, 0.25, 0.75];
    const uniforms = Float64Array.of(...ends, ...random);
    const source: RandomSource = {uniform: () => uniforms, split: () => source};
    const [stock, ours] = bothWays(() => list(gumbelNoise([uniforms.length], source)));
    const worst = Math.max(...ours.map((x, i) => Math.abs(x - stock[i]!) / Math.max(1e-3, Math.abs(stock[i]!))));
    expect(worst).toBeLessThan(2 ** -23);
    // What is rounded is right to some 1e-15, so that almost all are equal to the bit.
    expect(ours.filter((x, i) => x !== stock[i]).length).toBeLessThan(5);
  });

  test.each([[0], [1], [Number.NaN], [-1], [1e-310]])(
    'a uniform of %d, which no source of ours gives, is left to the host',
    uniform => {
      const source: RandomSource = {uniform: () => Float64Array.of(0.5, 0.25, uniform), split: () => source};
      const backend = tf.backend() as BackendWasm;
      const before = backend.numDataIds();
      const [stock, ours] = bothWays(() => tf.tidy(() => list(gumbelNoise([3], source))));
      expect(ours).toEqual(stock);
      expect(backend.numDataIds()).toBe(before);
    },
  );
});

test.each([
  ['clone', (x: tf.Tensor) => tf.clone(x)],
  ['cast to its own dtype', (x: tf.Tensor) => tf.cast(x, 'float32')],
])('a %s shares the memory of its tensor and outlives it', (_, copyOf) => {
  const backend = tf.backend() as BackendWasm;
  const x = tf.tensor1d([1, 2, 3]);
  const copy = copyOf(x);
  expect(backend.getMemoryOffset(copy.dataId)).toBe(backend.getMemoryOffset(x.dataId));
  x.dispose();
  expect(list(copy)).toEqual([1, 2, 3]);
  expect(list(tf.clone(tf.tensor1d(['a', 'b'])) as unknown as tf.Tensor)).toEqual(['a', 'b']);
});

test('thousands of steps of each estimator leave nothing behind', () => {
  const backend = tf.backend() as unknown as BackendWasm & {wasm: {HEAPU8: Uint8Array}};
  const x = tf.randomNormal([64, 9], 0, 1, 'float32', 1);
  const steps = (count: number) => {
    for (const {estimate} of Object.values(ESTIMATORS) as {estimate: Estimator}[]) {
      const options = {random: seeded(1), temperature: 0.7, numSamples: 2};
      for (let i = 0; i < count; ++i)
        tf.tidy(() => void tf.grad(y => tf.sum(tf.mul(estimate(y, options).sample, x)))(x));
    }
  };
  steps(5);
  const state = () => [backend.numDataIds(), tf.memory().numTensors, backend.wasm.HEAPU8.byteLength];
  const before = state();
  steps(500);
  expect(state()).toEqual(before);
});

test('softmaxGradient in parts, as threads do them, is that of the whole, where the gradient repeats', () => {
  const own = ownKernels(tf.backend() as BackendWasm)!;
  const [q, g] = [tf.softmax(tf.randomNormal([6, 5], 0, 1, 'float32', 1)), tf.randomNormal([3, 5], 0, 1, 'float32', 2)];
  const [whole, parts] = [tf.zeros([6, 5]), tf.zeros([6, 5])];
  const run = (out: tf.Tensor, begin: number, end: number) =>
    own.exports.softmaxGradient(own.address(q), own.address(g), own.address(out), 5, 3, 1, begin, end, 0);
  run(whole, 0, 6);
  for (const [begin, end] of [
    [4, 6],
    [0, 2],
    [2, 4],
  ] as const) {
    run(parts, begin, end);
  }
  expect(list(parts)).toEqual(list(whole));
});

test('the functions of rows write their part of the output and nothing else', () => {
  const backend = tf.backend() as BackendWasm;
  const own = ownKernels(backend)!;
  const heap = () => new Float32Array((backend as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.buffer);
  const SPACE = 64; // numbers from one array to the next
  own.withScratch(4 * 5 * SPACE, scratch => {
    for (const columns of [1, 3, 4, 7]) {
      for (const [begin, end] of [
        [0, 4],
        [1, 3],
        [2, 2],
      ] as const) {
        const at = (array: number) => scratch + 4 * (array * SPACE + 5);
        const runs: [out: number, run: () => void][] = [
          [2, () => own.exports.softmaxGradient(at(0), at(1), at(2), columns, 2, 1, begin, end, 0)],
          [1, () => own.exports.relativeRows(at(0), at(1), columns, 1, begin, end, 0)],
          [4, () => own.exports.reinmaxGradient(at(0), at(1), at(2), at(3), at(4), columns, begin, end, 0)],
        ];
        for (const [out, run] of runs) {
          const region = () => heap().subarray(scratch / 4, scratch / 4 + 5 * SPACE);
          region().set(Float32Array.from({length: 5 * SPACE}, (_, i) => i + 1e3));
          const before = Array.from(region());
          run();
          const changed = Array.from(region()).flatMap((x, i) => (x === before[i] ? [] : [i - out * SPACE - 5]));
          expect(changed).toEqual(Array.from({length: (end - begin) * columns}, (_, i) => begin * columns + i));
        }
      }
    }
  });
});

test('kernels refuse inputs that do not fit, in words', () => {
  const run = (name: string, inputs: tf.NamedTensorMap, attrs: object) => () =>
    tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap);
  const x = tf.zeros([2, 3]);
  expect(run('SoftmaxGradient', {q: x, g: tf.zeros([2])}, {temperature: 1})).toThrow(
    'SoftmaxGradient: g must have the last axes of q, [2,3], but has [2].',
  );
  expect(run('SoftmaxGradient', {q: x, g: tf.scalar(1)}, {temperature: 1})).toThrow('but has [].');
  expect(run('ReinmaxGradient', {d: x, p: x, q: x, g: tf.zeros([3])}, {})).toThrow('ReinmaxGradient: ');
  expect(run('RelativeRows', {x: tf.zeros([2], 'int32')}, {temperature: 1})).toThrow('but one is int32');
  expect(run('CategoricalSample', {probs: x}, {uniforms: new Float64Array(3)})).toThrow('there must be 2 uniforms');
  expect(run('TopKMask', {x: tf.zeros([2], 'int32')}, {k: 1})).toThrow('but got int32 [2].');
});
