// The trees of a batch while they grow, in plain arrays: nodes (leaves and merges), and the pairs of neighbours that were ever composed.
// SPDX-License-Identifier: Apache-2.0

/** Hidden vectors of nodes times the kernel, [rows, 10 U]: what each adds to a pair's gates as its left child, then as its right one. */
export interface Projections {
  values: Float32Array;
  row: number;
}

/** Nodes by number, then pairs by number. U values a row, 5 U a row of gates. */
export interface Forest {
  readonly units: number;
  numNodes: number;
  readonly hidden: Float32Array;
  readonly cell: Float32Array;
  /** Of each node that can become a child. */
  readonly projections: Projections[];
  numPairs: number;
  /** The children of a pair. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Activated: input, left forget, right forget, update, output. */
  readonly gates: Float32Array;
  /** What the node would be into which a pair is merged. */
  readonly pairHidden: Float32Array;
  readonly pairCell: Float32Array;
  /** tanh(pairCell). */
  readonly squashed: Float32Array;
}

/** A forest without nodes and pairs, with places for so many. */
export function createForest(units: number, nodes: number, pairs: number): Forest {
  return {
    units,
    numNodes: 0,
    hidden: new Float32Array(nodes * units),
    cell: new Float32Array(nodes * units),
    projections: [],
    numPairs: 0,
    left: new Int32Array(pairs),
    right: new Int32Array(pairs),
    gates: new Float32Array(5 * pairs * units),
    pairHidden: new Float32Array(pairs * units),
    pairCell: new Float32Array(pairs * units),
    squashed: new Float32Array(pairs * units),
  };
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
// Math.tanh takes several times as long, and differs below the last bit of float32.
const tanh = (x: number) => 1 - 2 / (1 + Math.exp(2 * x));

/** Composes two nodes, cell = cl sigmoid(fl + 1) + cr sigmoid(fr + 1) + sigmoid(i) tanh(u) and hidden = sigmoid(o) tanh(cell); returns the pair's number. */
export function addPair(forest: Forest, left: number, right: number, bias: Float32Array): number {
  const {units, gates, cell, pairHidden, pairCell, squashed} = forest;
  const pair = forest.numPairs++;
  forest.left[pair] = left;
  forest.right[pair] = right;
  const start = 5 * pair * units;
  const {values: fromLeft, row: leftRow} = forest.projections[left]!;
  const {values: fromRight, row: rightRow} = forest.projections[right]!;
  const atLeft = 10 * leftRow * units;
  const atRight = 10 * rightRow * units + 5 * units;
  const numGates = 5 * units;
  for (let k = 0; k < numGates; ++k) gates[start + k] = fromLeft[atLeft + k]! + fromRight[atRight + k]! + bias[k]!;
  for (let j = 0; j < units; ++j) {
    const at = start + j;
    const i = sigmoid(gates[at]!);
    const fl = sigmoid(gates[at + units]! + 1);
    const fr = sigmoid(gates[at + 2 * units]! + 1);
    const u = tanh(gates[at + 3 * units]!);
    const o = sigmoid(gates[at + 4 * units]!);
    const c = cell[left * units + j]! * fl + cell[right * units + j]! * fr + i * u;
    const t = tanh(c);
    gates[at] = i;
    gates[at + units] = fl;
    gates[at + 2 * units] = fr;
    gates[at + 3 * units] = u;
    gates[at + 4 * units] = o;
    pairHidden[pair * units + j] = o * t;
    pairCell[pair * units + j] = c;
    squashed[pair * units + j] = t;
  }
  return pair;
}

/** Makes a pair a node, whose number is returned. Its projections are the caller's to add. */
export function mergePair(forest: Forest, pair: number): number {
  const {units, hidden, cell, pairHidden, pairCell} = forest;
  const node = forest.numNodes++;
  hidden.set(pairHidden.subarray(pair * units, (pair + 1) * units), node * units);
  cell.set(pairCell.subarray(pair * units, (pair + 1) * units), node * units);
  return node;
}

/** A gradient of a pair's hidden and cell on its way to its gates and its children's cells. */
export interface PairGradient {
  /** With respect to the gates before their activation, 5 U. */
  gates: Float32Array;
  /** With respect to the cells of the children, U each. */
  leftCell: Float32Array;
  rightCell: Float32Array;
}

/**
 * Takes a gradient with respect to a pair's hidden vector, and where given its cell, back through the composition.
 *
 * @param dHidden U values from `at` on.
 * @param dCell U values from `at` on.
 * @param gradient Receives the result at row `row`.
 */
export function backpropagatePair(
  {units, left, right, gates, cell, squashed}: Forest,
  pair: number,
  at: number,
  dHidden: Float32Array,
  dCell: Float32Array | undefined,
  gradient: PairGradient,
  row: number,
): void {
  const leftAt = left[pair]! * units;
  const rightAt = right[pair]! * units;
  const toCells = row * units;
  for (let j = 0; j < units; ++j) {
    const from = 5 * pair * units + j;
    const to = 5 * row * units + j;
    const i = gates[from]!;
    const fl = gates[from + units]!;
    const fr = gates[from + 2 * units]!;
    const u = gates[from + 3 * units]!;
    const o = gates[from + 4 * units]!;
    const t = squashed[pair * units + j]!;
    const dh = dHidden[at + j]!;
    const dc = dh * o * (1 - t * t) + (dCell === undefined ? 0 : dCell[at + j]!);
    gradient.gates[to] = dc * u * i * (1 - i);
    gradient.gates[to + units] = dc * cell[leftAt + j]! * fl * (1 - fl);
    gradient.gates[to + 2 * units] = dc * cell[rightAt + j]! * fr * (1 - fr);
    gradient.gates[to + 3 * units] = dc * i * (1 - u * u);
    gradient.gates[to + 4 * units] = dh * t * o * (1 - o);
    gradient.leftCell[toCells + j] = dc * fl;
    gradient.rightCell[toCells + j] = dc * fr;
  }
}
