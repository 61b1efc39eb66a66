// How much of its trees a model shares with other trees: unlabelled F1.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {isOperator} from './grammar.js';
import {type Span, toSpans} from './trees.js';

/** F1 in percent. */
export interface TreeScores {
  /** Of the nodes of all sentences: long sentences, which have more, count more. */
  micro: number;
  /** The mean over sentences of each one's own F1. */
  sentenceMean: number;
}

/** Trees of as many sentences, each as merges of trees.ts. */
type Trees = readonly ArrayLike<number>[];

/**
 * F1 of trees against others. A node counts as shared where the other tree has one over the same tokens. Two trees over n tokens have n - 1
 * nodes each, so that precision, recall and F1 are one number.
 *
 * The node of the whole sentence counts, as in the script with which Nangia and Bowman 2018 compared trees (scripts/parse_comparison.py of
 * nyu-mll/spinn); it is in every tree, so that no score is 0, and a sentence of two tokens has 100. One of a single token has no nodes: it
 * adds nothing to `micro`, and 100 to `sentenceMean`. Their published figure is such a mean over sentences, but see `scoreWithoutOperators`.
 *
 * @throws ValueError where there are not as many trees of either, none at all, or two are over different numbers of tokens.
 */
export function scoreTrees(trees: Trees, others: Trees): TreeScores {
  checkTrees('scoreTrees', trees, others);
  let [shared, all, means] = [0, 0, 0];
  trees.forEach((tree, i) => {
    const own = countShared(toSpans(tree), toSpans(others[i]!));
    shared += own;
    all += tree.length;
    means += tree.length === 0 ? 1 : own / tree.length;
  });
  return {micro: 100 * (all === 0 ? 1 : shared / all), sentenceMean: (100 * means) / trees.length};
}

/**
 * F1 as that script counts on ListOps, for comparison with figures of Nangia and Bowman 2018: an operator has no width there, so that nodes
 * which differ by an operator only are one, sentences of one token are left out, and the number of shared nodes is divided by that of the
 * other tree alone. It is higher than `scoreTrees` gives: left-branching trees have 49.7 against the published test set's, and not 41.6.
 *
 * @param others The trees that are right.
 * @param sentences The tokens of each sentence, as ids of `TOKEN_NAMES`.
 * @returns The mean over sentences, in percent.
 * @throws ValueError as `scoreTrees` does, and where all sentences have one token.
 */
export function scoreWithoutOperators(trees: Trees, others: Trees, sentences: readonly Uint8Array[]): number {
  checkTrees('scoreWithoutOperators', trees, others);
  const scores: number[] = [];
  trees.forEach((tree, i) => {
    if (tree.length === 0) return;
    const places = [0]; // how many tokens before each are no operators
    for (const token of sentences[i]!) places.push(places.at(-1)! + (isOperator(token) ? 0 : 1));
    if (places.length !== tree.length + 2) {
      throw new ValueError(
        `scoreWithoutOperators: sentence ${i + 1} must have ${tree.length + 1} tokens, as its tree has, but got ${places.length - 1}.`,
      );
    }
    const narrow = (merges: ArrayLike<number>) =>
      toSpans(merges).map(([begin, end]): Span => [places[begin]!, places[end]!]);
    const other = narrow(others[i]!);
    scores.push(countShared(narrow(tree), other) / keysOf(other).size);
  });
  if (scores.length === 0) throw new ValueError('scoreWithoutOperators: there is no sentence of two tokens or more.');
  return (100 * scores.reduce((sum, score) => sum + score, 0)) / scores.length;
}

/** Spans as numbers, each once. */
function keysOf(spans: readonly Span[]): Set<number> {
  return new Set(spans.map(([begin, end]) => begin * 2 ** 24 + end));
}

/** How many spans, each counted once, are among both. */
function countShared(spans: readonly Span[], others: readonly Span[]): number {
  const keys = keysOf(others);
  let count = 0;
  for (const key of keysOf(spans)) if (keys.has(key)) ++count;
  return count;
}

function checkTrees(owner: string, trees: Trees, others: Trees): void {
  if (trees.length === 0 || trees.length !== others.length) {
    throw new ValueError(
      `${owner}: there must be as many trees as others, and one at least, but got ${trees.length} and ${others.length}.`,
    );
  }
  const at = trees.findIndex((tree, i) => tree.length !== others[i]!.length);
  if (at < 0) return;
  const [tokens, otherTokens] = [trees[at]!.length + 1, others[at]!.length + 1];
  throw new ValueError(
    `${owner}: trees ${at + 1} must be over the same tokens, but they have ${tokens} and ${otherTokens}.`,
  );
}
