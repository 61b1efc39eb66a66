// Assertions on lists of numbers. tfjs' own expectArraysClose accepts NaN against NaN and has a tolerance of 1e-3.
import type * as tf from '@tensorflow/tfjs-core';
import {expect, inject} from 'vitest';

/**
 * What graphics cards may be further off than processors. WGSL and GLSL leave exponentials some units in the last place, 3 + 2 |x| of them, and a
 * division 2.5; losses of a few such operations, of which the tolerance leaves a processor half, came out at 1.4 times the tolerance.
 */
const DEVICE = (inject('backends') ?? []).some(backend => backend.startsWith('webg')) ? 4 : 1;

/** Each number within an absolute tolerance of the expected one; NaN is close to nothing. */
export function expectClose(
  actual: tf.Tensor | ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  const values = 'dataSync' in actual ? actual.dataSync() : actual;
  expect(values.length).toBe(expected.length);
  const bound = DEVICE * tolerance;
  const isOff = (value: number, i: number) => !(Math.abs(value - expected[i]!) <= bound); // NaN included
  const i = Array.prototype.findIndex.call(values, isOff);
  expect(i, `entry ${i}: got ${values[i]}, expected ${expected[i]} within ${bound}`).toBe(-1);
}

/** Every number finite. */
export function expectFinite(x: tf.Tensor): void {
  const values = Array.from(x.dataSync());
  expect(
    values.every(value => Number.isFinite(value)),
    `values: ${values}`,
  ).toBe(true);
}

/** The numbers of a tensor as a plain list. */
export function list(x: tf.Tensor): number[] {
  return Array.from(x.dataSync());
}
