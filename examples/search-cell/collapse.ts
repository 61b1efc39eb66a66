// Whether a search has collapsed: found a cell through which no convolution reaches the output.
// SPDX-License-Identifier: Apache-2.0
import {NAS_BENCH_201_OPERATIONS} from 'tfjs-moe/layers';

/** What a cell consists of. */
export interface CellSummary {
  /** Whether no path from the input to the output has a convolution: a cell of skips and pools, or one that gives zeros. */
  hasCollapsed: boolean;
  /** How many of the six edges have each operation, by its name. */
  counts: Record<string, number>;
}

const [NONE, , CONV_1X1, CONV_3X3] = [0, 1, 2, 3];
/** In the table's order. */
const EDGES = [
  [0, 1],
  [0, 2],
  [1, 2],
  [0, 3],
  [1, 3],
  [2, 3],
] as const;
const OUTPUT = 3;

/** Counts a cell's operations, and tells whether any convolution has a way through it. */
export function summarizeCell(choices: readonly number[]): CellSummary {
  const open = EDGES.map(([from, to], edge) => ({from, to, operation: choices[edge]!})).filter(
    ({operation}) => operation !== NONE,
  );
  // Edges go up, so that one pass in their order settles what the input reaches, and one back what reaches the output.
  const reached = new Set([0]);
  for (const {from, to} of open) if (reached.has(from)) reached.add(to);
  const useful = new Set([OUTPUT]);
  for (const {from, to} of [...open].reverse()) if (useful.has(to)) useful.add(from);
  const onPath = open.filter(({from, to}) => reached.has(from) && useful.has(to));
  return {
    hasCollapsed: !onPath.some(({operation}) => operation === CONV_1X1 || operation === CONV_3X3),
    counts: Object.fromEntries(
      NAS_BENCH_201_OPERATIONS.map((name, operation) => [name, choices.filter(choice => choice === operation).length]),
    ),
  };
}
