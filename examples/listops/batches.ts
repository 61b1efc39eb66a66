// Batches of sequences of similar length, so that little is padding.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {permutation} from '../shared/permutation.js';
import {type LabelledSequences, lengthAt, sequenceAt} from './sequences.js';

/** Sequences as a model takes them. */
export interface SequenceBatch {
  /** [batch, length], row by row: the ids of each sequence, then zeros, which no id is. */
  tokens: Int32Array;
  /** length is that of the longest sequence in the batch. */
  shape: [batch: number, length: number];
  /** [batch]: the ids of each sequence that are no padding. */
  lengths: Int32Array;
  /** [batch]. */
  labels: Int32Array;
  /** [batch]: where the sequences stand in the set. */
  indices: Uint32Array;
}

/** How to cut an epoch into batches. */
export interface EpochOptions {
  batchSize: number;
  /** Each epoch has a stream of its own, split off by its number. */
  random: RandomSource;
  epoch: number;
  /**
   * Sequences are sorted by length among so many batches' worth of them. More leave less padding and make batches more alike from epoch to
   * epoch. Default 50.
   */
  poolBatches?: number | undefined;
}

/**
 * The order of an epoch: sequences are shuffled, parted into pools, sorted by length within each, and cut into batches, which are
 * shuffled. The same stream and epoch give the same order again.
 *
 * @returns For each batch the indices of its sequences; each index stands in one batch, and one batch may be smaller.
 */
export function planEpoch(
  sequences: LabelledSequences,
  {batchSize, random, epoch, poolBatches = 50}: EpochOptions,
): Uint32Array[] {
  checkSize('planEpoch', 'batchSize', batchSize);
  checkSize('planEpoch', 'poolBatches', poolBatches);
  const stream = random.split(epoch);
  const order = permutation(sequences.count, stream.split(0));
  const batches: Uint32Array[] = [];
  const poolSize = poolBatches * batchSize;
  for (let begin = 0; begin < order.length; begin += poolSize) {
    batches.push(...cut(sortByLength(order.subarray(begin, begin + poolSize), sequences), batchSize));
  }
  return Array.from(permutation(batches.length, stream.split(1)), i => batches[i]!);
}

/** The order in which to measure: by length, the shortest first, and nothing drawn. */
export function planEvaluation(sequences: LabelledSequences, batchSize: number): Uint32Array[] {
  checkSize('planEvaluation', 'batchSize', batchSize);
  return cut(
    sortByLength(
      Uint32Array.from({length: sequences.count}, (_, i) => i),
      sequences,
    ),
    batchSize,
  );
}

/** The sequences of the indices, side by side. */
export function makeBatch(sequences: LabelledSequences, indices: Uint32Array): SequenceBatch {
  const lengths = Int32Array.from(indices, index => lengthAt(sequences, index));
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0);
  const tokens = new Int32Array(indices.length * longest);
  indices.forEach((index, i) => {
    tokens.set(sequenceAt(sequences, index), i * longest);
  });
  const labels = Int32Array.from(indices, index => sequences.labels[index]!);
  return {tokens, shape: [indices.length, longest], lengths, labels, indices};
}

function cut(order: Uint32Array, size: number): Uint32Array[] {
  return Array.from({length: Math.ceil(order.length / size)}, (_, i) => order.slice(i * size, (i + 1) * size));
}

/** A sorted copy; among sequences of one length the order stays. */
function sortByLength(indices: Uint32Array, sequences: LabelledSequences): Uint32Array {
  return indices.slice().sort((a, b) => lengthAt(sequences, a) - lengthAt(sequences, b));
}

function checkSize(owner: string, name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new ValueError(`${owner}: ${name} must be a whole number of at least 1, but got ${value}.`);
}
