// Search by a surrogate. After some random cells, again and again: a function is drawn from those that the cells so far leave possible
// (Thompson sampling), a distribution over the cells is trained towards its maximum, and the best new cell is looked up.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {normals} from './normals.js';
import {NUM_CELLS} from './problem.js';
import {allValues, type Quadratic} from './quadratic.js';
import {randomCells} from './random-search.js';
import {CellRegression, type Variances, WEIGHTS} from './regression.js';
import {inParts, type Search, streamOf} from './search.js';
import {targetsOf} from './targets.js';

/** Cells and what a function says of them. */
export interface Proposal {
  /** In any order, some perhaps twice. */
  cells: Uint16Array;
  values: Float64Array;
}

/**
 * Makes what proposes cells that are high on given functions, one a seed. The noise of a seed comes from a stream of its own.
 */
export type CreateProposer = (seeds: readonly number[]) => (functions: readonly Quadratic[]) => Promise<Proposal[]>;

/** Random cells at the start, the first of random search. */
export const NUM_RANDOM = 10;
/** The targets have mean 0 and deviation 1: the prior says that operations and pairs explain a half each, and little is left. */
export const VARIANCES: Variances = {intercept: 1, linear: 0.5 / 6, pair: 0.5 / 15, noise: 0.05};
/** Seeds at once: a factor of 300 cells takes 361 kB. */
const SEEDS_AT_ONCE = 125;

/** A search that looks up what a proposer finds on a drawn function. No cell is looked up twice. */
export function surrogateSearch(createProposer: CreateProposer): Search {
  return inParts(SEEDS_AT_ONCE, async ({problem: {signal}, seeds, evaluations, turn}) => {
    const searches = seeds.map(seed => ({
      regression: new CellRegression(evaluations, VARIANCES),
      cells: Array.from(randomCells(seed, Math.min(NUM_RANDOM, evaluations))),
      random: streamOf(seed, 'functions'),
    }));
    for (const {regression, cells} of searches) for (const cell of cells) regression.add(cell);
    const propose = createProposer(seeds);
    for (let done = Math.min(NUM_RANDOM, evaluations); done < evaluations; ++done) {
      if (!(await turn(done * seeds.length))) return undefined;
      const functions = searches.map(({regression, cells, random}) =>
        regression.draw(targetsOf(cells.map(cell => signal[cell]!)), normals(WEIGHTS + done, random)),
      );
      const proposals = await propose(functions);
      searches.forEach(({regression, cells, random}, i) => {
        const cell = bestNew(proposals[i]!, cells) ?? anyNew(cells, random);
        cells.push(cell);
        regression.add(cell);
      });
    }
    return Uint16Array.from(searches.flatMap(({cells}) => cells));
  });
}

/** Proposes all cells that there are: the control, which says what is lost by looking for the maximum with an estimator. */
export const enumerateCells: CreateProposer = () => {
  const cells = Uint16Array.from({length: NUM_CELLS}, (_, cell) => cell);
  return async functions => functions.map(drawn => ({cells, values: allValues(drawn)}));
};

/** The cell of the highest value among those that were not looked up; undefined where all were. */
export function bestNew({cells, values}: Proposal, seen: readonly number[]): number | undefined {
  const isSeen = new Set(seen);
  let best: number | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < cells.length; ++i) {
    if (values[i]! > highest && !isSeen.has(cells[i]!)) {
      best = cells[i]!;
      highest = values[i]!;
    }
  }
  return best;
}

/** Any cell that was not looked up. */
function anyNew(seen: readonly number[], random: RandomSource): number {
  const isSeen = new Set(seen);
  for (;;) {
    const cell = Math.floor(random.uniform(1)[0]! * NUM_CELLS);
    if (!isSeen.has(cell)) return cell;
  }
}
