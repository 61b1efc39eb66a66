// What an expression is worth.
// SPDX-License-Identifier: Apache-2.0
import {
  CLASSES,
  CLOSE,
  checkExpression,
  FIRST_DIGIT,
  FIRST_OPERATOR,
  isDigit,
  OPERATORS,
  type Operator,
} from './grammar.js';

const EVALUATE: Record<Operator, (values: readonly number[]) => number> = {
  MIN: values => Math.min(...values),
  MAX: values => Math.max(...values),
  MED: median,
  SM: values => values.reduce((sum, value) => sum + value, 0) % CLASSES,
};

/**
 * The value of an expression. Needs no tree: the operators and "]" say where lists begin and end. Deep lists do not deepen the call stack.
 *
 * @param tokens Ids of `TOKEN_NAMES`.
 * @returns 0 to 9.
 * @throws ValueError where the tokens are no expression.
 */
export function evaluateExpression(tokens: Uint8Array): number {
  checkExpression('evaluateExpression', tokens);
  const values: number[] = []; // of the arguments so far, those of outer lists first
  const lists: {operator: Operator; begin: number}[] = []; // the open ones; `begin`: where their arguments begin in `values`
  for (const token of tokens) {
    if (isDigit(token)) values.push(token - FIRST_DIGIT);
    else if (token === CLOSE) {
      const {operator, begin} = lists.pop()!;
      values.push(EVALUATE[operator](values.splice(begin)));
    } else lists.push({operator: OPERATORS[token - FIRST_OPERATOR]!, begin: values.length});
  }
  return values[0]!;
}

/** The middle value; of an even number of values the mean of the two in the middle, without its fraction. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return Math.floor((sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2);
}
