// New expressions, distributed as the published ones are (Nangia and Bowman 2018, data set d20s).
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {permutation} from '../shared/permutation.js';
import {evaluateExpression} from './evaluate-expression.js';
import {CLASSES, CLOSE, FIRST_DIGIT, FIRST_OPERATOR, OPERATORS} from './grammar.js';
import {buildSequences, keyOf, type LabelledSequences, pickSequences, sequenceAt} from './sequences.js';

/**
 * How many different expressions the published training, validation and test sets have together. The number matters: short expressions
 * are drawn again and again and counted once, so that more different ones are longer ones.
 */
export const POOL_SIZE = 100_000;

/** The outermost expression has depth 1; at this depth there are digits only. */
export const MAX_DEPTH = 20;
const LEAF_PROBABILITY = 0.75;
const FEWEST_ARGUMENTS = 2;
const MOST_ARGUMENTS = 5;

/** Which expressions to generate. */
export interface GenerateOptions {
  random: RandomSource;
  /** Expressions that must not be among them. */
  exclude?: readonly LabelledSequences[] | undefined;
}

/**
 * Draws expressions until so many different ones are there, and puts them in random order: as they are drawn, the short ones come first.
 *
 * @param count A pool of `POOL_SIZE`, what is excluded counted in, has the published distribution of lengths.
 */
export function generateExpressions(count: number, {random, exclude = []}: GenerateOptions): LabelledSequences {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new ValueError(`generateExpressions: count must be a whole number of at least 0, but got ${count}.`);
  }
  const seen = new Set<string>();
  for (const set of exclude) for (let i = 0; i < set.count; ++i) seen.add(keyOf(sequenceAt(set, i)));
  const total = seen.size + count;
  const drawn = buildSequences();
  const draw = expressionDrawer(random.split(0));
  while (seen.size < total) {
    const tokens = draw();
    const key = keyOf(tokens);
    if (seen.has(key)) continue;
    seen.add(key);
    drawn.add(tokens, evaluateExpression(tokens));
  }
  return pickSequences(drawn.finish(), permutation(count, random.split(1)));
}

/** Draws one expression a call; what it returns holds until the next call. */
function expressionDrawer(random: RandomSource): () => Uint8Array {
  const uniform = uniformReader(random);
  const below = (count: number) => Math.floor(uniform() * count);
  const missing = new Uint8Array(MAX_DEPTH); // arguments that each open list still needs
  let tokens = new Uint8Array(1 << 12);
  let length = 0;
  const put = (token: number) => {
    if (length === tokens.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(tokens);
      tokens = larger;
    }
    tokens[length++] = token;
  };
  return () => {
    length = 0;
    let depth = 0; // open lists
    do {
      // One argument, or the outermost expression: its depth is that of the lists around it and 1.
      if (depth + 1 < MAX_DEPTH && uniform() >= LEAF_PROBABILITY) {
        missing[depth++] = FEWEST_ARGUMENTS + below(MOST_ARGUMENTS - FEWEST_ARGUMENTS + 1);
        put(FIRST_OPERATOR + below(OPERATORS.length));
        continue;
      }
      put(FIRST_DIGIT + below(CLASSES));
      while (depth > 0 && --missing[depth - 1]! === 0) {
        put(CLOSE);
        --depth;
      }
    } while (depth > 0);
    return tokens.subarray(0, length);
  };
}

/** One number a call, of those that the stream gives by the block. */
function uniformReader(random: RandomSource): () => number {
  let block = random.uniform(0);
  let next = 0;
  return () => {
    if (next === block.length) {
      block = random.uniform(1 << 14);
      next = 0;
    }
    return block[next++]!;
  };
}
