// Matrix products of random shapes on the wasm kernels, and what a product must not do to anything else.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {expectClose} from '../support/expect-close.js';
import {exactTensor, operand, slowMatMul} from '../support/slow-mat-mul.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

/** Random cases are the same in each run. */
const SEED = 20260101;
const ROUNDING = 1e-5;

const side = fc.oneof({weight: 1, arbitrary: fc.constant(0)}, {weight: 9, arbitrary: fc.integer({min: 1, max: 41})});
/** Around the sizes of the binary's blocks, 160 rows, 400 inner steps and 64 columns, and their multiples. */
const large = {
  M: fc.constantFrom(1, 4, 5, 159, 160, 161, 323),
  K: fc.constantFrom(1, 3, 399, 400, 401, 805),
  N: fc.constantFrom(1, 7, 8, 63, 64, 65, 130),
};
const flags = {tA: fc.boolean(), tB: fc.boolean(), seed: fc.nat()};

/** Two lists of batch axes that broadcast: of a common one each side has the last few, some of them of length 1. */
const batches = fc
  .array(fc.integer({min: 1, max: 3}), {maxLength: 3})
  .chain(batch =>
    fc.tuple(
      ...[0, 1].map(() =>
        fc
          .tuple(fc.integer({min: 0, max: batch.length}), fc.array(fc.boolean(), {minLength: 3, maxLength: 3}))
          .map(([from, ones]) => batch.map((length, axis) => (ones[axis] ? 1 : length)).slice(from)),
      ),
    ),
  ) as fc.Arbitrary<[number[], number[]]>;

/** Runs a law on random cases, each in a scope of its own. */
const holds = <T>(cases: fc.Arbitrary<T>, numRuns: number, law: (value: T) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(cases, async value => {
      tf.engine().startScope();
      try {
        await law(value);
      } finally {
        tf.engine().endScope();
      }
    }),
    {seed: SEED, numRuns},
  );

