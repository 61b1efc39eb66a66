// The language of ListOps (Nangia and Bowman, ListOps, 2018, https://arxiv.org/abs/1804.06028): nested lists of digits, each under an operator, as in
// [MAX 2 9 [MIN 4 7 ] 0 ], whose value is 9.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';

/** What an opening token may ask of its list: the least, the greatest, the median, and the sum modulo 10. */
export const OPERATORS = ['MIN', 'MAX', 'MED', 'SM'] as const;
export type Operator = (typeof OPERATORS)[number];

/** Values of an expression, and so the classes of the task: 0 to 9. */
export const CLASSES = 10;

const DIGITS = Array.from({length: CLASSES}, (_, digit) => String(digit));

/** The name of each token by its id; id 0 is padding and stands in no expression. An operator and the bracket before it are one token. */
export const TOKEN_NAMES: readonly string[] = ['', ...DIGITS, ...OPERATORS.map(operator => `[${operator}`), ']'];

/** The ids of the digits begin here, those of the operators there; `CLOSE` ends a list. */
export const FIRST_DIGIT = 1;
export const FIRST_OPERATOR = FIRST_DIGIT + CLASSES;
export const CLOSE = FIRST_OPERATOR + OPERATORS.length;

/** Whether the token is a digit. */
export const isDigit = (token: number) => token >= FIRST_DIGIT && token < FIRST_OPERATOR;
/** Whether the token opens a list. */
export const isOperator = (token: number) => token >= FIRST_OPERATOR && token < CLOSE;

/** The tokens as text, with blanks between them. */
export function formatTokens(tokens: Uint8Array): string {
  return Array.from(tokens, token => TOKEN_NAMES[token]).join(' ');
}

/**
 * Refuses what is no expression: a digit, or a list of one argument or more. Runs in constant memory, however deep the lists are.
 *
 * @param owner What errors begin with.
 */
export function checkExpression(owner: string, tokens: Uint8Array): void {
  const refuse = (what: string): never => {
    throw new ValueError(`${owner}: ${what}.`);
  };
  let depth = 0;
  for (let i = 0; i < tokens.length; ++i) {
    const token = tokens[i]!;
    if (i > 0 && depth === 0) refuse(`the expression is complete after ${i} of its ${tokens.length} tokens`);
    if (isOperator(token)) ++depth;
    else if (token === CLOSE) {
      if (i === 0) refuse('token 1, "]", closes no list');
      if (isOperator(tokens[i - 1]!)) refuse(`token ${i + 1}, "]", closes a list without arguments`);
      --depth;
    } else if (!isDigit(token))
      refuse(`token ${i + 1} has the id ${token}, but ids are from ${FIRST_DIGIT} to ${CLOSE}`);
  }
  if (tokens.length === 0) refuse('there are no tokens');
  if (depth > 0) refuse(`${depth} of its lists ${depth === 1 ? 'is' : 'are'} not closed`);
}
