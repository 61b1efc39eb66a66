// Binary trees over tokens, in two forms. Merges say in which order neighbours were joined, as the model makes them: a tree over n tokens is
// n - 1 numbers, the i-th merge joining entry p and its right neighbour, counted in what is left. Spans say what each node covers.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';

/** What a node covers: the tokens from `begin` up to `end`, two of them or more. */
export type Span = readonly [begin: number, end: number];

/**
 * The spans of a tree, in the order of its merges; the last is that of the whole sentence.
 *
 * @throws ValueError where a merge has no right neighbour.
 */
export function toSpans(merges: ArrayLike<number>): Span[] {
  const bounds = Array.from({length: merges.length + 2}, (_, i) => i); // where the entries that are left begin; the last ends here
  return Array.from(merges, (merge, i) => {
    const most = merges.length - 1 - i;
    if (!(Number.isInteger(merge) && merge >= 0 && merge <= most)) {
      throw new ValueError(
        `toSpans: merge ${i + 1} of ${merges.length} must be a whole number from 0 to ${most}, but got ${merge}.`,
      );
    }
    const span: Span = [bounds[merge]!, bounds[merge + 2]!];
    bounds.splice(merge + 1, 1);
    return span;
  });
}

/**
 * The merges of a tree, in the order of a shift-reduce parser: of two nodes the one that ends first, and children before their parent. Many
 * orders of merging make the same tree; this one is the same for all of them.
 *
 * @param spans The n - 1 spans of a tree over n tokens, in any order.
 * @throws ValueError where they are not those of a binary tree.
 */
export function toMerges(spans: readonly Span[]): Int32Array {
  const sorted = [...spans].sort(([beginA, endA], [beginB, endB]) => endA - endB || beginB - beginA);
  const begins: number[] = []; // of the entries so far
  let shifted = 0;
  return Int32Array.from(sorted, ([begin, end]) => {
    while (shifted < end) begins.push(shifted++);
    if (begins.at(-2) !== begin || end > sorted.length + 1) {
      throw new ValueError(
        `toMerges: the span from ${begin} to ${end} has no place in a binary tree over ${sorted.length + 1} tokens.`,
      );
    }
    begins.pop();
    return begins.length - 1;
  });
}

/** ( ( ( a b ) c ) d ). */
export function leftBranching(numTokens: number): Int32Array {
  checkTokens('leftBranching', numTokens);
  return new Int32Array(numTokens - 1);
}

/** ( a ( b ( c d ) ) ). */
export function rightBranching(numTokens: number): Int32Array {
  checkTokens('rightBranching', numTokens);
  return Int32Array.from({length: numTokens - 1}, (_, i) => numTokens - 2 - i);
}

/** ( ( a b ) c ): each node parts its tokens in halves, and of an odd number the left half has one more. */
export function balanced(numTokens: number): Int32Array {
  checkTokens('balanced', numTokens);
  const spansOf = (begin: number, end: number): Span[] => {
    if (end - begin < 2) return [];
    const middle = begin + Math.ceil((end - begin) / 2);
    return [...spansOf(begin, middle), ...spansOf(middle, end), [begin, end]];
  };
  return toMerges(spansOf(0, numTokens));
}

function checkTokens(owner: string, numTokens: number): void {
  if (Number.isSafeInteger(numTokens) && numTokens >= 1) return;
  throw new ValueError(`${owner}: numTokens must be a whole number of at least 1, but got ${numTokens}.`);
}
