// Some trees of a network beside those that are right, to be read.
// SPDX-License-Identifier: Apache-2.0
import {spreadRows} from '../shared/rows.js';
import type {Answers} from './evaluate.js';
import {goldMerges} from './gold-tree.js';
import {formatTokens, TOKEN_NAMES} from './grammar.js';
import {type LabelledSequences, lengthAt, sequenceAt} from './sequences.js';
import {treeDrawing} from './tree-pictures.js';
import {scoreTrees} from './tree-scores.js';

/** The file, in the folder of the run. */
export const TREES = 'trees.txt';

const SAMPLES = 20;
/** Longer ones are hard to read, shorter ones have no more than a tree or two. */
const [SHORTEST, LONGEST] = [5, 30];

/** The samples as a text: for each the expression, its value, the answer, and both trees. */
export function describeSamples(
  expressions: LabelledSequences,
  trees: readonly Int32Array[],
  {digits}: Answers,
): string {
  const candidates = trees
    .map((_, index) => index)
    .filter(index => lengthAt(expressions, index) >= SHORTEST && lengthAt(expressions, index) <= LONGEST);
  const rows = spreadRows(Math.min(SAMPLES, candidates.length), candidates.length);
  return Array.from(rows, row => {
    const index = candidates[row]!;
    const tokens = sequenceAt(expressions, index);
    const names = Array.from(tokens, token => TOKEN_NAMES[token]!);
    const gold = goldMerges(tokens);
    const f1 = scoreTrees([trees[index]!], [gold]).micro.toFixed(0);
    return [
      formatTokens(tokens),
      `value ${expressions.labels[index]}, answer ${digits[index]}; F1 ${f1} %`,
      `\nthe right tree:\n${treeDrawing(gold, names)}`,
      `\nthe network's:\n${treeDrawing(trees[index]!, names)}\n`,
    ].join('\n');
  }).join(`\n${'='.repeat(80)}\n\n`);
}
