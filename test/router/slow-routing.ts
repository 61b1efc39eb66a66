// Top-k routing once more, token by token in float64 and straight from the formulas: the oracle of the routers' tests.
import * as tf from '@tensorflow/tfjs-core';
import type {Routing} from '../../src/router/types.js';
import {numbers} from '../support/enumerate.js';
import {centralDifference, flat, type Rows, softmax} from './reference.js';

/** Numbers of a routing as nested lists. */
export interface SlowRouting {
  indices: Rows;
  weights: Rows;
  probs: Rows;
}

/** The indices of the k largest, the largest first, of equal ones the first. */
export const largestOf = (row: readonly number[], k: number): number[] =>
  row
    .map((_, e) => e)
    .sort((a, b) => row[b]! - row[a]!)
    .slice(0, k);

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const SCORES = {
  softmax,
  sigmoid: (row: readonly number[]) => row.map(z => 1 / (1 + Math.exp(-z))),
  sqrtSoftplus: (row: readonly number[]) => row.map(z => Math.sqrt(Math.log1p(Math.exp(z)))),
};

export interface SlowOptions {
  topK: number;
  scores?: keyof typeof SCORES;
  normalize?: boolean;
  scaling?: number;
  bias?: number[];
  numGroups?: number;
  topGroups?: number;
}

export function slowTopK(
  logits: Rows,
  {topK, scores = 'softmax', normalize = false, scaling = 1, bias, numGroups = 1, topGroups = numGroups}: SlowOptions,
): SlowRouting {
  const routed = logits.map(row => {
    const s = SCORES[scores](row);
    const selection = s.map((v, e) => v + (bias?.[e] ?? 0));
    const size = row.length / numGroups;
    const groupScores = Array.from({length: numGroups}, (_, g) => {
      const members = selection.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
      return sum(members.slice(0, Math.max(1, Math.floor(topK / topGroups))));
    });
    const kept = largestOf(groupScores, topGroups);
    const indices = largestOf(
      selection.map((v, e) => (kept.includes(Math.floor(e / size)) ? v : Number.NEGATIVE_INFINITY)),
      topK,
    );
    const chosen = indices.map(e => s[e]!);
    const total = normalize ? sum(chosen) : 1;
    return {indices, weights: chosen.map(v => (scaling * v) / total), probs: s.map(v => v / sum(s))};
  });
  return {
    indices: routed.map(r => r.indices),
    weights: routed.map(r => r.weights),
    probs: routed.map(r => r.probs),
  };
}

/** A scalar of all weights and probs, with a coefficient of its own for each. */
export function lossOf({weights, probs}: Routing): tf.Scalar {
  const [a, b] = [numbers(91, weights.size), numbers(92, probs.size)];
  return tf.add(tf.sum(tf.mul(weights, tf.tensor(a, weights.shape))), tf.sum(tf.mul(probs, tf.tensor(b, probs.shape))));
}

/** The gradient of the same scalar by central differences in float64. */
export function slowGradient(route: (logits: Rows) => SlowRouting, logits: Rows): number[] {
  const slowLoss = (rows: Rows) => {
    const {weights, probs} = route(rows);
    const [a, b] = [numbers(91, flat(weights).length), numbers(92, flat(probs).length)];
    return sum(flat(weights).map((w, i) => w * a[i]!)) + sum(flat(probs).map((p, i) => p * b[i]!));
  };
  return centralDifference(slowLoss, logits);
}
