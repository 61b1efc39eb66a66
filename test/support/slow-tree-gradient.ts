// Backpropagation through latent trees by loops in float64: every pair composed at every step, with masks for what stays. With a soft
// choice it is the gradient itself, so that finite differences can check it; with a one-hot one it is a pathwise estimator's.
// SPDX-License-Identifier: Apache-2.0
import {
  compose,
  dot,
  preactivations,
  type SlowState,
  type SlowTreeInputs,
  type SlowWeights,
  scoreOf,
  sigmoid,
  softmax,
  weightedSequences,
} from './slow-tree.js';

/** Makes a step's weights of the pairs from their scores: a one-hot, or anything else that sums to 1. */
export type Choose = (scores: number[], step: number) => number[];

/** From the gradient of a step's weights to that of its scores. `chosen` is the largest weight's place. */
export type ChoiceGradient = (scores: number[], chosen: number, dS: number[]) => number[];

/** J(p) g with J(p) = diag(p) - p p'. */
const jacobianTimes = (p: number[], g: number[]): number[] => p.map((pk, k) => pk * (g[k]! - dot(p, g)));

/** No gradient for the choice. */
export const noChoiceGradient: ChoiceGradient = scores => scores.map(() => 0);

/** Straight-through: J(q) g / temperature with q = softmax(scores / temperature). For the soft choice q it is exact. */
export function slowStraightThrough(temperature = 1): ChoiceGradient {
  return (scores, _, g) => jacobianTimes(softmax(scores, temperature), g).map(value => value / temperature);
}

/** ReinMax: 2 J((D + q) / 2) g - J(p) g / 2 with D the one-hot, p = softmax(scores) and q = softmax(scores / temperature). */
export function slowReinmax(temperature = 1): ChoiceGradient {
  return (scores, chosen, g) => {
    const middle = softmax(scores, temperature).map((q, k) => ((k === chosen ? 1 : 0) + q) / 2);
    const atP = jacobianTimes(softmax(scores), g);
    return jacobianTimes(middle, g).map((value, k) => 2 * value - atP[k]! / 2);
  };
}

/** The one-hot choices of given merges. */
export function oneHotChoices(merges: readonly number[]): Choose {
  return (scores, step) => scores.map((_, k) => (k === merges[step] ? 1 : 0));
}

interface Step {
  states: SlowState[];
  pairs: SlowState[];
  scores: number[];
  s: number[];
}

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

/** How much of the k-th state, and of its right neighbour, is in the k-th place of the next step. */
const leftMask = (s: number[], k: number): number => 1 - sum(s.slice(0, k + 1));
const rightMask = (s: number[], k: number): number => sum(s.slice(0, k));

/** The steps of the recursion and the state that is left. */
function unrolled(leaves: SlowState[], weights: SlowWeights, choose: Choose): {root: SlowState; steps: Step[]} {
  const steps: Step[] = [];
  let states = leaves;
  while (states.length > 1) {
    const now = states;
    const pairs = now.slice(1).map((right, k) => compose(now[k]!, right, weights));
    const scores = pairs.map(pair => scoreOf(pair, weights));
    const s = choose(scores, steps.length);
    const mixed = (part: 'hidden' | 'cell', k: number) =>
      pairs[k]![part].map(
        (made, j) => leftMask(s, k) * now[k]![part][j]! + rightMask(s, k) * now[k + 1]![part][j]! + s[k]! * made,
      );
    steps.push({states: now, pairs, scores, s});
    states = pairs.map((_, k) => ({hidden: mixed('hidden', k), cell: mixed('cell', k)}));
  }
  return {root: states[0]!, steps};
}

