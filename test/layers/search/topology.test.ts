// The graph of a cell: its edges in the order of the table, and the nodes that matter against a search of all paths.
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {cellEdges, liveNodes} from '../../../src/layers/search/topology.js';

const written = (numNodes: number) => cellEdges(numNodes).map(({from, to}) => `${from}>${to}`);

test('the edges of four nodes are in the order of NAS-Bench-201', () => {
  // data/README.md of the table: "six digits, operations on edges 0→1, 0→2, 1→2, 0→3, 1→3, 2→3".
  expect(written(4)).toEqual(['0>1', '0>2', '1>2', '0>3', '1>3', '2>3']);
});

test('a cell of n nodes has n (n - 1) / 2 edges, each pair once, those of a smaller cell first', () => {
  expect(written(2)).toEqual(['0>1']);
  for (let n = 2; n < 9; ++n) {
    const edges = cellEdges(n);
    expect(edges.length).toBe((n * (n - 1)) / 2);
    expect(edges.every(({from, to}) => 0 <= from && from < to && to < n)).toBe(true);
    expect(new Set(written(n)).size).toBe(edges.length);
    expect(written(n + 1).slice(0, edges.length)).toEqual(written(n));
  }
});

/** Whether a walk along open edges leads from a node to the last one: all walks are tried. */
function reaches(node: number, numNodes: number, open: ReadonlySet<string>): boolean {
  if (node === numNodes - 1) return true;
  const next = Array.from({length: numNodes}, (_, to) => to).filter(to => open.has(`${node}>${to}`));
  return next.some(to => reaches(to, numNodes, open));
}

test('a node is live where a path of open edges leads from it to the last one', () => {
  const graphs = fc.integer({min: 2, max: 7}).chain(numNodes =>
    fc.record({
      numNodes: fc.constant(numNodes),
      isOpen: fc.array(fc.boolean(), {minLength: cellEdges(numNodes).length, maxLength: cellEdges(numNodes).length}),
    }),
  );
  const law = ({numNodes, isOpen}: {numNodes: number; isOpen: boolean[]}) => {
    const open = new Set(written(numNodes).filter((_, e) => isOpen[e]));
    const expected = Array.from({length: numNodes}, (_, node) => reaches(node, numNodes, open));
    expect(liveNodes(numNodes, isOpen)).toEqual(expected);
  };
  fc.assert(fc.property(graphs, law), {seed: 1, numRuns: 500});
});

test('of the 64 patterns of a cell of four nodes, each is as the walks say', () => {
  for (let pattern = 0; pattern < 64; ++pattern) {
    const isOpen = Array.from({length: 6}, (_, e) => ((pattern >> e) & 1) === 1);
    const open = new Set(written(4).filter((_, e) => isOpen[e]));
    expect(liveNodes(4, isOpen)).toEqual([0, 1, 2, 3].map(node => reaches(node, 4, open)));
  }
});
