// What is searched: every cell's objective, and what a choice of that cell is worth.
// SPDX-License-Identifier: Apache-2.0
import {codeOf, NUM_ARCHITECTURES, NUM_EDGES, NUM_OPERATIONS} from '../data/nas-bench-file.js';
import type {NasBenchTable, Space} from '../data/nas-bench-table.js';
import {OBJECTIVES, type ObjectiveName} from './objectives.js';

/** The part of a table that a search needs. */
export type AccuracyTable = Pick<NasBenchTable, 'source' | 'indexOf' | 'column'>;

/** A search problem. A cell is its code, the number that its operations make as digits of base 5, the first edge's the highest. */
export interface Problem {
  /** [15625] by code: what the search sees of a cell, in percent; more is better. */
  signal: Float64Array;
  /** [15625] by code: test accuracy after the full training, in percent. */
  test: Float64Array;
  /** [15625] by code: the best test accuracy minus the cell's. */
  regret: Float64Array;
  /** [15625] by code: the rank of the test accuracy, 1 for the best; cells of the same accuracy share the better rank. */
  rank: Int32Array;
  /** The best signal that there is. */
  bestSignal: number;
  /** The regret of the cell with the best signal: where a search that finds it ends. */
  floor: number;
}

/** [15625 * 6] The operations of the edges, cell by cell in the order of their codes. */
export const OPERATIONS = Uint8Array.from({length: NUM_ARCHITECTURES * NUM_EDGES}, (_, i) => {
  const [code, edge] = [Math.floor(i / NUM_EDGES), i % NUM_EDGES];
  return Math.floor(code / placeOf(edge)) % NUM_OPERATIONS;
});

/** What an operation counts for in a code, by edge. */
export function placeOf(edge: number): number {
  return NUM_OPERATIONS ** (NUM_EDGES - 1 - edge);
}

/** The operation of each edge. */
export function choicesOf(code: number): number[] {
  return Array.from(OPERATIONS.subarray(code * NUM_EDGES, (code + 1) * NUM_EDGES));
}

/** Reads from a table what a search on one data set by one objective needs. */
export function createProblem(table: AccuracyTable, space: Space, objective: ObjectiveName): Problem {
  const indices = Int32Array.from({length: NUM_ARCHITECTURES}, (_, code) => table.indexOf(choicesOf(code)));
  const byCode = (column: Float64Array) => Float64Array.from(indices, index => column[index]!);
  const signal = byCode(table.column(space, 'valid', OBJECTIVES[objective].epochs));
  const test = byCode(table.column(space, 'test', 200));
  const descending = test.slice().sort().reverse();
  const rankOf = new Map<number, number>();
  descending.forEach((accuracy, i) => {
    if (!rankOf.has(accuracy)) rankOf.set(accuracy, i + 1);
  });
  const regret = test.map(accuracy => descending[0]! - accuracy);
  const bestSignal = signal.reduce((best, value) => Math.max(best, value));
  return {
    signal,
    test,
    regret,
    rank: Int32Array.from(test, accuracy => rankOf.get(accuracy)!),
    bestSignal,
    floor: regret[signal.indexOf(bestSignal)]!,
  };
}

export {codeOf, NUM_ARCHITECTURES as NUM_CELLS, NUM_EDGES, NUM_OPERATIONS};