/** The hidden vector [U] of the root with arbitrary weights of the pairs at each step. */
export function softTree(leaves: SlowState[], weights: SlowWeights, choose: Choose): number[] {
  return unrolled(leaves, weights, choose).root.hidden;
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const zeroStates = (count: number, units: number): SlowState[] =>
  Array.from({length: count}, () => ({hidden: zeros(units), cell: zeros(units)}));

/** target += factor * values. */
function add(target: number[], values: readonly number[], factor = 1): void {
  values.forEach((value, i) => {
    target[i]! += factor * value;
  });
}

/**
 * Backpropagates a loss of the root's hidden vector.
 *
 * @param lossGradient From the hidden vector [U] to the loss's gradient at it.
 * @param choiceGradient What stands for the gradient of `choose`.
 */
export function treeGradient(
  leaves: SlowState[],
  weights: SlowWeights,
  choose: Choose,
  lossGradient: (hidden: number[]) => number[],
  choiceGradient: ChoiceGradient,
): SlowTreeInputs {
  const {root, steps} = unrolled(leaves, weights, choose);
  const units = weights.query.length;
  const total: SlowWeights = {
    kernel: zeros(weights.kernel.length),
    bias: zeros(5 * units),
    query: zeros(units),
  };
  let above: SlowState[] = [{hidden: lossGradient(root.hidden), cell: zeros(units)}];
  for (const {states, pairs, scores, s} of steps.toReversed()) {
    const below = zeroStates(states.length, units);
    const ofPairs = zeroStates(pairs.length, units);
    const dS = zeros(s.length);
    above.forEach((gradient, k) => {
      for (const part of ['hidden', 'cell'] as const) {
        const g = gradient[part];
        add(below[k]![part], g, leftMask(s, k));
        add(below[k + 1]![part], g, rightMask(s, k));
        add(ofPairs[k]![part], g, s[k]!);
        dS[k]! += dot(g, pairs[k]![part]);
        // s_t lowers the left masks from t on and raises the right masks after t.
        for (let t = 0; t <= k; ++t) dS[t]! -= dot(g, states[k]![part]);
        for (let t = 0; t < k; ++t) dS[t]! += dot(g, states[k + 1]![part]);
      }
    });
    const dScores = choiceGradient(scores, s.indexOf(Math.max(...s)), dS);
    pairs.forEach((pair, k) => {
      add(ofPairs[k]!.hidden, weights.query, dScores[k]! / Math.sqrt(units));
      add(total.query, pair.hidden, dScores[k]! / Math.sqrt(units));
      composeGradient(states[k]!, states[k + 1]!, weights, ofPairs[k]!, below[k]!, below[k + 1]!, total);
    });
    above = below;
  }
  return {leaves: above, weights: total};
}

/** Adds to the gradients of two neighbours and of the weights what the gradient of their tree says. */
function composeGradient(
  left: SlowState,
  right: SlowState,
  weights: SlowWeights,
  gradient: SlowState,
  ofLeft: SlowState,
  ofRight: SlowState,
  total: SlowWeights,
): void {
  const units = left.hidden.length;
  const [i, fl, fr, u, o] = preactivations(left, right, weights) as [number[], number[], number[], number[], number[]];
  const {cell} = compose(left, right, weights);
  const slope = (x: number) => sigmoid(x) * (1 - sigmoid(x));
  for (let unit = 0; unit < units; ++unit) {
    const dHidden = gradient.hidden[unit]!;
    const tanhCell = Math.tanh(cell[unit]!);
    const tanhU = Math.tanh(u[unit]!);
    const dCell = gradient.cell[unit]! + dHidden * sigmoid(o[unit]!) * (1 - tanhCell ** 2);
    ofLeft.cell[unit]! += dCell * sigmoid(fl[unit]! + 1);
    ofRight.cell[unit]! += dCell * sigmoid(fr[unit]! + 1);
    const ofGates = [
      dCell * tanhU * slope(i[unit]!),
      dCell * left.cell[unit]! * slope(fl[unit]! + 1),
      dCell * right.cell[unit]! * slope(fr[unit]! + 1),
      dCell * (1 - tanhU ** 2) * sigmoid(i[unit]!),
      dHidden * tanhCell * slope(o[unit]!),
    ];
    ofGates.forEach((dPre, gate) => {
      const column = gate * units + unit;
      total.bias[column]! += dPre;
      for (let row = 0; row < 2 * units; ++row) {
        const [child, ofChild] = row < units ? [left, ofLeft] : [right, ofRight];
        total.kernel[row * 5 * units + column]! += child.hidden[row % units]! * dPre;
        ofChild.hidden[row % units]! += weights.kernel[row * 5 * units + column]! * dPre;
      }
    });
  }
}

/** The mean of an estimator's gradient over what it draws: each sequence of merges times its probability. */
export function meanGradient(
  leaves: SlowState[],
  weights: SlowWeights,
  lossGradient: (hidden: number[]) => number[],
  choiceGradient: ChoiceGradient,
): SlowTreeInputs {
  const gradients = weightedSequences(leaves, weights).map(({merges, probability}) => {
    const of = treeGradient(leaves, weights, oneHotChoices(merges), lossGradient, choiceGradient);
    return flatInputs(of).map(value => probability * value);
  });
  const mean = gradients.reduce((total, gradient) => total.map((value, i) => value + gradient[i]!));
  return unflatInputs(mean, leaves.length, weights.query.length);
}

/** All numbers in one list: the leaves, each hidden and then cell, the kernel, the bias and the query. */
export function flatInputs({leaves, weights}: SlowTreeInputs): number[] {
  return [
    ...leaves.flatMap(({hidden, cell}) => [...hidden, ...cell]),
    ...weights.kernel,
    ...weights.bias,
    ...weights.query,
  ];
}

/** The way back. */
export function unflatInputs(values: readonly number[], numLeaves: number, units: number): SlowTreeInputs {
  const left = [...values];
  const next = (count: number) => left.splice(0, count);
  const leaves = Array.from({length: numLeaves}, () => ({hidden: next(units), cell: next(units)}));
  return {leaves, weights: {kernel: next(10 * units ** 2), bias: next(5 * units), query: next(units)}};
}
