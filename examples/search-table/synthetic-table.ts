// A table made on the spot, for machines without the real one: the same cells, accuracies by formula. It says nothing about networks.
// SPDX-License-Identifier: Apache-2.0
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import type {Epochs, Space, Split} from '../data/nas-bench-table.js';
import {normals} from './normals.js';
import {type AccuracyTable, choicesOf, codeOf, NUM_CELLS, NUM_EDGES, NUM_OPERATIONS} from './problem.js';

/** How much an operation helps on any edge: the convolutions most, none not at all. */
const MEAN_EFFECTS = [-1, 0.3, 0.7, 1, 0];
/** Deviations of what an edge adds to that, and of what two edges do together. */
const EDGE_DEVIATION = 0.5;
const PAIR_DEVIATION = 0.25;
/** Of a measured accuracy, in points of percent. */
const NOISE: Record<Epochs, number> = {12: 1.5, 200: 0.15};

const SPACES: readonly Space[] = ['cifar10', 'cifar100', 'imagenet16'];
const SPLITS: readonly Split[] = ['valid', 'test'];
/** First words of the ids of random streams. */
const EFFECTS = 0;
const MEASUREMENT = 1;

/**
 * A synthetic table: a cell's accuracy is a smooth function of its operations and their pairs, with noise of measurement, and 0 where
 * nothing leads from the input to the output. The index of a cell is its code.
 *
 * @param seed The same seed makes the same table.
 */
export function createSyntheticTable(seed: number): AccuracyTable {
  return {
    source: `synthetic, made from seed ${seed}; not measured on any network`,
    indexOf: codeOf,
    column: (space, split, epochs = 200) => {
      const random = seeded(seed);
      const place = SPACES.indexOf(space);
      const levels = levelsOf(random.split(EFFECTS, place));
      const noise = normals(NUM_CELLS, random.split(MEASUREMENT, place, SPLITS.indexOf(split), epochs));
      const scale = epochs === 200 ? 1 : 0.75;
      return levels.map((level, code) =>
        carries(choicesOf(code)) ? Math.min(100, Math.max(0, 95 * scale * level + NOISE[epochs] * noise[code]!)) : 0,
      );
    },
  };
}

/** Whether a path of operations other than none leads from node 0 to node 3. */
export function carries(choices: readonly number[]): boolean {
  const [is01, is02, is12, is03, is13, is23] = choices.map(choice => choice !== 0);
  return Boolean(is03 || (is01 && is13) || (is02 && is23) || (is01 && is12 && is23));
}

/** Of each cell, between 0 and 1. */
function levelsOf(random: RandomSource): Float64Array {
  const edges = normals(NUM_EDGES * NUM_OPERATIONS, random.split(0));
  const pairs = normals((NUM_EDGES * NUM_OPERATIONS) ** 2, random.split(1));
  return Float64Array.from({length: NUM_CELLS}, (_, code) => {
    const features = choicesOf(code).map((operation, edge) => edge * NUM_OPERATIONS + operation);
    let score = 0;
    features.forEach((feature, edge) => {
      score += MEAN_EFFECTS[feature % NUM_OPERATIONS]! + EDGE_DEVIATION * edges[feature]!;
      for (const other of features.slice(edge + 1)) {
        score += PAIR_DEVIATION * pairs[feature * NUM_EDGES * NUM_OPERATIONS + other]!;
      }
    });
    return 1 / (1 + Math.exp(-score / 2));
  });
}
