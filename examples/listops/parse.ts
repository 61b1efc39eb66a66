// Reads the format in which ListOps is published: a label, a tab, and an expression with the brackets of its binary tree, as in
// 4<TAB>( ( ( [MAX 2 ) 4 ) ] ).
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {goldMerges} from './gold-tree.js';
import {CLASSES, checkExpression, FIRST_DIGIT, TOKEN_NAMES} from './grammar.js';
import {buildSequences, type LabelledSequences} from './sequences.js';

/** One line. */
export interface ParsedLine {
  /** 0 to 9, as it stands in the line; whether it is the value of the expression is not looked at. */
  label: number;
  /** Ids of `TOKEN_NAMES`, without the round brackets. */
  tokens: Uint8Array;
  /** The tree that the round brackets say, as merges of trees.ts. */
  merges: Int32Array;
}

const TOKEN_IDS = new Map(TOKEN_NAMES.slice(1).map((name, i) => [name, i + 1]));
const [TAB, NEWLINE, RETURN, SPACE, OPEN_ROUND, CLOSE_ROUND] = [0x09, 0x0a, 0x0d, 0x20, 0x28, 0x29];
/** The ids of tokens of one character, by that character. */
const SINGLE = new Uint8Array(256);
for (const [name, id] of TOKEN_IDS) if (name.length === 1) SINGLE[name.charCodeAt(0)] = id;

/**
 * Reads a line.
 *
 * @throws ValueError where its label is no digit, a token is unknown, the tokens are no expression, or the round brackets are not those of
 *   its tree.
 */
export function parseLine(line: string): ParsedLine {
  const bytes = Buffer.from(line);
  return readLine('parseLine', bytes, 0, bytes.length);
}

/**
 * Reads a file; lines without anything in them are passed over.
 *
 * @param bytes The unpacked content.
 * @param path Names the file in errors.
 * @throws ValueError as `parseLine` does; it says which line is wrong.
 */
export function parseLines(bytes: Uint8Array, path: string): LabelledSequences {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const sequences = buildSequences();
  let begin = 0;
  for (let line = 1; begin < buffer.length; ++line) {
    const found = buffer.indexOf(NEWLINE, begin);
    const next = found < 0 ? buffer.length : found;
    const end = next > begin && buffer[next - 1] === RETURN ? next - 1 : next;
    if (end > begin) {
      const {tokens, label} = readLine(`parseLines: ${path}, line ${line}`, buffer, begin, end);
      sequences.add(tokens, label);
    }
    begin = next + 1;
  }
  return sequences.finish();
}

/**
 * Reads an expression, as a user may write it; round brackets are passed over.
 *
 * @throws ValueError where a token is unknown, or the tokens are no expression.
 */
export function parseExpression(text: string): Uint8Array {
  const words = text.split(/[\s()]+/).filter(word => word !== '');
  const tokens = Uint8Array.from(words, word => TOKEN_IDS.get(word) ?? refuseToken('parseExpression', word));
  checkExpression('parseExpression', tokens);
  return tokens;
}

/** The parser: a token is shifted, a ")" reduces the two topmost entries of the stack, and its "(" must stand before the first of them. */
function readLine(owner: string, bytes: Buffer, begin: number, end: number): ParsedLine {
  const refuse = (what: string): never => {
    throw new ValueError(`${owner}: ${what}.`);
  };
  const label = bytes[begin]! - 0x30;
  if (!(label >= 0 && label < CLASSES && bytes[begin + 1] === TAB && begin + 1 < end)) {
    refuse(`the label must be a digit with a tab behind it, but the line begins with ${quote(bytes, begin, end)}`);
  }
  const capacity = (end - begin) >> 1; // each word has a separator before it
  const tokens = new Uint8Array(capacity);
  const merges = new Int32Array(capacity);
  const opened = new Int32Array(capacity); // the size of the stack at each "(" that is open
  let [numTokens, numMerges, numOpen, size] = [0, 0, 0, 0];
  for (let at = begin + 2; at < end; ) {
    if (bytes[at] === SPACE) {
      ++at;
      continue;
    }
    const first = at;
    while (at < end && bytes[at] !== SPACE) ++at;
    const character = at - first === 1 ? bytes[first]! : 0;
    if (character === OPEN_ROUND) opened[numOpen++] = size;
    else if (character === CLOSE_ROUND) {
      if (numOpen === 0) refuse(`the ")" behind token ${numTokens} has no "("`);
      const parts = size - opened[--numOpen]!;
      if (parts !== 2)
        refuse(`round brackets must hold 2 parts, but those that end behind token ${numTokens} hold ${parts}`);
      merges[numMerges++] = --size - 1;
    } else {
      const word = character === 0 ? bytes.toString('latin1', first, at) : '';
      const id = character === 0 ? TOKEN_IDS.get(word) : SINGLE[character];
      tokens[numTokens++] = id || refuseToken(owner, word || String.fromCharCode(character));
      ++size;
    }
  }
  if (numOpen > 0) refuse(`${numOpen} "(" without ")"`);
  const line = {label, tokens: tokens.slice(0, numTokens), merges: merges.slice(0, numMerges)};
  checkExpression(owner, line.tokens);
  const gold = goldMerges(line.tokens);
  if (gold.some((merge, i) => merge !== line.merges[i])) {
    refuse("the round brackets are not those of the expression's tree, which branches to the left within each list");
  }
  return line;
}

function refuseToken(owner: string, word: string): never {
  const expected = `0 to 9, ${TOKEN_NAMES.slice(FIRST_DIGIT + CLASSES).join(', ')}`;
  throw new ValueError(`${owner}: the token ${JSON.stringify(word)} is unknown. Expected one of: ${expected}.`);
}

/** The beginning of a line, for errors. */
function quote(bytes: Buffer, begin: number, end: number): string {
  return JSON.stringify(bytes.toString('utf8', begin, Math.min(end, begin + 12)));
}
