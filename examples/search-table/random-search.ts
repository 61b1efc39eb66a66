// Random search: cells one after another in random order, none of them twice.
// SPDX-License-Identifier: Apache-2.0
import {NUM_CELLS} from './problem.js';
import {type Search, streamOf} from './search.js';

/** Looks up cells in random order. */
export const randomSearch: Search = async ({seeds, evaluations, turn}) => {
  const cells = new Uint16Array(seeds.length * evaluations);
  for (const [i, seed] of seeds.entries()) {
    if (!(await turn(i * evaluations))) return undefined;
    cells.set(randomCells(seed, evaluations), i * evaluations);
  }
  return cells;
};

/** The first cells of a seed's order of all: a shuffle by Fisher and Yates, stopped after so many. */
export function randomCells(seed: number, count: number): Uint16Array {
  const uniforms = streamOf(seed, 'order').uniform(count);
  const moved = new Map<number, number>(); // what stands where it did not stand first
  const at = (place: number) => moved.get(place) ?? place;
  return Uint16Array.from(uniforms, (u, i) => {
    const other = i + Math.floor(u * (NUM_CELLS - i));
    const cell = at(other);
    moved.set(other, at(i));
    return cell;
  });
}