withAndWithoutBinary('products of random shapes', hasBinary => {
  const memory = () => (tf.backend() as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}}).wasm.asm.memory;
  const buffers = () => (tf.backend() as BackendWasm).numDataIds();

  test('the binary is used where it should be', () => {
    expect(tf.getKernel('GroupedMatMul', 'wasm') !== undefined).toBe(hasBinary);
  });

  test('a product of any sizes, transposes and batches is that of the loop', async () => {
    await holds(
      fc.record({M: side, K: side, N: side, batches, ...flags}),
      300,
      async ({M, K, N, tA, tB, seed, ...rest}) => {
        const [batchA, batchB] = rest.batches;
        const [a, b] = [operand(batchA, M, K, tA, seed), operand(batchB, K, N, tB, seed + 1)];
        const product = tf.matMul(a, b, tA, tB);
        expect(product.shape.slice(-2)).toEqual([M, N]);
        expect([...(await product.data())]).toEqual(await slowMatMul(a, b, tA, tB));
      },
    );
  });

  test('a product of large sides is that of the loop', async () => {
    await holds(fc.record({...large, ...flags}), 40, async ({M, K, N, tA, tB, seed}) => {
      const [a, b] = [operand([], M, K, tA, seed), operand([], K, N, tB, seed + 1)];
      expect([...(await tf.matMul(a, b, tA, tB).data())]).toEqual(await slowMatMul(a, b, tA, tB));
    });
  });

  test('infinities and NaN in the operands are in the result where they are in that of the loop', async () => {
    const value = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const sides = fc.integer({min: 1, max: 20});
    const cases = fc.record({M: sides, K: sides, N: sides, value, place: fc.nat(), ...flags});
    await holds(cases, 100, async ({M, K, N, tA, tB, seed, value, place}) => {
      const [a, b] = [operand([], M, K, tA, seed), operand([], K, N, tB, seed + 1)];
      const values = await a.data();
      values[place % values.length] = value;
      const left = tf.tensor(values, a.shape);
      expect([...(await tf.matMul(left, b, tA, tB).data())]).toEqual(await slowMatMul(left, b, tA, tB));
    });
  });

  /** Each activation of tf.fused, in float64. */
  const activations: Record<tf.fused.Activation, (x: number, slope: number) => number> = {
    linear: x => x,
    relu: x => Math.max(0, x),
    relu6: x => Math.min(6, Math.max(0, x)),
    prelu: (x, slope) => (x < 0 ? slope * x : x),
    leakyrelu: x => (x < 0 ? 0.25 * x : x),
    sigmoid: x => 1 / (1 + Math.exp(-x)),
    elu: x => (x < 0 ? Math.expm1(x) : x),
  };
  const names = Object.keys(activations) as tf.fused.Activation[];

  test('a fused product is the activation of the product and the bias', async () => {
    const sides = {M: side, K: side, N: side};
    const some = {
      activation: fc.constantFrom(...names),
      biases: fc.constantFrom('none', 'one', 'each'),
      isBatch: fc.boolean(),
    };
    await holds(
      fc.record({...sides, ...some, ...flags}),
      300,
      async ({M, K, N, tA, tB, seed, activation, biases, isBatch}) => {
        const batch = isBatch ? [2] : [];
        const [a, b] = [operand(batch, M, K, tA, seed), operand(batch, K, N, tB, seed + 1)];
        const bias = biases === 'none' ? undefined : exactTensor([biases === 'one' ? 1 : N], seed + 2);
        const slopes = exactTensor([N], seed + 3);
        const fused = tf.fused.matMul({
          a,
          b,
          transposeA: tA,
          transposeB: tB,
          activation,
          leakyreluAlpha: 0.25,
          ...(bias && {bias}),
          ...(activation === 'prelu' && {preluActivationWeights: slopes}),
        });
        const [added, slope] = [await bias?.data(), await slopes.data()];
        const sums = await slowMatMul(a, b, tA, tB);
        const expected = sums.map((sum, i) => {
          const shift = added ? added[i % added.length]! : 0;
          return activations[activation](sum + shift, slope[i % N]!);
        });
        const actual = [...(await fused.data())];
        const scale = Math.max(1, ...expected.map(Math.abs));
        expectClose(actual, expected, ROUNDING * scale);
      },
    );
  });

  test('a bias of another length is refused', () => {
    // One column, with which five biases would broadcast.
    const call = () => tf.fused.matMul({a: tf.ones([2, 3]), b: tf.ones([3, 1]), bias: tf.ones([5])});
    expect(call).toThrow('_FusedMatMul: bias must have one number for each of the 1 columns, but has 5.');
  });

  test('a product is right when the memory grows for it, and its operands were placed before', async () => {
    const [a, b] = [tf.fill([2048, 3], 2) as tf.Tensor2D, tf.fill([3, 2048], 5) as tf.Tensor2D];
    const before = memory().buffer.byteLength;
    for (let i = 0; memory().buffer.byteLength === before && i < 200; ++i) {
      const product = tf.matMul(a, b); // 16 MiB each, kept until the end of the test
      expect(new Set(await product.data())).toEqual(new Set([30]));
    }
    expect(memory().buffer.byteLength).toBeGreaterThan(before);
    expect(new Set(await tf.matMul(b, a).data())).toEqual(new Set([2048 * 10]));
  });

  test('ten thousand products leave no tensor and no memory behind', () => {
    const [a, b] = [exactTensor([2, 9, 11], 1), exactTensor([2, 11, 17], 2)];
    const [c, d] = [exactTensor([65, 33], 3) as tf.Tensor2D, exactTensor([9, 65], 4) as tf.Tensor2D];
    const bias = exactTensor([33], 5);
    const run = () => {
      tf.matMul(a, b).dispose();
      tf.fused.matMul({a: d, b: c, bias, activation: 'elu'}).dispose();
    };
    for (let i = 0; i < 10; ++i) run();
    const [numBuffers, bytes] = [buffers(), memory().buffer.byteLength];
    for (let i = 0; i < 5000; ++i) run();
    expect(buffers()).toBe(numBuffers);
    expect(memory().buffer.byteLength).toBe(bytes);
  });

  test('what was allocated is freed when a product fails', () => {
    const numBuffers = buffers();
    const tensors = [tf.ones([2, 3]), tf.ones([3, 1]), tf.ones([5])] as const;
    expect(() =>
      tf.fused.matMul({a: tensors[0] as tf.Tensor2D, b: tensors[1] as tf.Tensor2D, bias: tensors[2]}),
    ).toThrow();
    tf.dispose([...tensors]);
    expect(buffers()).toBe(numBuffers);
  });
});
