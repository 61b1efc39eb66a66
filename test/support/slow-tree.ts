// The oracle of latent trees: one sentence at a time, recursively, in float64 and from the formulas. Letters: n leaves, U units.
// SPDX-License-Identifier: Apache-2.0
import {seeded} from 'tfjs-moe/estimators';

/** What a leaf, or a tree over some leaves, says: two vectors [U]. */
export interface SlowState {
  hidden: number[];
  cell: number[];
}

/** The trained numbers. */
export interface SlowWeights {
  /** [2 U, 5 U], row by row: hidden of the left and of the right child to the gates i, fl, fr, u, o. */
  kernel: number[];
  /** [5 U]. */
  bias: number[];
  /** [U]. */
  query: number[];
}

/** All that a sentence's root depends on. A gradient has the same form. */
export interface SlowTreeInputs {
  leaves: SlowState[];
  weights: SlowWeights;
}

/** A sentence's root, and on the way to it the scores of each step: n - 1 of them, then n - 2, and so on. */
export interface SlowTree {
  hidden: number[];
  scores: number[][];
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** softmax(x / temperature). */
export function softmax(x: readonly number[], temperature = 1): number[] {
  const top = Math.max(...x);
  const exponentials = x.map(value => Math.exp((value - top) / temperature));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map(e => e / total);
}

/** [left; right] kernel + bias, in the order i, fl, fr, u, o: five vectors [U]. */
export function preactivations(left: SlowState, right: SlowState, {kernel, bias}: SlowWeights): number[][] {
  const units = left.hidden.length;
  const children = [...left.hidden, ...right.hidden];
  return Array.from({length: 5}, (_, gate) =>
    Array.from({length: units}, (_, unit) => {
      const column = gate * units + unit;
      return children.reduce((sum, h, row) => sum + h * kernel[row * 5 * units + column]!, bias[column]!);
    }),
  );
}

/** The tree of two neighbours. */
export function compose(left: SlowState, right: SlowState, weights: SlowWeights): SlowState {
  const [i, fl, fr, u, o] = preactivations(left, right, weights) as [number[], number[], number[], number[], number[]];
  const cell = left.cell.map(
    (_, k) =>
      left.cell[k]! * sigmoid(fl[k]! + 1) + right.cell[k]! * sigmoid(fr[k]! + 1) + Math.tanh(u[k]!) * sigmoid(i[k]!),
  );
  return {hidden: cell.map((c, k) => sigmoid(o[k]!) * Math.tanh(c)), cell};
}

/** How much a merge is worth that makes this state. */
export function scoreOf({hidden}: SlowState, {query}: SlowWeights): number {
  return dot(query, hidden) / Math.sqrt(query.length);
}

/** Merges with a choice made at each step from its scores. */
function grow(leaves: SlowState[], weights: SlowWeights, choose: (scores: number[], step: number) => number): SlowTree {
  const fromStep = (states: SlowState[], step: number): SlowTree => {
    if (states.length === 1) return {hidden: states[0]!.hidden, scores: []};
    const pairs = states.slice(1).map((right, k) => compose(states[k]!, right, weights));
    const scores = pairs.map(pair => scoreOf(pair, weights));
    const chosen = choose(scores, step);
    if (!(chosen in pairs)) throw new Error(`step ${step} has no merge ${chosen}`);
    const rest = fromStep([...states.slice(0, chosen), pairs[chosen]!, ...states.slice(chosen + 2)], step + 1);
    return {hidden: rest.hidden, scores: [scores, ...rest.scores]};
  };
  return fromStep(leaves, 0);
}

/**
 * The root of at least one leaf.
 *
 * @param merges n - 1 of them: the i-th joins the state of that number, in what is left, and its right neighbour.
 */
export function slowTree(leaves: SlowState[], weights: SlowWeights, merges: readonly number[]): SlowTree {
  return grow(leaves, weights, (_, step) => merges[step]!);
}

/** The merges of the highest scores; the first of equal ones. */
export function greedyMerges(leaves: SlowState[], weights: SlowWeights): number[] {
  const merges: number[] = [];
  grow(leaves, weights, scores => {
    merges.push(scores.indexOf(Math.max(...scores)));
    return merges.at(-1)!;
  });
  return merges;
}

/** The merges that uniforms draw, one a step: at each the first whose cumulative probability exceeds the uniform. */
export function drawnMerges(leaves: SlowState[], weights: SlowWeights, uniforms: readonly number[]): number[] {
  const merges: number[] = [];
  grow(leaves, weights, (scores, step) => {
    let cumulative = 0;
    const isPast = (p: number) => {
      cumulative += p;
      return cumulative > uniforms[step]!;
    };
    merges.push(softmax(scores).findIndex(isPast));
    return merges.at(-1)!;
  });
  return merges;
}

/** The (n - 1)! sequences of merges of n leaves, the last step fastest. */
export function mergeSequences(numLeaves: number): number[][] {
  if (numLeaves <= 1) return [[]];
  const later = mergeSequences(numLeaves - 1);
  return Array.from({length: numLeaves - 1}, (_, first) => later.map(rest => [first, ...rest])).flat();
}

/** Every sequence of merges with its probability: the product over the steps of softmax(scores)[merge]. */
export function weightedSequences(
  leaves: SlowState[],
  weights: SlowWeights,
): {merges: number[]; probability: number}[] {
  return mergeSequences(leaves.length).map(merges => {
    const {scores} = slowTree(leaves, weights, merges);
    return {merges, probability: scores.reduce((product, of, step) => product * softmax(of)[merges[step]!]!, 1)};
  });
}

/** Numbers for a test that float32 holds exactly, the same each time. */
export function floats(seed: number, count: number, largest = 1): number[] {
  return Array.from(seeded(seed).uniform(count), u => Math.fround(largest * (2 * u - 1)));
}

/** Weights of trees for a test. */
export function randomWeights(seed: number, units: number): SlowWeights {
  return {
    kernel: floats(seed, 2 * units * 5 * units),
    bias: floats(seed + 1, 5 * units),
    query: floats(seed + 2, units, 3),
  };
}

/** Leaves for a test. */
export function randomLeaves(seed: number, numLeaves: number, units: number): SlowState[] {
  const values = floats(seed, numLeaves * 2 * units, 1.5);
  return Array.from({length: numLeaves}, (_, leaf) => ({
    hidden: values.slice(2 * leaf * units, (2 * leaf + 1) * units),
    cell: values.slice((2 * leaf + 1) * units, (2 * leaf + 2) * units),
  }));
}
