// The graph of a cell: nodes in a row, each fed by all before it.
// SPDX-License-Identifier: Apache-2.0

/** A directed edge of a cell; nodes are counted from 0, the input. */
export interface CellEdge {
  from: number;
  to: number;
}

/** The edges of a cell in the order of NAS-Bench-201, by target, then source: 0>1, 0>2, 1>2, 0>3, ... */
export function cellEdges(numNodes: number): CellEdge[] {
  const edges: CellEdge[] = [];
  for (let to = 1; to < numNodes; ++to) {
    for (let from = 0; from < to; ++from) edges.push({from, to});
  }
  return edges;
}

/** How many nodes a cell of so many edges has; undefined where there is no such cell. */
export function numNodesOf(numEdges: number): number | undefined {
  const numNodes = (1 + Math.sqrt(1 + 8 * numEdges)) / 2; // edges = nodes (nodes - 1) / 2
  return numEdges > 0 && Number.isInteger(numNodes) ? numNodes : undefined;
}

/**
 * Which nodes the output, the last node, depends on.
 *
 * @param isOpen Whether something passes along an edge, in the order of `cellEdges`.
 */
export function liveNodes(numNodes: number, isOpen: readonly boolean[]): boolean[] {
  const live = Array.from({length: numNodes}, (_, node) => node === numNodes - 1);
  const edges = cellEdges(numNodes);
  for (let e = edges.length - 1; e >= 0; --e) {
    const {from, to} = edges[e]!; // backwards, so that a target is settled before its sources
    if (live[to] && isOpen[e]) live[from] = true;
  }
  return live;
}
