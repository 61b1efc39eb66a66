// The fused gradient of Gumbel-Rao against the ops that it stands for, on the same noise.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {gumbelRao, type RandomSource, seeded} from 'tfjs-moe/estimators';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, afterEach, beforeAll, beforeEach, expect, test} from 'vitest';
import {ownKernels} from '../../src/wasm/own-kernels.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

tf.enableProdMode();

const KERNEL = 'GumbelRaoGradient';
const KEY = Uint32Array.of(5, 7);

/** Of gradients of weights up to 2: float32 logarithms of numbers up to 25, divided by the temperature. */
const rounding = (temperature: number) => 2e-5 / Math.min(1, temperature);

/** A stream of the blocks from `position` on, as another kernel makes them; the estimator does not know it for one of its own. */
function blocksFrom(position: number): RandomSource {
  let next = position;
  const source: RandomSource = {
    uniform(count) {
      const numBlocks = Math.ceil(count / 4);
      const attributes = {key: KEY, position: next, numBlocks};
      next += numBlocks;
      const words = tf.engine().runKernel('PhiloxUniforms', {}, attributes as never) as tf.Tensor;
      const values = new Float64Array(words.dataSync<'int32'>().buffer).slice(0, count);
      words.dispose();
      return values;
    },
    split: () => source,
  };
  return source;
}

interface Case {
  logits: tf.Tensor;
  hard: tf.Tensor;
  g: tf.Tensor;
  numSamples: number;
  temperature: number;
  position: number;
}

function byKernel({logits, hard, g, numSamples, temperature, position}: Case): tf.Tensor {
  const attributes = {key: KEY, position, numSamples, temperature};
  return tf.engine().runKernel(KERNEL, {logits, hard, g}, attributes as never) as tf.Tensor;
}

function byOps({logits, hard, g, numSamples, temperature, position}: Case): tf.Tensor {
  const options = {numSamples, temperature, given: hard, random: blocksFrom(position)};
  return tf.grad(x => tf.sum(tf.mul(g, gumbelRao(x, options).sample)))(logits);
}

/** Logits from -3 to 3, a draw and gradients from -2 to 2, of a seed. */
function makeCase(seed: number, shape: number[], values: Pick<Case, 'numSamples' | 'temperature' | 'position'>): Case {
  const size = tf.util.sizeFromShape(shape);
  const columns = shape[shape.length - 1]!;
  const hard = new Float32Array(size);
  seeded(seed + 2)
    .uniform(size / columns)
    .forEach((u, row) => {
      hard[row * columns + Math.floor(u * columns)] = 1;
    });
  return {
    logits: tf.tensor(numbers(seed, size, -3, 3), shape),
    hard: tf.tensor(hard, shape),
    g: tf.tensor(numbers(seed + 1, size, -2, 2), shape),
    ...values,
  };
}

beforeAll(async () => {
  await tf.setBackend('wasm');
});
beforeEach(() => {
  tf.engine().startScope();
  registerWasmTrainingKernels();
});
afterEach(() => tf.engine().endScope());
afterAll(() => unregisterWasmTrainingKernels());

test('the kernel is the mean of the softmax gradients of the ops, on the same noise, for any shape, number of samples and temperature', () => {
  const shape = fc
    .tuple(fc.array(fc.integer({min: 1, max: 6}), {maxLength: 2}), fc.integer({min: 1, max: 40}))
    .map(([leading, columns]) => [...leading, columns]);
  // At 2^32 - 3 the noise counts past the lower word of its counter.
  const values = fc.record({
    numSamples: fc.integer({min: 1, max: 9}),
    temperature: fc.constantFrom(1, 0.5, 0.05, 3, 1000),
    position: fc.constantFrom(0, 1, 2 ** 32 - 3, 2 ** 32 - 2, 2 ** 40 + 5),
  });
  fc.assert(
    fc.property(fc.nat(1000), shape, values, (seed, shape, values) => {
      tf.tidy(() => {
        const example = makeCase(seed, shape, values);
        expectClose(byKernel(example), list(byOps(example)), rounding(values.temperature));
      });
    }),
    {seed: 8, numRuns: 150},
  );
});

