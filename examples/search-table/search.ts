// What every search is given and returns.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import {NUM_EDGES, NUM_OPERATIONS, type Problem, placeOf} from './problem.js';

/** A search to be done by many seeds, each for itself. */
export interface SearchTask {
  problem: Pick<Problem, 'signal'>;
  seeds: readonly number[];
  /** Cells that each seed may look up. */
  evaluations: number;
  /**
   * Lets the event loop turn.
   *
   * @param done Evaluations of all seeds so far.
   * @returns Whether to go on.
   */
  turn(done: number): Promise<boolean>;
}

/**
 * Searches.
 *
 * @returns [seeds * evaluations] The codes of the cells that were looked up, seed by seed, in their order; undefined where `turn` said to
 *   stop. A seed's cells depend on the seed alone, not on the others.
 */
export type Search = (task: SearchTask) => Promise<Uint16Array | undefined>;

/** The second word of the ids of random streams; the first is the seed. */
export const STREAMS = {order: 0, evolution: 1, draws: 2, functions: 3} as const;

/** A seed's stream. */
export function streamOf(seed: number, stream: keyof typeof STREAMS): RandomSource {
  return seeded(seed).split(STREAMS[stream]);
}

/** A source for tensors whose first axis is the seeds: each seed's part comes from its own stream. */
export function bySeed(streams: readonly RandomSource[]): RandomSource {
  return {
    uniform(count) {
      const each = count / streams.length;
      const values = new Float64Array(count);
      streams.forEach((stream, i) => {
        values.set(stream.uniform(each), i * each);
      });
      return values;
    },
    split: (...ids) => bySeed(streams.map(stream => stream.split(...ids))),
  };
}

const PLACES = Array.from({length: NUM_EDGES}, (_, edge) => placeOf(edge));

/** The codes of one-hot cells: [..., 6, 5] to float32 [...], which holds whole numbers of this size exactly. */
export function codesOf(cells: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const digits = Array.from({length: NUM_OPERATIONS}, (_, operation) => operation);
    const worth = tf.tensor2d(PLACES.map(place => digits.map(digit => place * digit)));
    return tf.sum(tf.mul(cells, worth), [-2, -1]);
  });
}

/** Does a search with at most so many seeds at once, to bound its memory. */
export function inParts(size: number, search: Search): Search {
  return async task => {
    const {seeds, evaluations} = task;
    const all = new Uint16Array(seeds.length * evaluations);
    for (let start = 0; start < seeds.length; start += size) {
      const part = await search({
        ...task,
        seeds: seeds.slice(start, start + size),
        turn: done => task.turn(start * evaluations + done),
      });
      if (part === undefined) return undefined;
      all.set(part, start * evaluations);
    }
    return all;
  };
}
