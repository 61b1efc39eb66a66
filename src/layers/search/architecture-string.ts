// Cells as text: |op~from| for each edge, the nodes parted by +, as NAS-Bench-201 writes them.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../../errors.js';
import {NAS_BENCH_201_OPERATIONS} from './operation-names.js';
import {cellEdges, numNodesOf} from './topology.js';

/**
 * Writes a cell in the form of NAS-Bench-201: `|nor_conv_3x3~0|+|none~0|skip_connect~1|`.
 *
 * @param choices The operation's index on each edge, in the order 0>1, 0>2, 1>2, 0>3, ...; as many as a cell of some size has edges.
 * @param operations The operations' names. Default: those of NAS-Bench-201.
 * @throws ValueError for another number of edges, and for an index that is no operation's.
 * @see Dong and Yang, NAS-Bench-201, 2020. https://arxiv.org/abs/2001.00326
 * @example
 * ```ts
 * formatArchitecture([3, 0, 1]); // => '|nor_conv_3x3~0|+|none~0|skip_connect~1|'
 * ```
 */
export function formatArchitecture(
  choices: readonly number[],
  operations: readonly string[] = NAS_BENCH_201_OPERATIONS,
): string {
  const numNodes = numNodesOf(choices.length);
  if (numNodes === undefined) {
    throw new ValueError(
      `formatArchitecture: choices must be 1, 3, 6, 10, ... edges of a cell, but got ${choices.length}.`,
    );
  }
  checkChoices('formatArchitecture', choices, choices.length, operations.length);
  const nodes: string[][] = Array.from({length: numNodes - 1}, () => []);
  for (const [e, {from, to}] of cellEdges(numNodes).entries())
    nodes[to - 1]!.push(`${operations[choices[e]!]}~${from}`);
  return nodes.map(inputs => `|${inputs.join('|')}|`).join('+');
}

/**
 * Reads what `formatArchitecture` writes.
 *
 * @returns The operation's index on each edge.
 * @throws ValueError for a text of another form, and for an operation that is not in the list.
 */
export function parseArchitecture(text: string, operations: readonly string[] = NAS_BENCH_201_OPERATIONS): number[] {
  return text.split('+').flatMap((node, i) => {
    const inputs = node.slice(1, -1).split('|');
    if (!/^\|.*\|$/.test(node) || inputs.length !== i + 1) {
      throw new ValueError(
        `parseArchitecture: the text must be |op~0|+|op~0|op~1|+..., one more input a node, but node ${i + 1} is ${show(node)} in ${show(text)}.`,
      );
    }
    return inputs.map((input, from) => {
      const choice = operations.findIndex(name => input === `${name}~${from}`);
      if (choice === -1) {
        throw new ValueError(
          `parseArchitecture: input ${from} of node ${i + 1} must be <operation>~${from} with one of ${operations.map(show).join(', ')}, ` +
            `but got ${show(input)}.`,
        );
      }
      return choice;
    });
  });
}

/** Refuses what is not a list of one operation's index an edge. */
export function checkChoices(owner: string, choices: readonly number[], numEdges: number, numOperations: number): void {
  const isGood =
    Array.isArray(choices) &&
    choices.length === numEdges &&
    choices.every(choice => Number.isInteger(choice) && choice >= 0 && choice < numOperations);
  if (!isGood) {
    throw new ValueError(
      `${owner}: choices must be ${numEdges} whole numbers from 0 to ${numOperations - 1}, one an edge, but got ${show(choices)}.`,
    );
  }
}