test.each([
  [[600_000, 2], 1, 1],
  [[60_000, 2], 10, 0.5],
  [[700, 3], 30, 2],
  [[9, 1500], 20, 0.7],
])('it is so for many tiles of rows, shape %j, %d samples at temperature %d', (shape, numSamples, temperature) => {
  const example = makeCase(1, shape, {numSamples, temperature, position: 3});
  const [ours, theirs] = [byKernel(example).dataSync(), byOps(example).dataSync()];
  expect(ours.findIndex((x, i) => !(Math.abs(x - theirs[i]!) <= rounding(temperature)))).toBe(-1);
});

// Logits so far apart that a probability leaves float32. A masked category must not be drawn.
test.each([[1], [0.5], [40], [1e4]])('it is so for extreme and masked logits at temperature %d', temperature => {
  const logits = tf.tensor2d([
    [0, -59.9, -60.1, -1e4],
    [1e4, 0, -1e4, 3],
    [Number.NEGATIVE_INFINITY, 1, 2, Number.NEGATIVE_INFINITY],
    [0, -200, 0, -1000],
  ]);
  const g = tf.tensor2d(numbers(3, 16, -2, 2), [4, 4]);
  for (const drawn of [
    [0, 1, 1, 1],
    [3, 0, 2, 3],
  ]) {
    const hard = tf.cast(tf.oneHot(tf.tensor1d(drawn, 'int32'), 4), 'float32');
    const example = {logits, hard, g, numSamples: 50, temperature, position: 0};
    const ours = list(byKernel(example));
    expectClose(ours, list(byOps(example)), rounding(temperature));
    expect([ours[8], ours[11]]).toEqual([0, 0]);
  }
});

// Under this key, of the first 2^27 uniforms the largest, 1 - 39.5 / 2^32, which float32 rounds to 1, and the smallest, 8.5 / 2^32.
test.each([
  [7_012_662, 3],
  [12_284_876, 2],
])('it is so next to the ends of the uniforms, in block %d', (position, word) => {
  for (const drawn of [word, 0]) {
    const hard = tf.tensor1d([0, 1, 2, 3].map(category => Number(category === drawn)));
    const [logits, g] = [tf.tensor1d([0.5, -1, 0.25, 1.5]), tf.tensor1d([1, -2, 0.5, 3])];
    for (const temperature of [1, 8]) {
      const example = {logits, hard, g, numSamples: 1, temperature, position};
      expectClose(byKernel(example), list(byOps(example)), 1e-6);
    }
  }
});

test('the estimator asks for the kernel where the noise is ours, and goes without where it is not', async () => {
  const kernelsOf = async (random: RandomSource) => {
    const step = () => tf.grad(x => tf.sum(gumbelRao(x, {random, numSamples: 3}).sample))(tf.zeros([2, 3]));
    return (await tf.profile(() => tf.tidy(() => void step()))).kernelNames;
  };
  expect(await kernelsOf(seeded(1).split(2))).toContain(KERNEL);
  const own = seeded(1);
  const wrapped: RandomSource = {uniform: count => own.uniform(count), split: () => wrapped};
  expect(await kernelsOf(wrapped)).not.toContain(KERNEL);
});

test.each([
  [[5, 3], 3],
  [[3, 7], 5],
  [[4, 2], 1],
  [[90_000, 2], 9],
])(
  'a stream goes on behind the noise of shape %j, %d samples, where it does without the kernel',
  (shape, numSamples) => {
    const next = () => {
      const random = seeded(4);
      tf.grad(x => tf.sum(gumbelRao(x, {random, numSamples}).sample))(tf.zeros(shape));
      return Array.from(random.uniform(5));
    };
    const ours = next();
    unregisterWasmTrainingKernels();
    expect(next()).toEqual(ours);
  },
);

