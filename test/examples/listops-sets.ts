// Sets of expressions in tests, and how to count them.
import {evaluateExpression} from '../../examples/listops/evaluate-expression.js';
import {generateExpressions, POOL_SIZE} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import {CLOSE, formatTokens, isOperator, TOKEN_NAMES} from '../../examples/listops/grammar.js';
import {parseExpression, parseLines} from '../../examples/listops/parse.js';
import {type LabelledSequences, sequenceAt} from '../../examples/listops/sequences.js';
import {treeLine} from '../../examples/listops/tree-pictures.js';
import {seeded} from '../../src/estimators/index.js';
import {chiSquare} from '../support/statistics.js';

/** A line as it is published. */
export const lineOf = (expression: string) => {
  const tokens = parseExpression(expression);
  const names = Array.from(tokens, token => TOKEN_NAMES[token]!);
  return `${evaluateExpression(tokens)}\t${treeLine(goldMerges(tokens), names)}`;
};
export const parseText = (text: string) => parseLines(Buffer.from(text), 'x.tsv');
export const all = (set: LabelledSequences) => Array.from({length: set.count}, (_, i) => sequenceAt(set, i));
export const texts = (set: LabelledSequences) => all(set).map(formatTokens);
export const depthOf = (tokens: Uint8Array) => {
  let [depth, most] = [0, 0];
  for (const token of tokens) {
    depth += Number(isOperator(token)) - Number(token === CLOSE);
    most = Math.max(most, depth);
  }
  return most;
};

/** The published test set, counted by another program. */
export const PUBLISHED = {
  labels: [1127, 1038, 967, 978, 991, 969, 895, 930, 964, 1141],
  /** How many expressions have at most so many tokens; half of them have 16. */
  lengthBounds: [4, 5, 6, 7, 8, 10, 13, 16, 20, 25, 32, 40, 50, 70, 106, 150, 200, 300, 939],
  lengths: [
    52, 475, 1335, 2252, 2580, 3531, 4491, 5192, 5870, 6477, 7031, 7523, 7966, 8491, 9010, 9340, 9555, 9798, 10_000,
  ],
  /** By the depth of operators, from 1 on; a single digit is beside them. */
  depths: [2093, 2339, 1429, 893, 611, 519, 404, 287, 230, 185, 158, 113, 104, 88, 81, 48, 61, 32, 324],
};
/** Expressions of each length up to a bound, those up to the bound before left out; one that is longer than all goes with the last. */
export const lengthHistogram = (set: LabelledSequences) => {
  const counts = PUBLISHED.lengthBounds.map(() => 0);
  for (const {length} of all(set)) {
    const bin = PUBLISHED.lengthBounds.findIndex(bound => length <= bound);
    ++counts[bin < 0 ? counts.length - 1 : bin]!;
  }
  return counts;
};
export const histogram = (values: Iterable<number>, size: number) => {
  const counts: number[] = Array(size).fill(0);
  for (const value of values) ++counts[value]!;
  return counts;
};
export const fromCumulative = (counts: readonly number[]) => counts.map((count, i) => count - (counts[i - 1] ?? 0));

/** Pearson's statistic of the hypothesis that two lists of counts were drawn from one distribution; one degree of freedom less than bins. */
export function homogeneity(a: readonly number[], b: readonly number[]): number {
  const [sumA, sumB] = [a, b].map(counts => counts.reduce((sum, count) => sum + count, 0)) as [number, number];
  const shares = a.map((count, i) => (count + b[i]!) / (sumA + sumB));
  const against = (counts: readonly number[], sum: number) =>
    chiSquare(
      counts,
      shares.map(share => share * sum),
    );
  return against(a, sumA) + against(b, sumB);
}

/** The expressions that a program without files draws. */
export const drawPool = () => generateExpressions(POOL_SIZE, {random: seeded(1)});
