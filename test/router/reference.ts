// The losses once more, as loops over float64 lists, and their gradients as central differences: the oracle of this
// folder's tests.
import {numbers} from '../support/enumerate.js';

/** [tokens][experts]. */
export type Rows = number[][];

export const flat = (rows: Rows): number[] => rows.flat();

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** The mean of each column. */
export function columnMeans(rows: Rows): number[] {
  return rows[0]!.map((_, e) => meanOf(rows.map(row => row[e]!)));
}

export function softmax(row: readonly number[]): number[] {
  const weights = row.map(z => Math.exp(z - Math.max(...row)));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map(w => w / total);
}

/** Rows of random numbers from -2 to 2, the same each time. */
export function randomLogits(seed: number, tokens: number, experts: number): Rows {
  const values = numbers(seed, tokens * experts, -2, 2);
  return Array.from({length: tokens}, (_, t) => values.slice(t * experts, (t + 1) * experts));
}

/** k-hot rows: the k largest of each. */
export function largest(rows: Rows, k: number): Rows {
  return rows.map(row => {
    const bound = [...row].sort((a, b) => b - a)[k - 1]!;
    return row.map(v => Number(v >= bound));
  });
}

export function slowBalancing(probs: Rows, assignment: Rows): number {
  const total = flat(assignment).reduce((a, b) => a + b, 0);
  const counts = columnMeans(assignment).map(c => c * assignment.length);
  const means = columnMeans(probs);
  return means.length * means.reduce((sum, p, e) => sum + (counts[e]! / total) * p, 0);
}

export function slowVariation(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map(v => (v - mean) ** 2)) / mean ** 2;
}

/** The normal distribution function, by Simpson's rule from 0: error below 1e-10. */
export function normal(x: number): number {
  const steps = 2000;
  const h = x / steps;
  let sum = 0;
  for (let i = 0; i <= steps; ++i) sum += (i % steps === 0 ? 1 : i % 2 ? 4 : 2) * Math.exp(-((i * h) ** 2) / 2);
  return 0.5 + ((h / 3) * sum) / Math.sqrt(2 * Math.PI);
}

export function slowLoad(logits: Rows, noisy: Rows, topK: number, noiseStd: number): number {
  const chosen = logits.map((row, t) => {
    const threshold = [...noisy[t]!].sort((a, b) => b - a)[topK - 1]!;
    return row.map(z => normal((z - threshold) / noiseStd));
  });
  return slowVariation(columnMeans(chosen));
}

export function slowZ(logits: Rows): number {
  return meanOf(logits.map(row => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) ** 2));
}

const entropy = (p: readonly number[]): number => p.reduce((sum, q) => sum - (q === 0 ? 0 : q * Math.log(q)), 0);

export const slowTokenEntropy = (probs: Rows): number => meanOf(probs.map(entropy));

export const slowBatchEntropy = (probs: Rows): number => entropy(columnMeans(probs));

/** (f(x + h) - f(x - h)) / 2h at every entry: off by about h^2 = 1e-10 times the third derivative, and 1e-16 / h. */
export function centralDifference(f: (rows: Rows) => number, rows: Rows): number[] {
  const h = 1e-5;
  const moved = (t: number, e: number, by: number): Rows =>
    rows.map((row, i) => row.map((v, j) => (i === t && j === e ? v + by : v)));
  return rows.flatMap((row, t) => row.map((_, e) => (f(moved(t, e, h)) - f(moved(t, e, -h))) / (2 * h)));
}
