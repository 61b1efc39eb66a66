// Leaves tests of thousands of operations, or of reads, to the backends that are quick at small ones: a graphics card that the processor plays
// takes tenths of a millisecond for an operation, some milliseconds for a read, and tens of them for each new shader.
// SPDX-License-Identifier: Apache-2.0
import {describe} from 'vitest';
import {BACKENDS, eachBackend} from './each-backend.js';

/** Whether this row leaves them out. What they state of training and of chances, shorter tests of the same file touch on every backend. */
export const LEAVES_LONG = BACKENDS.some(backend => backend === 'webgl' || backend === 'webgpu');

/** For the title of such a test. */
export const WHY_LONG = LEAVES_LONG
  ? ' (skipped: takes minutes on a graphics card that the processor plays; rows on the host run it)'
  : '';

/** How many draws a test makes whose bounds follow from their number: a twentieth where a row leaves the long tests out. */
export function numDraws(onHost: number): number {
  return LEAVES_LONG ? Math.ceil(onHost / 20) : onHost;
}

/** How many random cases a property is tried on: a tenth where a row leaves the long tests out. */
export function numCases(onHost: number): number {
  return LEAVES_LONG ? Math.ceil(onHost / 10) : onHost;
}

/** As `eachBackend`, for parts of the programs of examples/, which train for long by layers that have suites of their own on every backend. */
export function eachBackendOfPrograms(title: string, suite: (backend: string) => void): void {
  if (LEAVES_LONG) describe.skip(title + WHY_LONG, () => eachBackend(title, suite));
  else eachBackend(title, suite);
}
