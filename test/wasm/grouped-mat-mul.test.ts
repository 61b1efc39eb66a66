// The product of groups of rows with a matrix each: by the kernels of tfjs-moe/wasm, and by one product a group elsewhere.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {groupedMatMul} from '../../src/ops/grouped-mat-mul.js';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from '../../src/wasm/index.js';
import {exactTensor, slowProduct} from '../support/slow-mat-mul.js';

const SEED = 20260103;

/** The rows of each group of x, [rows, width]. */
function rowsOfGroups(x: Float32Array, width: number, sizes: number[]): Float32Array[] {
  let start = 0;
  return sizes.map(size => {
    start += size * width;
    return x.subarray(start - size * width, start);
  });
}

/** Compares the product and both gradients with those of the loop, whose numbers are exact, for matrices in one tensor and in a list. */
async function expectAsLoop(sizes: number[], K: number, N: number, seed: number): Promise<void> {
  const rows = sizes.reduce((sum, size) => sum + size, 0);
  const a = exactTensor([rows, K], seed) as tf.Tensor2D;
  const b = exactTensor([sizes.length, K, N], seed + 1) as tf.Tensor3D;
  const dy = exactTensor([rows, N], seed + 2);
  const [valuesA, valuesB, valuesDy] = (await Promise.all([a.data(), b.data(), dy.data()])) as Float32Array[];
  const groupsA = rowsOfGroups(valuesA!, K, sizes);
  const groupsDy = rowsOfGroups(valuesDy!, N, sizes);
  const matrices = sizes.map((_, e) => valuesB!.subarray(e * K * N, (e + 1) * K * N));
  // y = a b, da = dy b' and db = a' dy, group by group.
  const expected = [
    sizes.map((size, e) => slowProduct(groupsA[e]!, matrices[e]!, [size, K, N])),
    sizes.map((size, e) => slowProduct(groupsDy[e]!, matrices[e]!, [size, N, K], false, true)),
    sizes.map((size, e) => slowProduct(groupsA[e]!, groupsDy[e]!, [K, size, N], true, false)),
  ].map(parts => parts.flat());

  const list = matrices.map(matrix => tf.tensor(matrix, [K, N], 'float32') as tf.Tensor2D);
  for (const isList of sizes.length === 0 ? [false] : [false, true]) {
    const operands: tf.Tensor[] = [a, ...(isList ? list : [b])];
    const product = (...[x, ...w]: tf.Tensor[]) =>
      groupedMatMul(x as tf.Tensor2D, isList ? (w as tf.Tensor2D[]) : (w[0] as tf.Tensor3D), sizes);
    const value = product(...operands);
    const gradients = tf.grads(product)(operands, dy);
    expect(value.shape).toEqual([rows, N]);
    expect(gradients.map(({shape}) => shape)).toEqual(operands.map(({shape}) => shape));
    const [da, ...db] = await Promise.all(gradients.map(gradient => gradient.data()));
    expect([...(await value.data())]).toEqual(expected[0]);
    expect([...da!]).toEqual(expected[1]);
    expect(db.flatMap(part => [...part])).toEqual(expected[2]);
  }
}

