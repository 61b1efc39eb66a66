// How the learning rate falls over a run.
// SPDX-License-Identifier: Apache-2.0

/** Half a cosine: 1 at the beginning, 0 at the end. @param shareDone Of the run, 0 to 1. */
export function halfCosine(shareDone: number): number {
  return (1 + Math.cos(Math.PI * shareDone)) / 2;
}
