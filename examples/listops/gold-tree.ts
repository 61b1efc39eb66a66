// The tree that is right for an expression. Within a list it branches to the left: ( ( ( [MAX 2 ) 4 ) ] ).
// SPDX-License-Identifier: Apache-2.0
import {CLOSE, checkExpression, isOperator} from './grammar.js';

/**
 * The published binary tree of an expression, in the order of a shift-reduce parser: each argument is merged with what stands before it in
 * its list, the operator first, and "]" comes last.
 *
 * @param tokens Ids of `TOKEN_NAMES`; n of them.
 * @returns [n - 1] merges, as in trees.ts.
 * @throws ValueError where the tokens are no expression.
 */
export function goldMerges(tokens: Uint8Array): Int32Array {
  checkExpression('goldMerges', tokens);
  const merges = new Int32Array(tokens.length - 1);
  let numMerges = 0;
  let size = 0; // entries so far: tokens that are not merged yet, and what others have been merged to
  let depth = 0; // of lists
  const reduce = () => {
    merges[numMerges++] = size - 2;
    --size;
  };
  for (const token of tokens) {
    ++size;
    if (isOperator(token)) {
      ++depth;
      continue;
    }
    if (token === CLOSE) {
      reduce();
      --depth;
    }
    if (depth > 0) reduce(); // what is complete is an argument of the list around it
  }
  return merges;
}