describe.each([
  ['cpu', false],
  ['wasm', false],
  ['wasm', true],
] as const)('groupedMatMul on %s, with our kernels: %s', (backendName, hasKernels) => {
  beforeAll(async () => {
    await tf.setBackend(backendName);
    if (hasKernels) registerWasmTrainingKernels();
  });
  afterAll(() => unregisterWasmTrainingKernels());
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  test('the kernels are there where they should be', () => {
    expect(tf.getKernel('GroupedMatMul', backendName) !== undefined).toBe(hasKernels);
    expect(tf.getKernel('GroupedMatMulGradB', backendName) !== undefined).toBe(hasKernels);
  });

  test('product and gradients of any groups are those of the loop', async () => {
    const size = fc.oneof(fc.constant(0), fc.integer({min: 1, max: 12}), fc.integer({min: 1, max: 40}));
    const side = fc.integer({min: 0, max: 20});
    const cases = fc.tuple(fc.array(size, {maxLength: 6}), side, side, fc.nat());
    await fc.assert(
      fc.asyncProperty(cases, async ([sizes, K, N, seed]) => {
        tf.engine().startScope();
        try {
          await expectAsLoop(sizes, K, N, seed);
        } finally {
          tf.engine().endScope();
        }
      }),
      {seed: SEED, numRuns: 100},
    );
  });

  test('one group is one product', () => expectAsLoop([170], 30, 70, 1));
  test('sixty-four groups of different sizes, some of them empty, are those of the loop', () =>
    expectAsLoop(
      Array.from({length: 64}, (_, e) => (e * 7) % 11),
      13,
      21,
      2,
    ));
  test('groups longer than a block of the binary are those of the loop', () => expectAsLoop([403, 0, 170], 9, 67, 3));

  test('a group without rows gets a gradient of zeros, whatever the memory held', async () => {
    tf.fill([3, 4, 5], 7).dispose(); // memory that the gradient gets again
    const a = tf.ones([2, 4]) as tf.Tensor2D;
    const db = tf.grad(b => groupedMatMul(a, b as tf.Tensor3D, [1, 0, 1]))(tf.ones([3, 4, 5]));
    // Two groups of one row of ones: x' dy is a matrix of ones.
    const ones = new Array<number>(20).fill(1);
    expect([...(await db.data())]).toEqual([...ones, ...new Array<number>(20).fill(0), ...ones]);
  });

  test('a list of matrices, one of them for two groups, gets the sum of both groups as its gradient', async () => {
    const a = tf.tensor2d([1, 2, 3], [3, 1]);
    const db = tf.grad(w => groupedMatMul(a, [w, tf.ones([1, 1]), w] as tf.Tensor2D[], [1, 1, 1]))(tf.ones([1, 1]));
    expect([...(await db.data())]).toEqual([1 + 3]);
  });

  test('sizes in a typed array, changed after the call, give the gradient of the call', async () => {
    const sizes = Int32Array.of(1, 2);
    const a = tf.ones([3, 1]) as tf.Tensor2D;
    const db = tf.grad(b => {
      const product = groupedMatMul(a, b as tf.Tensor3D, sizes);
      sizes.fill(0);
      return product;
    })(tf.ones([2, 1, 1]));
    expect([...(await db.data())]).toEqual([1, 2]);
  });

  test('nothing is left behind in the engine or in the backend', () => {
    const [a, b] = [exactTensor([7, 3], 1) as tf.Tensor2D, exactTensor([3, 3, 5], 2) as tf.Tensor3D];
    const list = [3, 4, 5].map(seed => exactTensor([3, 5], seed) as tf.Tensor2D);
    const gradients = tf.grads((x, w) => groupedMatMul(x as tf.Tensor2D, w as tf.Tensor3D, [4, 0, 3]));
    const ofList = tf.grads((x, ...w) => groupedMatMul(x as tf.Tensor2D, w as tf.Tensor2D[], [4, 0, 3]));
    const run = () => {
      groupedMatMul(a, b, [4, 0, 3]).dispose();
      tf.dispose([gradients([a, b]), ofList([a, ...list])]);
    };
    run();
    const [buffers, tensors] = [(tf.backend() as BackendWasm).numDataIds(), tf.memory().numTensors];
    for (let i = 0; i < 500; ++i) run();
    expect((tf.backend() as BackendWasm).numDataIds()).toBe(buffers);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  test.each([
    [[2, 3], 'groupSizes must sum to the number of rows (=6), but got [2, 3], which sums to 5'],
    [[7, -1], 'groupSizes[1] must be a whole number of at least 0, but got -1'],
    [[1.5, 4.5], 'groupSizes[0] must be a whole number of at least 0, but got 1.5'],
    [[6], 'b must have shape [groups, inner, columns] = [1, 3, any], but got [2, 3, 4]'],
  ])('group sizes %j are refused in words', (sizes, words) => {
    const call = () => groupedMatMul(tf.ones([6, 3]), tf.ones([2, 3, 4]), sizes);
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`groupedMatMul: ${words}.`);
  });

  test('matrices of another inner side are refused in words', () => {
    expect(() => groupedMatMul(tf.ones([6, 3]), tf.ones([2, 5, 4]), [3, 3])).toThrow(
      'groupedMatMul: b must have shape [groups, inner, columns] = [2, 3, any], but got [2, 5, 4].',
    );
  });

  test.each([
    [[], [], 'b must be a list of one tensor for each of the groups, 1 or more, but got 0 for 0.'],
    [[[3, 4]], [3, 3], 'b must be a list of one tensor for each of the groups, 1 or more, but got 1 for 2.'],
    [
      [
        [4, 3],
        [3, 4],
      ],
      [3, 3],
      'b[0] must have shape [inner, columns] = [3, any], but got [4, 3].',
    ],
    [
      [
        [3, 4],
        [3, 5],
      ],
      [3, 3],
      'b[1] must have shape [inner, columns] = [3, 4], but got [3, 5].',
    ],
  ])('a list of matrices of shapes %j for groups of %j is refused: %s', (shapes, sizes, words) => {
    const list = shapes.map(shape => tf.ones<tf.Rank.R2>(shape as [number, number]));
    expect(() => groupedMatMul(tf.ones([6, 3]), list, sizes)).toThrow(`groupedMatMul: ${words}`);
  });
});

describe('the kernels of grouped products', () => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    registerWasmTrainingKernels();
  });
  afterAll(() => unregisterWasmTrainingKernels());

  /** What reaches a kernel without the op's checks is refused as well: it would read outside its operands. */
  test.each([
    ['GroupedMatMul', {a: [4, 3], b: [2, 3, 5]}, {groupSizes: [4, 4]}, 'groupSizes must sum'],
    ['GroupedMatMul', {a: [4, 3], b: [2, 3, 5]}, {groupSizes: [2, 2], transposeB: true}, 'b must have shape'],
    ['GroupedMatMul', {a: [4, 3], b0: [3, 5]}, {groupSizes: [2, 2]}, 'b must be a list of one tensor'],
    ['GroupedMatMul', {a: [4, 3], b0: [3, 5], b1: [3, 4]}, {groupSizes: [2, 2]}, 'b[1] must have shape'],
    ['GroupedMatMul', {a: [4, 3], b: [2, 3, 5], bias0: [5]}, {groupSizes: [2, 2]}, 'bias must be a list'],
    ['GroupedMatMul', {a: [4, 3], b: [2, 3, 5], bias0: [5], bias1: [4]}, {groupSizes: [2, 2]}, 'bias[1] must have'],
    ['GroupedFinishGrad', {dy: [4, 3], y: [4, 2]}, {groupSizes: [2, 2], hasBiases: true}, 'y must have shape'],
    ['GroupedFinishGrad', {dy: [4, 3]}, {groupSizes: [2, 1], hasBiases: true}, 'groupSizes must sum'],
    ['GroupedFinishGrad', {dy: [4]}, {groupSizes: [2, 2], hasBiases: true}, 'dy must have shape'],
    ['GroupedMatMulGradB', {a: [4, 3], dy: [4, 5]}, {groupSizes: [4, 4]}, 'groupSizes must sum'],
    ['GroupedMatMulGradB', {a: [4, 3], dy: [3, 5]}, {groupSizes: [2, 2]}, 'dy must have shape'],
  ])('%s of %j with %j is refused: %s', (name, shapes, attributes, words) => {
    tf.tidy(() => {
      const inputs = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, tf.ones(shape)]));
      expect(() => tf.engine().runKernel(name, inputs, attributes as unknown as tf.NamedAttrMap)).toThrow(words);
    });
  });

  test.each(['GroupedMatMul', 'GroupedMatMulGradB', 'GroupedFinishGrad'])('%s refuses integers in words', name => {
    tf.tidy(() => {
      const integers = tf.ones([2, 2], 'int32');
      const inputs = {a: tf.ones([2, 2]), b0: tf.ones([2, 2]), dy: integers};
      const call = () => tf.engine().runKernel(name, inputs, {groupSizes: [2]});
      expect(call).toThrow(`${name}: dy must be float32, but it is int32.`);
    });
  });
});
