// Operands that the stock kernels answer with a write past the result, a stop, or numbers of another dtype.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const BYTES = 1000;

/** Runs a computation whose result, of `BYTES` bytes, takes the place between two tensors, and expects that these keep their bytes. */
function expectNeighboursKept(compute: () => tf.Tensor): void {
  const filled = (value: number, count: number) => tf.tidy(() => tf.cast(tf.fill([count], value), 'bool'));
  const [before, hole, after] = [filled(1, BYTES), filled(1, BYTES), filled(1, 4 * BYTES)];
  const backend = tf.backend() as BackendWasm;
  const place = backend.getMemoryOffset(hole.dataId);
  hole.dispose();
  const result = compute();
  expect(backend.getMemoryOffset(result.dataId)).toBe(place);
  for (const neighbour of [before, after]) expect(neighbour.dataSync().every(byte => byte === 1)).toBe(true);
}

withAndWithoutBinary('operands that the stock kernels do not expect', hasBinary => {
  test('reverse of bool along no axis is x, and shares its memory', () => {
    const x = tf.tensor1d([true, false, true], 'bool');
    const result = tf.reverse(x, []);
    expect([...result.dataSync()]).toEqual([1, 0, 1]);
    // The stock kernel copies four bytes for each.
    expect(result.dataId).toBe(x.dataId);
  });

  test('a selection of bool writes one byte for each', () => {
    const [yes, no] = [tf.zeros([BYTES], 'bool'), tf.zeros([BYTES], 'bool')];
    const condition = tf.ones([BYTES], 'bool');
    expectNeighboursKept(() => tf.where(condition, yes, no));
  });

  test('a selection without numbers is empty, whatever the shapes of the operands', () => {
    // tf.where leaves a condition [2, 1, 5] as it is beside choices [2, 0, 5].
    for (const dtype of ['float32', 'int32', 'bool'] as const) {
      const choices = tf.zeros([2, 0, 5], dtype);
      const result = tf.where(tf.ones([2, 1, 5], 'bool'), choices, choices);
      expect([result.shape, result.dtype]).toEqual([[2, 0, 5], dtype]);
      const other = tf.where(tf.ones([3, 3], 'bool'), tf.zeros([3, 3], dtype), tf.zeros([0, 1, 3], dtype));
      expect(other.shape).toEqual([0, 3, 3]);
    }
  });

  test('a selection from two dtypes has the wider one', async () => {
    const dtypes = ['float32', 'int32', 'bool'] as const;
    await expectSameAsCpu(() => {
      const condition = tf.tensor1d([1, 0, 1, 0], 'bool');
      return dtypes.flatMap(first =>
        dtypes.map(second => tf.where(condition, tf.ones([4], first), tf.zeros([4], second))),
      );
    });
  });

  test('a condition that has not the shape of the choices is refused', () => {
    const select = (condition: number[], t: number[], e: number[]) =>
      tf.engine().runKernel('Select', {condition: tf.ones(condition, 'bool'), t: tf.zeros(t), e: tf.zeros(e)} as never);
    expect(() => select([2, 3], [3], [3])).toThrow('Select: the choices must have one shape');
    expect(() => select([3], [3], [4])).toThrow('Select: the choices must have one shape');
    expect(() => select([4], [3, 2], [3, 2])).toThrow('Select: the choices must have one shape');
    expect((select([3], [3, 2], [3, 2]) as tf.Tensor).shape).toEqual([3, 2]);
  });

  test('transposing a tensor without numbers transposes its shape', async () => {
    await expectSameAsCpu(() => [
      tf.transpose(tf.zeros([0, 3, 2])),
      tf.transpose(tf.zeros([2, 0], 'bool')),
      tf.transpose(tf.zeros([4, 0, 1, 5], 'int32'), [2, 0, 3, 1]),
    ]);
  });

  test('an einsum without numbers to transpose leaves nothing in the memory', async () => {
    await expectSameAsCpu(() => [tf.einsum('abc,ae->ecb', tf.zeros([0, 3, 2]), tf.zeros([0, 4]))]);
  });

  test('noise of another shape than its uniforms is refused, where there is a kernel for it', () => {
    const noise = (shape: number[]) =>
      tf.engine().runKernel('GumbelNoise', {}, {uniforms: new Float64Array(6).fill(0.5), shape} as never) as tf.Tensor;
    if (!hasBinary) {
      expect(() => noise([2, 3])).toThrow('not registered');
      return;
    }
    expect(noise([2, 3]).shape).toEqual([2, 3]);
    for (const shape of [[5], [7], []]) expect(() => noise(shape)).toThrow('GumbelNoise: the shape');
  });
});
