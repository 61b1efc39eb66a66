// What the searches of a method found: statistics over its seeds, along the evaluations.
// SPDX-License-Identifier: Apache-2.0
import type {Problem} from './problem.js';

/** Statistics of a method. Regrets are in points of percent: the best test accuracy less that of the cell that is best by the objective. */
export interface Figures {
  /** At so many evaluations. */
  curve: {
    evaluations: number[];
    regret: number[];
    /** Standard error of the mean. */
    error: number[];
    /** Quantiles over the seeds. */
    lower: number[];
    median: number[];
    upper: number[];
    /** Share of the seeds that had found a cell with the best objective. */
    found: number[];
  };
  /** Median over the seeds of the last choice's rank by test accuracy, 1 for the best. */
  medianRank: number;
  /** Of the last choices, in percent: mean and standard deviation over the seeds. */
  testAccuracy: {mean: number; deviation: number};
  /** Mean number of different cells that a seed looked up. */
  distinctCells: number;
}

/** Where regrets are quoted, as far as the evaluations go. */
export const QUOTED = [10, 30, 100, 300];

/** Evaluations at which a curve is told: each of the first ten, then ever wider apart, and where regrets are quoted. */
export function curvePoints(evaluations: number): number[] {
  const points = new Set([...QUOTED.filter(point => point <= evaluations), evaluations]);
  for (let point = 1; point < evaluations; point = Math.max(point + 1, Math.round(point * 1.1))) points.add(point);
  return [...points].sort((a, b) => a - b);
}

/**
 * The cell with the best objective among the first ones.
 *
 * @param cells What a seed looked up, in its order.
 * @returns For each number of evaluations from 1 on; the earlier one where two are equal.
 */
export function incumbents(cells: Uint16Array, signal: Float64Array): Uint16Array {
  let best = cells[0]!;
  return cells.map(cell => {
    if (signal[cell]! > signal[best]!) best = cell;
    return best;
  });
}

/** @param cells [seeds * evaluations]. */
export function figuresOf(cells: Uint16Array, seeds: number, problem: Problem): Figures {
  const {signal, regret, rank, test, bestSignal} = problem;
  const evaluations = cells.length / seeds;
  const ofSeeds = Array.from({length: seeds}, (_, i) => cells.subarray(i * evaluations, (i + 1) * evaluations));
  const chosen = ofSeeds.map(looked => incumbents(looked, signal));
  const points = curvePoints(evaluations);
  const at = points.map(point => chosen.map(cells => cells[point - 1]!));
  const regrets = at.map(cells => cells.map(cell => regret[cell]!).sort((a, b) => a - b));
  const last = at.at(-1)!;
  const accuracies = last.map(cell => test[cell]!);
  const distinct = ofSeeds.map(looked => new Set(looked).size);
  return {
    curve: {
      evaluations: points,
      regret: regrets.map(values => rounded(mean(values))),
      error: regrets.map(values => rounded(deviation(values) / Math.sqrt(values.length))),
      lower: regrets.map(values => rounded(quantile(values, 0.25))),
      median: regrets.map(values => rounded(quantile(values, 0.5))),
      upper: regrets.map(values => rounded(quantile(values, 0.75))),
      found: at.map(cells => rounded(mean(cells.map(cell => Number(signal[cell] === bestSignal))))),
    },
    medianRank: quantile(
      last.map(cell => rank[cell]!).sort((a, b) => a - b),
      0.5,
    ),
    testAccuracy: {mean: rounded(mean(accuracies)), deviation: rounded(deviation(accuracies))},
    distinctCells: rounded(mean(distinct)),
  };
}

/** Figures of a text file: more digits would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(8));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation of a sample; 0 for one value, of which nothing is known. */
function deviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}

/** A quantile of ascending values, between neighbours in proportion. */
export function quantile(ascending: readonly number[], share: number): number {
  const place = share * (ascending.length - 1);
  const below = Math.floor(place);
  const above = ascending[below + 1] ?? ascending[below]!;
  return ascending[below]! + (place - below) * (above - ascending[below]!);
}
