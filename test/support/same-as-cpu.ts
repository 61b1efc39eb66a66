// The cpu backend as the oracle of our wasm kernels.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {expect} from 'vitest';

// Keeps tfjs from advertising its native backend.
tf.enableProdMode();

/** What float32 kernels that add in another order may differ by, relative to the larger of the number and 1. */
export const ROUNDING = 1e-5;

interface Result {
  shape: number[];
  dtype: tf.DataType;
  values: number[];
}

/** Runs a computation on a backend; its tensors are gone afterwards. */
async function resultsOn(backend: string, compute: () => tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend(backend);
  return tf.tidy(() => compute().map(x => ({shape: x.shape, dtype: x.dtype, values: Array.from(x.dataSync())})));
}

/** Whether two numbers are the same up to rounding; NaN is like NaN, and an infinity like itself. */
function isClose(a: number, b: number, tolerance: number): boolean {
  if (Object.is(a, b) || a === b) return true;
  return Number.isFinite(b) && Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)); // all numbers are close to Infinity by the last
}

/**
 * Shapes, dtypes and numbers of what is computed on wasm are those of the cpu backend, or of `expected` where cpu is no oracle, and
 * nothing is left in the memory. `compute` makes its inputs itself.
 */
export async function expectSameAsCpu(
  compute: () => tf.Tensor[],
  {tolerance = ROUNDING, expected = compute}: {tolerance?: number; expected?: () => tf.Tensor[]} = {},
): Promise<void> {
  const onCpu = await resultsOn('cpu', expected);
  await tf.setBackend('wasm');
  const backend = tf.backend() as BackendWasm;
  const before = backend.numDataIds();
  const onWasm = await resultsOn('wasm', compute);
  expect(onWasm.map(({shape, dtype}) => [shape, dtype])).toEqual(onCpu.map(({shape, dtype}) => [shape, dtype]));
  onWasm.forEach(({values}, k) => {
    const wanted = onCpu[k]!.values;
    const i = values.findIndex((value, index) => !isClose(value, wanted[index]!, tolerance));
    expect(i, `result ${k}, entry ${i}: got ${values[i]}, expected ${wanted[i]}`).toBe(-1);
  });
  expect(backend.numDataIds()).toBe(before);
}
