// Regularised evolution: tournaments choose parents, and the oldest die. Real, Aggarwal, Huang and Le 2019,
// https://arxiv.org/abs/1802.01548, with the numbers and the mutation of NATS-Bench's program (D-X-Y/AutoDL-Projects,
// exps/NATS-algos/regularized_ea.py): a target node is drawn, then one of the edges into it, then another operation.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {NUM_CELLS, NUM_EDGES, NUM_OPERATIONS, OPERATIONS, placeOf} from './problem.js';
import {type Search, streamOf} from './search.js';

/** Cells that live at the same time; so many random ones are the start. */
export const POPULATION = 10;
/** Draws of a tournament, with replacement. */
export const TOURNAMENT = 3;
/** The edges into the nodes 1, 2 and 3. */
const INTO = [[0], [1, 2], [3, 4, 5]];

/** Evolves each seed's population. A cell that comes again is looked up again, and counts, as in the program that this follows. */
export const evolution: Search = async ({problem: {signal}, seeds, evaluations, turn}) => {
  const cells = new Uint16Array(seeds.length * evaluations);
  for (const [i, seed] of seeds.entries()) {
    if (!(await turn(i * evaluations))) return undefined;
    cells.set(evolve(signal, evaluations, streamOf(seed, 'evolution')), i * evaluations);
  }
  return cells;
};

/** The cells of one evolution in the order of their birth. */
export function evolve(signal: Float64Array, evaluations: number, random: RandomSource): Uint16Array {
  const cells = new Uint16Array(evaluations);
  for (let born = 0; born < evaluations; ++born) {
    if (born < POPULATION) {
      cells[born] = Math.floor(random.uniform(1)[0]! * NUM_CELLS);
      continue;
    }
    const [node, edge, operation, ...draws] = random.uniform(3 + TOURNAMENT);
    const oldest = born - POPULATION;
    let parent = cells[oldest + Math.floor(draws[0]! * POPULATION)]!;
    for (const u of draws.slice(1)) {
      const rival = cells[oldest + Math.floor(u * POPULATION)]!;
      if (signal[rival]! > signal[parent]!) parent = rival;
    }
    cells[born] = mutate(parent, [node!, edge!, operation!]);
  }
  return cells;
}

/** The cell with another operation on one edge. @param uniforms Between 0 and 1: for the node, the edge into it, the operation. */
export function mutate(cell: number, uniforms: readonly [number, number, number]): number {
  const [forNode, forEdge, forOperation] = uniforms;
  const edges = INTO[Math.floor(forNode * INTO.length)]!;
  const edge = edges[Math.floor(forEdge * edges.length)]!;
  const former = OPERATIONS[cell * NUM_EDGES + edge]!;
  const among = Math.floor(forOperation * (NUM_OPERATIONS - 1));
  const operation = among < former ? among : among + 1;
  return cell + (operation - former) * placeOf(edge);
}
