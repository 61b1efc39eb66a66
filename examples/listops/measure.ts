// How good a network is on held-out expressions: its answers, by length too, and its trees beside those that are right.
// SPDX-License-Identifier: Apache-2.0
import {formatTable} from '../shared/table.js';
import {type Answers, answer, answerWithTrees} from './evaluate.js';
import {goldMerges} from './gold-tree.js';
import type {ExpressionSet} from './inputs.js';
import type {ListOpsModel} from './model.js';
import {type LabelledSequences, lengthAt, sequenceAt} from './sequences.js';
import type {Settings} from './settings.js';
import {scoreTrees, type TreeScores} from './tree-scores.js';
import {balanced, leftBranching, rightBranching} from './trees.js';

/** Answers to expressions of some lengths. */
export interface LengthScore {
  /** In tokens, `[MAX` being one, whatever the network reads. */
  from: number;
  to: number;
  count: number;
  accuracy: number;
}

/** What the trees are compared with. */
export const RIVALS = ['gold', 'right-branching', 'left-branching', 'balanced'] as const;
/** F1 with each of them. */
export type RivalScores = Record<(typeof RIVALS)[number], TreeScores>;

/** What a measurement found. */
export interface Measurement {
  accuracy: number;
  /** Standard error of the accuracy, binomial. */
  error: number;
  /** Mean cross-entropy in nats. */
  loss: number;
  count: number;
  byLength: LengthScore[];
  /** Null where the network reads characters, over which there are no right trees. */
  trees: RivalScores | null;
}

/** A measurement with what it was taken from. */
export interface Measured {
  measurement: Measurement;
  answers: Answers;
  /** The network's trees; none where the network reads characters. */
  trees: Int32Array[];
}

/** The greatest lengths of the groups; what is longer is a group of its own. */
const LENGTHS = [10, 25, 50, 100, Number.MAX_SAFE_INTEGER];

/** Answers all expressions and builds their trees. */
export async function measure(
  network: ListOpsModel,
  {expressions, inputs}: ExpressionSet,
  {tokens}: Pick<Settings, 'tokens'>,
): Promise<Measured> {
  const {trees, ...answers} =
    tokens === 'token' ? await answerWithTrees(network, inputs) : {...(await answer(network, inputs)), trees: []};
  const {accuracy, loss} = answers;
  const {count} = expressions;
  const measurement = {
    accuracy,
    error: Math.sqrt((accuracy * (1 - accuracy)) / count),
    loss,
    count,
    byLength: groupByLength(expressions, answers.isRight),
    trees: tokens === 'token' ? compareTrees(expressions, trees) : null,
  };
  return {measurement, answers, trees};
}

/** The accuracy of each group of lengths that there is. */
export function groupByLength(expressions: LabelledSequences, isRight: Uint8Array): LengthScore[] {
  const groups = LENGTHS.map((to, i) => ({from: (LENGTHS[i - 1] ?? 0) + 1, to, count: 0, correct: 0}));
  for (let i = 0; i < expressions.count; ++i) {
    const group = groups.find(({to}) => lengthAt(expressions, i) <= to)!;
    ++group.count;
    group.correct += isRight[i]!;
  }
  return groups
    .filter(({count}) => count > 0)
    .map(({correct, ...group}) => ({...group, accuracy: correct / group.count}));
}

/** F1 of trees with those that are right, and with those that look at no token. */
export function compareTrees(expressions: LabelledSequences, trees: readonly Int32Array[]): RivalScores {
  const rivals = (make: (index: number) => Int32Array) => trees.map((_, i) => make(i));
  const byShape = (make: (numTokens: number) => Int32Array) => rivals(i => make(lengthAt(expressions, i)));
  return {
    gold: scoreTrees(
      trees,
      rivals(i => goldMerges(sequenceAt(expressions, i))),
    ),
    'right-branching': scoreTrees(trees, byShape(rightBranching)),
    'left-branching': scoreTrees(trees, byShape(leftBranching)),
    balanced: scoreTrees(trees, byShape(balanced)),
  };
}

const percent = (share: number) => (100 * share).toFixed(2);
const number = (value: number) => value.toLocaleString('en-US');

/** In words; training and --evaluate print the same line. @param title Which weights were measured. */
export function describeMeasurement({accuracy, error, count}: Measurement, title: string): string {
  return `test accuracy ${percent(accuracy)} % +- ${percent(error)} (${title}; ${number(count)} held-out expressions)`;
}

/** The accuracies by length, a column a measurement. */
export function describeLengths(measurements: Readonly<Record<string, Measurement>>): string {
  const columns = Object.values(measurements);
  const rows = columns[0]!.byLength.map(({from, to, count}, i) => [
    to === LENGTHS.at(-1) ? `${from} tokens and more` : `${from} to ${to} tokens`,
    number(count),
    ...columns.map(({byLength}) => percent(byLength[i]!.accuracy)),
  ]);
  return formatTable(['accuracy in %', 'expressions', ...Object.keys(measurements)], rows);
}

/** F1 of the trees, two columns a measurement; undefined where there are no trees. */
export function describeTrees(measurements: Readonly<Record<string, Measurement>>): string | undefined {
  const columns = Object.entries(measurements).flatMap(([title, {trees}]) => (trees ? [{title, trees}] : []));
  if (columns.length === 0) return undefined;
  const headings = columns.flatMap(({title}) => [`${title}, of nodes`, 'mean of trees']);
  const rows = RIVALS.map(rival => [
    `with ${rival} trees`,
    ...columns.flatMap(({trees}) => [trees[rival].micro.toFixed(2), trees[rival].sentenceMean.toFixed(2)]),
  ]);
  return formatTable(['F1 of the trees in %', ...headings], rows);
}
