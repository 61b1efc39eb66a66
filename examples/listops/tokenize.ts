// What the model reads: tokens, or single characters.
// SPDX-License-Identifier: Apache-2.0
import {TOKEN_NAMES} from './grammar.js';
import {buildSequences, type LabelledSequences, sequenceAt} from './sequences.js';

/** A way to write an expression as ids. */
export interface Tokenization {
  /** In words, for a program's help. */
  title: string;
  /** What each id stands for; id 0 is padding, and its name is empty. */
  names: readonly string[];
  /**
   * Writes an expression.
   *
   * @param tokens Ids of `TOKEN_NAMES`.
   * @returns Ids of `names`, none of them 0.
   */
  encode: (tokens: Uint8Array) => Int32Array;
}

const CHARACTERS = Array.from(' 0123456789ADEIMNSX[]');
const BLANK = CHARACTERS.indexOf(' ') + 1;

/** The ids of each token's characters, by its id; the bracket before an operator has a blank behind it. */
const SPELLINGS = TOKEN_NAMES.map(name =>
  Array.from(name.replace('[', '[ '), character => CHARACTERS.indexOf(character) + 1),
);

/** Every way, once. */
export const TOKENIZATIONS = {
  token: {
    title: 'a digit, an opening bracket with its operator, or a closing bracket: 15 of them',
    names: TOKEN_NAMES,
    encode: tokens => Int32Array.from(tokens),
  },
  /**
   * What the programs of GST and ReinMax feed their model. Their loader makes a text, `[ MAX 2 9 [ MIN 4 7 ] 0 ]`, which should have been
   * cut at its blanks and is not, so that each character of it is a token, blanks too. Their vocabulary has an entry for unknown characters besides.
   */
  character: {
    title: 'each character of "[ MAX 2 9 ]", blanks too: 21 of them',
    names: ['', ...CHARACTERS],
    encode: tokens => {
      const ids: number[] = [];
      for (const token of tokens) {
        if (ids.length > 0) ids.push(BLANK);
        ids.push(...SPELLINGS[token]!);
      }
      return Int32Array.from(ids);
    },
  },
} satisfies Record<string, Tokenization>;

/** The name of a way. */
export type TokenizationName = keyof typeof TOKENIZATIONS;

/** Writes all expressions. */
export function encodeSequences(expressions: LabelledSequences, name: TokenizationName): LabelledSequences {
  const encoded = buildSequences();
  const {encode} = TOKENIZATIONS[name];
  for (let i = 0; i < expressions.count; ++i) {
    encoded.add(Uint8Array.from(encode(sequenceAt(expressions, i))), expressions.labels[i]!);
  }
  return encoded.finish();
}
