// Which expressions papers keep, by length. They count differently: "[MAX" is one token for some, and two words, "[" and "MAX", for others.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {isOperator} from './grammar.js';

/** Tells which expressions to keep. */
export interface LengthFilter {
  /** In words, for results. */
  title: string;
  keeps: (tokens: Uint8Array) => boolean;
}

/** How many words an expression has, where "[" and the operator behind it are two. */
export function countWords(tokens: Uint8Array): number {
  let count = tokens.length;
  for (const token of tokens) if (isOperator(token)) ++count;
  return count;
}

/** Expressions of at most so many tokens, "[MAX" being one: 10, 25 and 50 in the Gumbel-Rao paper (https://arxiv.org/abs/2010.04838). */
export function atMostTokens(maxLength: number): LengthFilter {
  if (!Number.isSafeInteger(maxLength) || maxLength < 1) {
    throw new ValueError(`atMostTokens: maxLength must be a whole number of at least 1, but got ${maxLength}.`);
  }
  return {title: `at most ${maxLength} tokens`, keeps: tokens => tokens.length <= maxLength};
}

/** What the programs of GST (https://arxiv.org/abs/2206.07235) and ReinMax (https://arxiv.org/abs/2304.08612) keep, in all three splits. */
export const FEWER_THAN_100_WORDS: LengthFilter = {
  title: 'fewer than 100 words, "[" and "MAX" being two',
  keeps: tokens => countWords(tokens) < 100,
};
