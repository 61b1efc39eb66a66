// Many labelled sequences of token ids, one behind the other in one array: 100,000 expressions take a few megabytes.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';

/** Sequences of ids and their labels. */
export interface LabelledSequences {
  count: number;
  /** All ids, one sequence behind the other. */
  tokens: Uint8Array;
  /** [count + 1]: the i-th sequence is `tokens` from `starts[i]` up to `starts[i + 1]`. */
  starts: Uint32Array;
  /** [count]. */
  labels: Uint8Array;
}

/** The ids of one sequence; a view, not a copy. */
export function sequenceAt({tokens, starts}: LabelledSequences, index: number): Uint8Array {
  return tokens.subarray(starts[index], starts[index + 1]);
}

/** How many ids a sequence has. */
export function lengthAt({starts}: LabelledSequences, index: number): number {
  return starts[index + 1]! - starts[index]!;
}

/** A string that two sequences share only if their ids are the same. */
export function keyOf(tokens: Uint8Array): string {
  return Buffer.from(tokens.buffer, tokens.byteOffset, tokens.length).toString('latin1');
}

/** Adds sequences one by one, and gives all at the end. */
export interface SequenceBuilder {
  add: (tokens: Uint8Array, label: number) => void;
  finish: () => LabelledSequences;
}

/** Begins with no sequences. */
export function buildSequences(): SequenceBuilder {
  let tokens = new Uint8Array(1 << 16);
  let length = 0;
  const starts = [0];
  const labels: number[] = [];
  return {
    add: (sequence, label) => {
      if (length + sequence.length > tokens.length) {
        const larger = new Uint8Array(2 * (length + sequence.length));
        larger.set(tokens.subarray(0, length));
        tokens = larger;
      }
      tokens.set(sequence, length);
      length += sequence.length;
      starts.push(length);
      labels.push(label);
    },
    finish: () => ({
      count: labels.length,
      tokens: tokens.slice(0, length),
      starts: Uint32Array.from(starts),
      labels: Uint8Array.from(labels),
    }),
  };
}

/** The sequences of the named indices, in that order, as a copy. */
export function pickSequences(all: LabelledSequences, indices: ArrayLike<number>): LabelledSequences {
  const picked = buildSequences();
  for (let i = 0; i < indices.length; ++i) {
    const index = indices[i]!;
    if (!(index >= 0 && index < all.count)) {
      throw new ValueError(`pickSequences: an index must be from 0 to ${all.count - 1}, but got ${index}.`);
    }
    picked.add(sequenceAt(all, index), all.labels[index]!);
  }
  return picked.finish();
}

/** Those sequences that the function wants, in their order, as a copy. */
export function filterSequences(all: LabelledSequences, keeps: (tokens: Uint8Array) => boolean): LabelledSequences {
  const indices: number[] = [];
  for (let i = 0; i < all.count; ++i) if (keeps(sequenceAt(all, i))) indices.push(i);
  return pickSequences(all, indices);
}

/** The sequences from `begin` up to `end`; views, not copies. */
export function sliceSequences(
  {tokens, starts, labels, count}: LabelledSequences,
  begin: number,
  end = count,
): LabelledSequences {
  const offset = starts[begin]!;
  return {
    count: end - begin,
    tokens: tokens.subarray(offset, starts[end]),
    starts: starts.subarray(begin, end + 1).map(start => start - offset),
    labels: labels.subarray(begin, end),
  };
}