test('in parts, as threads do them, it is that of the whole, and neither a part nor its scratch reaches beyond what is its own', () => {
  const backend = tf.backend() as BackendWasm;
  const own = ownKernels(backend)!;
  const heap = () => new Float32Array((backend as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.buffer);
  const GUARD = 64; // numbers around each region
  const MARK = 12345;
  for (const [rows, columns, groups] of [
    [1, 1, 1],
    [7, 3, 1],
    [18, 2, 2],
    [9, 5, 2],
    [13, 21, 1],
  ] as const) {
    const {logits, hard, g} = makeCase(rows, [rows, columns], {numSamples: 3, temperature: 0.5, position: 0});
    const whole = list(byKernel({logits, hard, g, numSamples: 3, temperature: 0.5, position: 0}));
    const bytes = own.exports.gumbelRaoScratch(columns, groups);
    expect(bytes % 16).toBe(0);
    const numbersOf = {out: rows * columns, scratch: (2 * bytes) / 4};
    own.withScratch(4 * (numbersOf.out + numbersOf.scratch + 3 * GUARD + 4), start => {
      const scratch = start + 4 * GUARD;
      const out = scratch + 4 * (numbersOf.scratch + GUARD);
      heap().fill(MARK, start / 4, out / 4 + numbersOf.out + GUARD);
      const run = (tile: number, worker: number) => {
        const addresses = [logits, hard, g].map(own.address);
        const words = [KEY[0]!, KEY[1]!, 0, 0];
        const args = [...addresses, out, scratch, columns, rows, groups, 3, 0.5, ...words];
        own.exports.gumbelRaoGradient(...args, tile, tile + 1, worker);
      };
      const isMarked = (from: number, count: number) =>
        heap()
          .subarray(from / 4, from / 4 + count)
          .every(x => x === MARK);
      const tiles = Math.ceil(rows / (4 * groups));
      for (let tile = tiles - 1; tile >= 0; --tile) {
        run(tile, 1);
        // What belongs to earlier tiles and to the other worker is as it was.
        expect(isMarked(out, Math.min(numbersOf.out, tile * 4 * groups * columns))).toBe(true);
        expect(isMarked(start, GUARD + bytes / 4)).toBe(true);
      }
      expect(isMarked(scratch + 2 * bytes, GUARD)).toBe(true);
      expect(isMarked(out + 4 * numbersOf.out, GUARD)).toBe(true);
      expectClose(Array.from(heap().subarray(out / 4, out / 4 + numbersOf.out)), whole, 1e-7);
    });
  }
});

test('it holds no more memory for more samples', () => {
  const backend = tf.backend() as unknown as BackendWasm & {wasm: {HEAPU8: Uint8Array}};
  const step = (numSamples: number) =>
    tf.tidy(
      () => void tf.grad(x => tf.sum(gumbelRao(x, {random: seeded(1), numSamples}).sample))(tf.zeros([1000, 20])),
    );
  step(1);
  const before = [backend.wasm.HEAPU8.byteLength, backend.numDataIds()];
  step(1000);
  expect([backend.wasm.HEAPU8.byteLength, backend.numDataIds()]).toEqual(before);
});

test('inputs that do not fit are refused, in words', () => {
  const x = tf.zeros([2, 3]);
  const run = (inputs: tf.NamedTensorMap) => () =>
    tf.engine().runKernel(KERNEL, inputs, {key: KEY, position: 0, numSamples: 1, temperature: 1} as never);
  expect(run({logits: x, hard: x, g: tf.zeros([3])})).toThrow(`${KERNEL}: `);
  expect(run({logits: x, hard: tf.zeros([2, 3], 'int32'), g: x})).toThrow('but one is int32');
});
