// The matrix products of the wasm kernels, against a slow loop in float64.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {exactTensor, FLAGS, operand, slowMatMul} from '../support/slow-mat-mul.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

withAndWithoutBinary('the wasm kernels', () => {
  // Sizes on both sides of the limit under which the stock loop is kept (32 ** 3 multiplications), and sides of 1.
  describe.each([
    [2, 3, 4],
    [1, 40, 50],
    [50, 1, 40],
    [40, 50, 1],
    [1, 1, 1],
    [33, 34, 35],
    [5, 200, 70],
    [70, 3, 200],
    [200, 70, 5],
  ])('M = %i, K = %i, N = %i', (M, K, N) => {
    test.each(FLAGS)(
      'the product of two matrices is that of the loop, transposeA %s, transposeB %s',
      async (tA, tB) => {
        const [a, b] = [operand([], M, K, tA, 1), operand([], K, N, tB, 2)];
        const product = tf.matMul(a, b, tA, tB);
        expect(product.shape).toEqual([M, N]);
        expect([...(await product.data())]).toEqual(await slowMatMul(a, b, tA, tB));
      },
    );

    test.each(FLAGS)('a product of batches is that of the loop, transposeA %s, transposeB %s', async (tA, tB) => {
      const [a, b] = [operand([3], M, K, tA, 3), operand([3], K, N, tB, 4)];
      const product = tf.matMul(a, b, tA, tB);
      expect(product.shape).toEqual([3, M, N]);
      expect([...(await product.data())]).toEqual(await slowMatMul(a, b, tA, tB));
    });
  });

  // Batch axes that are equal, that one side lacks, of length 1 on one side, and of length 1 on either side; small and large matrices.
  describe.each([
    [
      [2, 3],
      [2, 3],
    ],
    [[3], []],
    [[], [3]],
    [[3], [1]],
    [[1], [3]],
    [[2, 3], [3]],
    [[2, 1], [3]],
    [
      [2, 1],
      [1, 3],
    ],
    [
      [1, 3],
      [2, 1],
    ],
    [
      [2, 1, 2],
      [1, 3, 1],
    ],
    [[1, 1], [1]],
  ])('batch axes %j and %j', (batchA, batchB) => {
    const broadcast = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
    describe.each([
      [2, 3, 4],
      [34, 33, 35],
    ])('M = %i, K = %i, N = %i', (M, K, N) => {
      test.each(FLAGS)('broadcast as in the loop, transposeA %s, transposeB %s', async (tA, tB) => {
        const [a, b] = [operand(batchA, M, K, tA, 5), operand(batchB, K, N, tB, 6)];
        const product = tf.matMul(a, b, tA, tB);
        expect(product.shape).toEqual([...broadcast, M, N]);
        expect([...(await product.data())]).toEqual(await slowMatMul(a, b, tA, tB));
      });
    });
  });

  describe.each(FLAGS)('transposeA %s, transposeB %s', (tA, tB) => {
    test('a sum over no terms is zero, whatever the memory held', async () => {
      tf.fill([3, 8, 9], 7).dispose(); // memory that the product gets again
      const single = tf.matMul(operand([], 8, 0, tA, 7), operand([], 0, 9, tB, 8), tA, tB);
      expect(single.shape).toEqual([8, 9]);
      expect([...(await single.data())]).toEqual(new Array(8 * 9).fill(0));
      const batch = tf.matMul(operand([3], 8, 0, tA, 7), operand([3], 0, 9, tB, 8), tA, tB);
      expect(batch.shape).toEqual([3, 8, 9]);
      expect([...(await batch.data())]).toEqual(new Array(3 * 8 * 9).fill(0));
    });

    test('a product without rows, columns or batch is empty', async () => {
      const shapes = [
        [[], 0, 5, 6],
        [[], 5, 6, 0],
        [[0], 5, 6, 7],
      ] as const;
      for (const [batch, M, K, N] of shapes) {
        const product = tf.matMul(operand([...batch], M, K, tA, 9), operand([...batch], K, N, tB, 10), tA, tB);
        expect(product.shape).toEqual([...batch, M, N]);
        expect(await product.data()).toHaveLength(0);
      }
    });

    test('nothing is left behind in the engine or in the backend', () => {
      const cases = [
        [operand([], 40, 50, tA, 11), operand([], 50, 60, tB, 12)],
        [operand([], 3, 4, tA, 13), operand([], 4, 5, tB, 14)],
        [operand([3], 40, 50, tA, 15), operand([3], 50, 60, tB, 16)],
        [operand([2, 1], 40, 50, tA, 17), operand([1, 3], 50, 60, tB, 18)],
        [operand([3], 40, 50, tA, 19), operand([], 50, 60, tB, 20)],
        [operand([], 40, 0, tA, 21), operand([], 0, 60, tB, 22)],
      ] as const;
      const buffers = tf.engine().backend.numDataIds();
      const tensors = tf.memory().numTensors;
      for (const [a, b] of cases) tf.matMul(a, b, tA, tB).dispose();
      expect(tf.memory().numTensors).toBe(tensors);
      expect(tf.engine().backend.numDataIds()).toBe(buffers);
    });
  });

  test('a right operand is multiplied by its own shape after a product with another shape of the same memory', async () => {
    const b = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    // [1 1] [1 2 3; 4 5 6] = [5 7 9], and [1 1 1] [1 2; 3 4; 5 6] = [9 12].
    expect([...(await tf.matMul(tf.ones([1, 2]), b).data())]).toEqual([5, 7, 9]);
    const buffers = tf.engine().backend.numDataIds();
    const product = tf.matMul(tf.ones([1, 3]), tf.reshape(b, [3, 2]));
    expect([...(await product.data())]).toEqual([9, 12]);
    expect([...(await tf.matMul(tf.ones([1, 2]), b).data())]).toEqual([5, 7, 9]);
    // Two products and the operand of ones for each.
    expect(tf.engine().backend.numDataIds()).toBe(buffers + 4);
  });

  test('a fused right operand is multiplied by its own shape after another shape of the same memory', async () => {
    const b = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const fused = (a: tf.Tensor2D, right: tf.Tensor2D) => tf.fused.matMul({a, b: right, activation: 'relu'}).data();
    // relu([1 1] [1 2 3; 4 5 6]) = [5 7 9], and relu([1 1 1] [1 2; 3 4; 5 6]) = [9 12].
    expect([...(await fused(tf.ones([1, 2]), b))]).toEqual([5, 7, 9]);
    expect([...(await fused(tf.ones([1, 3]), tf.reshape(b, [3, 2])))]).toEqual([9, 12]);
  });

  test('a batch that does not broadcast is refused', () => {
    expect(() => tf.matMul(tf.zeros([2, 3, 4]), tf.zeros([3, 4, 5]))).toThrow('could not be broadcast');
  });

  test('integers are refused in the words of the stock kernel', () => {
    expect(() => tf.matMul(tf.ones([2, 2], 'int32'), tf.ones([2, 2], 'int32'))).toThrow('not yet supported');
  });

  test.each(FLAGS)('the gradient is that of the loop, transposeA %s, transposeB %s', async (tA, tB) => {
    const [M, K, N] = [34, 33, 35];
    const [a, b, dy] = [operand([], M, K, tA, 23), operand([], K, N, tB, 24), exactTensor([M, N], 25)];
    const [da, db] = tf.grads((x, y) => tf.matMul(x, y, tA, tB))([a, b], dy) as [tf.Tensor, tf.Tensor];
    // With A = op(a) and B = op(b): dL/dA = dy B' and dL/dB = A' dy, each transposed back with its operand.
    const gradA = tA ? await slowMatMul(b, dy, tB, true) : await slowMatMul(dy, b, false, !tB);
    const gradB = tB ? await slowMatMul(dy, a, true, tA) : await slowMatMul(a, dy, !tA, false);
    expect([...(await da.data())]).toEqual(gradA);
    expect([...(await db.data())]).toEqual(gradB);
  });

  describe.each(FLAGS)('fused, transposeA %s, transposeB %s', (tA, tB) => {
    test.each([
      [[], 34, 33, 35],
      [[], 2, 3, 4],
      [[3], 2, 3, 4],
    ] as const)(
      'relu(product + bias) is that of the loop, batch %j, M = %i, K = %i, N = %i',
      async (batch, M, K, N) => {
        const [a, b] = [operand([...batch], M, K, tA, 26), operand([...batch], K, N, tB, 27)];
        const bias = exactTensor([N], 28);
        const fused = tf.fused.matMul({a, b, bias, transposeA: tA, transposeB: tB, activation: 'relu'});
        expect(fused.shape).toEqual([...batch, M, N]);
        const biases = await bias.data();
        const expected = (await slowMatMul(a, b, tA, tB)).map((sum, i) => Math.max(0, sum + biases[i % N]!));
        expect([...(await fused.data())]).toEqual(expected);
      },
    );

    test('a sum over no terms leaves the activation of the bias, and nothing behind', async () => {
      tf.fill([2, 3], 7).dispose(); // memory that the product gets again
      const [a, b] = [operand([], 2, 0, tA, 29), operand([], 0, 3, tB, 30)];
      const bias = tf.tensor1d([1, -2, 3]);
      const buffers = tf.engine().backend.numDataIds();
      const fused = tf.fused.matMul({a, b, bias, transposeA: tA, transposeB: tB, activation: 'relu'});
      expect([...(await fused.data())]).toEqual([1, 0, 3, 1, 0, 3]);
      fused.dispose();
      tf.fused.matMul({a: operand([], 34, 33, tA, 31), b: operand([], 33, 35, tB, 32), transposeA: tA, transposeB: tB});
      // The two operands and the product of the last line.
      expect(tf.engine().backend.numDataIds()).toBe(buffers + 3);
    });
  });
});
