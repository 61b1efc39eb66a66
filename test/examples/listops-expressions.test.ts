// Expressions of ListOps: what they are worth, and how they are read and written.
import {describe, expect, test} from 'vitest';
import {evaluateExpression} from '../../examples/listops/evaluate-expression.js';
import {generateExpressions} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import {CLOSE, FIRST_DIGIT, FIRST_OPERATOR, formatTokens} from '../../examples/listops/grammar.js';
import {parseExpression, parseLine} from '../../examples/listops/parse.js';
import {sliceSequences} from '../../examples/listops/sequences.js';
import {seeded} from '../../src/estimators/index.js';
import {all, lineOf, parseText, texts} from './listops-sets.js';

const drawn = generateExpressions(3000, {random: seeded(1)});

describe('evaluateExpression', () => {
  // By hand: MED of an even count is the mean of the two middle values without its fraction, SM the sum modulo 10.
  const VALUES: [string, number][] = [
    ['7', 7],
    ['[MIN 3 1 2 ]', 1],
    ['[MAX 3 1 2 ]', 3],
    ['[MED 9 1 5 ]', 5],
    ['[MED 4 1 ]', 2],
    ['[MED 9 8 0 3 ]', 5],
    ['[MED 9 8 8 3 ]', 8],
    ['[SM 9 9 9 ]', 7],
    ['[SM 5 ]', 5],
    ['[MAX 2 9 [MIN 4 7 ] 0 ]', 9],
    ['[SM 1 [MED 6 [MAX 3 8 ] 7 2 ] [SM 4 5 5 ] ]', 1],
  ];
  for (const [text, value] of VALUES) {
    test(`${text} is worth ${value}`, () => {
      expect(evaluateExpression(parseExpression(text))).toBe(value);
    });
  }

  test('generated expressions have the values that rewriting the innermost lists of their text, one by one, gives', () => {
    const OPERATIONS: Record<string, (sorted: number[]) => number> = {
      MIN: sorted => sorted[0]!,
      MAX: sorted => sorted.at(-1)!,
      MED: sorted => Math.trunc((sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2),
      SM: sorted => Number(String(sorted.reduce((a, b) => a + b)).at(-1)),
    };
    const rewrite = (text: string): number => {
      let rest = text;
      while (rest.startsWith('[')) {
        rest = rest.replace(/\[(\w+) ([\d ]+) \]/, (_, operator: string, digits: string) =>
          String(OPERATIONS[operator]!(digits.split(' ').map(Number).sort())),
        );
      }
      return Number(rest);
    };
    expect(all(drawn).map(evaluateExpression)).toEqual(texts(drawn).map(rewrite));
    expect([...drawn.labels]).toEqual(all(drawn).map(evaluateExpression));
  });

  test('100,000 lists within each other overflow no stack', () => {
    const depth = 100_000;
    // [MAX 1 [MAX 1 ... 7 ] ]
    const open = [FIRST_OPERATOR + 1, FIRST_DIGIT + 1];
    const tokens = Uint8Array.from({length: 3 * depth + 1}, (_, i) =>
      i < 2 * depth ? open[i % 2]! : i === 2 * depth ? FIRST_DIGIT + 7 : CLOSE,
    );
    expect(evaluateExpression(tokens)).toBe(7);
    expect(goldMerges(tokens).length).toBe(3 * depth);
  });

  test('what is no expression is refused', () => {
    const refuses = (tokens: number[], words: string) =>
      expect(() => evaluateExpression(Uint8Array.from(tokens))).toThrow(`evaluateExpression: ${words}.`);
    refuses([], 'there are no tokens');
    refuses([CLOSE], 'token 1, "]", closes no list');
    refuses([FIRST_OPERATOR, CLOSE], 'token 2, "]", closes a list without arguments');
    refuses([FIRST_OPERATOR, 3], '1 of its lists is not closed');
    refuses([FIRST_OPERATOR, FIRST_OPERATOR], '2 of its lists are not closed');
    refuses([3, 4], 'the expression is complete after 1 of its 2 tokens');
    refuses([FIRST_OPERATOR, 3, CLOSE, CLOSE], 'the expression is complete after 3 of its 4 tokens');
    refuses([0], 'token 1 has the id 0, but ids are from 1 to 15');
    refuses([16], 'token 1 has the id 16, but ids are from 1 to 15');
  });
});

describe('parse', () => {
  test('a line gives its label, its tokens, and the merges of a shift-reduce parser', () => {
    // Stack sizes by hand: shift [MAX, 2 (2 entries) and merge from 0; ( [MIN 4 ] makes a second entry, which is merged within from 1, then from 0.
    const {label, tokens, merges} = parseLine('4\t( ( ( [MAX 2 ) ( ( [MIN 4 ) ] ) ) ] )');
    expect([label, formatTokens(tokens), [...merges]]).toEqual([4, '[MAX 2 [MIN 4 ] ]', [0, 1, 1, 0, 0]]);
    expect(parseLine('9\t9')).toEqual({label: 9, tokens: Uint8Array.of(10), merges: new Int32Array(0)});
  });

  test('a file gives its lines in their order, with any end of line and with none at the end', () => {
    const lines = ['[MAX 2 4 ]', '9', '[SM 3 [MED 1 1 8 ] ]'].map(lineOf);
    for (const text of [lines.join('\n'), `${lines.join('\r\n')}\r\n`, `${lines.join('\n\n')}\n`]) {
      const set = parseText(text);
      expect([texts(set), [...set.labels]]).toEqual([
        ['[MAX 2 4 ]', '9', '[SM 3 [MED 1 1 8 ] ]'],
        [4, 9, 4],
      ]);
    }
    expect(parseText('').count).toBe(0);
  });

  test('a generated expression, written as a line, is read as itself', () => {
    const some = sliceSequences(drawn, 0, 500);
    expect(parseText(texts(some).map(lineOf).join('\n'))).toEqual(some);
  });

  test('a line that is wrong is refused, and named', () => {
    const good = lineOf('[MAX 2 4 ]');
    const refuses = (line: string, words: string) => {
      expect(() => parseText(`${good}\n${line}\n${good}\n`)).toThrow(`parseLines: x.tsv, line 2: ${words}.`);
    };
    const label = 'the label must be a digit with a tab behind it, but the line begins with';
    refuses('x\t3', `${label} "x\\t3"`);
    refuses('12\t3', `${label} "12\\t3"`);
    refuses('3', `${label} "3"`);
    refuses('4 ( ( ( [MAX 2 ) 4 ) ] )', `${label} "4 ( ( ( [MAX"`);
    const known = 'Expected one of: 0 to 9, [MIN, [MAX, [MED, [SM, ]';
    refuses('4\t( ( ( [MXX 2 ) 4 ) ] )', `the token "[MXX" is unknown. ${known}`);
    refuses('4\t( ( ( [MAX x ) 4 ) ] )', `the token "x" is unknown. ${known}`);
    refuses('4\t( ( ( [MAX 12 ) 4 ) ] )', `the token "12" is unknown. ${known}`);
    refuses('4\t( ( [MAX 2 ) 4 ) ] )', 'the ")" behind token 4 has no "("');
    refuses('4\t( ( ( ( [MAX 2 ) 4 ) ] )', '1 "(" without ")"');
    refuses('4\t( ( [MAX 2 4 ) ] )', 'round brackets must hold 2 parts, but those that end behind token 3 hold 3');
    refuses('4\t( ( ( [MAX ) 2 ) 4 )', 'round brackets must hold 2 parts, but those that end behind token 1 hold 1');
    refuses(
      '4\t( [MAX ( ( 2 4 ) ] ) )',
      "the round brackets are not those of the expression's tree, which branches to the left within each list",
    );
    refuses(
      '4\t[MAX 2 4 ]',
      "the round brackets are not those of the expression's tree, which branches to the left within each list",
    );
    refuses('4\t( ( [MAX 2 ) 4 )', '1 of its lists is not closed');
    refuses('4\t( 2 4 )', 'the expression is complete after 1 of its 2 tokens');
    refuses('4\t', 'there are no tokens');
    expect(() => parseLine('4')).toThrow('parseLine: the label must be');
  });

  test('an expression of a user is read with round brackets and without', () => {
    expect(formatTokens(parseExpression(' ( ( [MAX 2 ) 4 ) ]\n'))).toBe('[MAX 2 4 ]');
    expect(() => parseExpression('[MAX 2 four ]')).toThrow('parseExpression: the token "four" is unknown.');
    expect(() => parseExpression('[MAX 2')).toThrow('parseExpression: 1 of its lists is not closed.');
  });
});
