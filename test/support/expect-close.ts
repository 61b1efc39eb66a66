// Assertions on lists of numbers. tfjs' own expectArraysClose accepts NaN against NaN and has a tolerance of 1e-3.
import type * as tf from '@tensorflow/tfjs-core';
import {expect} from 'vitest';

/** Each number within an absolute tolerance of the expected one; NaN is close to nothing. */
export function expectClose(
  actual: tf.Tensor | ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  const values = 'dataSync' in actual ? actual.dataSync() : actual;
  expect(values.length).toBe(expected.length);
  const isOff = (value: number, i: number) => !(Math.abs(value - expected[i]!) <= tolerance); // NaN included
  const i = Array.prototype.findIndex.call(values, isOff);
  expect(i, `entry ${i}: got ${values[i]}, expected ${expected[i]} within ${tolerance}`).toBe(-1);
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
