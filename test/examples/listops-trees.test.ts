// Trees over tokens: their forms are one another's, they are written as published, and F1 counts what two of them share.
import {describe, expect, test} from 'vitest';
import {generateExpressions} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import {TOKEN_NAMES} from '../../examples/listops/grammar.js';
import {parseExpression, parseLine} from '../../examples/listops/parse.js';
import {sequenceAt} from '../../examples/listops/sequences.js';
import {treeDrawing, treeLine} from '../../examples/listops/tree-pictures.js';
import {scoreTrees, scoreWithoutOperators} from '../../examples/listops/tree-scores.js';
import {balanced, leftBranching, rightBranching, toMerges, toSpans} from '../../examples/listops/trees.js';
import {permutation} from '../../examples/shared/permutation.js';
import {seeded} from '../../src/estimators/index.js';

/** Decimals in which percentages must agree. */
const ROUNDING = 10;

const namesOf = (tokens: Uint8Array) => Array.from(tokens, token => TOKEN_NAMES[token]!);
const letters = (count: number) => Array.from({length: count}, (_, i) => String.fromCharCode(97 + i));
const random = seeded(5);
/** A tree that is merged in random order. */
const randomMerges = (numTokens: number) =>
  Int32Array.from(random.uniform(numTokens - 1), (uniform, i) => Math.floor(uniform * (numTokens - 1 - i)));
const RANDOM_TREES = Array.from({length: 200}, (_, i) => randomMerges(1 + (i % 20)));
const EXPRESSIONS = generateExpressions(300, {random: seeded(6)});
const SENTENCES = Array.from({length: 300}, (_, i) => sequenceAt(EXPRESSIONS, i)).filter(({length}) => length <= 120);

/** The nodes of a tree, read off its line by its brackets: "begin-end". */
function nodesOf(line: string): string[] {
  const begins: number[] = [];
  let position = 0;
  return line.split(' ').flatMap(word => {
    if (word === '(') begins.push(position);
    else if (word !== ')') ++position;
    return word === ')' ? [`${begins.pop()}-${position}`] : [];
  });
}

describe('forms', () => {
  test('merges are counted in what is left', () => {
    // a b c d: b c first, then the new entry's left neighbour a is entry 0, then d.
    expect(treeLine([1, 0, 0], letters(4))).toBe('( ( a ( b c ) ) d )');
    expect(toSpans([1, 0, 0])).toEqual([
      [1, 3],
      [0, 3],
      [0, 4],
    ]);
    expect(treeLine([], ['a'])).toBe('a');
  });

  test('the spans of merges are the nodes that merging texts in brackets gives', () => {
    for (const merges of RANDOM_TREES) {
      const entries = letters(merges.length + 1);
      for (const merge of merges) entries.splice(merge, 2, `( ${entries[merge]} ${entries[merge + 1]} )`);
      expect(treeLine(merges, letters(merges.length + 1))).toBe(entries[0]);
      expect(new Set(toSpans(merges).map(([begin, end]) => `${begin}-${end}`))).toEqual(new Set(nodesOf(entries[0]!)));
    }
  });

  test('the spans of a tree in any order give its merges, whatever order the tree was merged in', () => {
    for (const merges of RANDOM_TREES) {
      const spans = toSpans(merges);
      const shuffled = Array.from(permutation(spans.length, random), i => spans[i]!);
      const again = toMerges(shuffled);
      expect(treeLine(again, letters(spans.length + 1))).toBe(treeLine(merges, letters(spans.length + 1)));
      expect(toMerges(toSpans(again))).toEqual(again);
    }
  });

  test('what is no tree is refused', () => {
    expect(() => toSpans([0, 1])).toThrow('toSpans: merge 2 of 2 must be a whole number from 0 to 0, but got 1.');
    expect(() => toSpans([-1])).toThrow('toSpans: merge 1 of 1 must be a whole number from 0 to 0, but got -1.');
    const refuses = (spans: [number, number][], begin: number, end: number, tokens: number) =>
      expect(() => toMerges(spans)).toThrow(
        `toMerges: the span from ${begin} to ${end} has no place in a binary tree over ${tokens} tokens.`,
      );
    refuses(
      [
        [0, 2],
        [1, 3],
      ],
      1,
      3,
      3,
    );
    refuses(
      [
        [0, 3],
        [0, 3],
      ],
      0,
      3,
      3,
    );
    refuses([[0, 4]], 0, 4, 2);
    refuses([[1, 3]], 1, 3, 2);
    refuses([[0, 1]], 0, 1, 2);
    expect(() => treeLine([0], ['a'])).toThrow('treeLine: a tree of 1 merges needs 2 names, but got 1.');
  });
});

describe('shapes', () => {
  test('left-branching, right-branching and balanced trees have their brackets', () => {
    const line = (merges: Int32Array) => treeLine(merges, letters(merges.length + 1));
    expect([1, 2, 4].map(n => line(leftBranching(n)))).toEqual(['a', '( a b )', '( ( ( a b ) c ) d )']);
    expect([1, 2, 4].map(n => line(rightBranching(n)))).toEqual(['a', '( a b )', '( a ( b ( c d ) ) )']);
    expect([1, 2, 3, 4, 5, 6].map(n => line(balanced(n)))).toEqual([
      'a',
      '( a b )',
      '( ( a b ) c )',
      '( ( a b ) ( c d ) )',
      '( ( ( a b ) c ) ( d e ) )',
      '( ( ( a b ) c ) ( ( d e ) f ) )',
    ]);
    for (const make of [leftBranching, rightBranching, balanced]) {
      expect(() => make(0)).toThrow(`${make.name}: numTokens must be a whole number of at least 1, but got 0.`);
    }
  });

  test('the tree that is right for an expression is the published one', () => {
    // A line of the published test set, with its brackets.
    const line =
      '2\t( ( ( ( ( ( [SM ( ( ( ( ( [MIN ( ( ( ( ( ( [MIN 5 ) ( ( ( ( [SM 5 ) 4 ) 1 ) ] ) ) 0 ) 4 ) 9 ) ] ) ) 8 ) 7 ) 6 ) ] ) ) 1 ) 1 ) 7 ) 3 ) ] )';
    const {tokens, merges} = parseLine(line);
    expect(goldMerges(tokens)).toEqual(merges);
    expect(`2\t${treeLine(merges, namesOf(tokens))}`).toBe(line);
    expect(toMerges(toSpans(merges))).toEqual(merges);
  });
});

describe('drawings', () => {
  test('a node is a + above its two children, and its tokens stand below', () => {
    const lines = ['     .-+-.', '   .-+-. |', '  .+-. | |', '[MAX 2 4 ]'];
    expect(treeDrawing([0, 0, 0], ['[MAX', '2', '4', ']'])).toBe(lines.join('\n'));
    expect(treeDrawing([], ['7'])).toBe('7');
  });

  test('a drawing has a + for each node, and as many lines as the tree is high', () => {
    const count = (text: string, mark: string) => text.split(mark).length - 1;
    for (const numTokens of [2, 3, 7, 12]) {
      for (const [merges, height] of [
        [leftBranching(numTokens), numTokens - 1],
        [rightBranching(numTokens), numTokens - 1],
        [balanced(numTokens), Math.ceil(Math.log2(numTokens))],
      ] as const) {
        const drawing = treeDrawing(merges, letters(numTokens));
        expect([count(drawing, '+'), count(drawing, '\n')]).toEqual([numTokens - 1, height]);
      }
    }
  });
});

describe('scoreTrees', () => {
  const both = (score: number) => ({
    micro: expect.closeTo(score, ROUNDING),
    sentenceMean: expect.closeTo(score, ROUNDING),
  });

  test('a tree has 100 with itself, however it was merged', () => {
    expect(
      scoreTrees(
        RANDOM_TREES,
        RANDOM_TREES.map(merges => toMerges(toSpans(merges))),
      ),
    ).toEqual(both(100));
  });

  test('all trees over one or two tokens have 100', () => {
    expect(scoreTrees([[]], [[]])).toEqual(both(100));
    expect(scoreTrees([[0], []], [[0], []])).toEqual(both(100));
  });

  test('left- and right-branching trees over n tokens share the whole sentence alone: 100 / (n - 1)', () => {
    for (const n of [2, 3, 4, 11, 101]) {
      expect(scoreTrees([leftBranching(n)], [rightBranching(n)])).toEqual(both(100 / (n - 1)));
    }
  });

  test('the mean over nodes and the mean over sentences are what they say', () => {
    // Shared of all: 1 of 2, 1 of 4, 1 of 1, and none of none.
    const lengths = [3, 5, 2, 1];
    const {micro, sentenceMean} = scoreTrees(lengths.map(leftBranching), lengths.map(rightBranching));
    expect(micro).toBeCloseTo((100 * 3) / 7, ROUNDING);
    expect(sentenceMean).toBeCloseTo((100 * (1 / 2 + 1 / 4 + 1 + 1)) / 4, ROUNDING);
  });

  test('it is what counting common pairs of brackets gives, and the same either way', () => {
    const others = RANDOM_TREES.map(merges => randomMerges(merges.length + 1));
    const lines = (trees: readonly Int32Array[]) => trees.map(merges => treeLine(merges, letters(merges.length + 1)));
    const [nodes, otherNodes] = [lines(RANDOM_TREES), lines(others)].map(all => all.map(nodesOf)) as [
      string[][],
      string[][],
    ];
    const shared = nodes.map((own, i) => own.filter(node => otherNodes[i]!.includes(node)).length);
    const means = shared.map((count, i) => (nodes[i]!.length === 0 ? 1 : count / nodes[i]!.length));
    const sum = (values: number[]) => values.reduce((a, b) => a + b);
    const scores = scoreTrees(RANDOM_TREES, others);
    expect(scores.micro).toBeCloseTo((100 * sum(shared)) / nodes.flat().length, ROUNDING);
    expect(scores.sentenceMean).toBeCloseTo((100 * sum(means)) / means.length, ROUNDING);
    expect(scoreTrees(others, RANDOM_TREES)).toEqual(scores);
  });

  test('trees that cannot be compared are refused', () => {
    expect(() => scoreTrees([[0]], [])).toThrow(
      'scoreTrees: there must be as many trees as others, and one at least, but got 1 and 0.',
    );
    expect(() => scoreTrees([], [])).toThrow('but got 0 and 0.');
    expect(() => scoreTrees([[0], [0]], [[0], [0, 0]])).toThrow(
      'scoreTrees: trees 2 must be over the same tokens, but they have 2 and 3.',
    );
  });
});

describe('scoreWithoutOperators', () => {
  test('nodes that differ by an operator only are one', () => {
    const tokens = parseExpression('[MAX 2 4 ]');
    // Digits and "]" have the places 0, 1, 2. Right: 0-1, 0-2, 0-3. Right-branching, [MAX ( 2 ( 4 ] ) ): 1-3, 0-3 and, with [MAX, 0-3 again.
    expect(scoreWithoutOperators([rightBranching(4)], [goldMerges(tokens)], [tokens])).toBeCloseTo(100 / 3, ROUNDING);
    // The other way round: 1 of the 2 nodes.
    expect(scoreWithoutOperators([goldMerges(tokens)], [rightBranching(4)], [tokens])).toBeCloseTo(100 / 2, ROUNDING);
  });

  test('it is what counting pairs of brackets gives where operators are left out of the line', () => {
    const trees = SENTENCES.map(({length}) => randomMerges(length));
    const golds = SENTENCES.map(goldMerges);
    const scores = SENTENCES.flatMap((tokens, i) => {
      if (tokens.length === 1) return [];
      const nodes = (merges: Int32Array) => {
        const line = treeLine(merges, namesOf(tokens));
        return new Set(nodesOf(line.replace(/\[\w+ /g, '')));
      };
      const [own, gold] = [nodes(trees[i]!), nodes(golds[i]!)];
      return [[...own].filter(node => gold.has(node)).length / gold.size];
    });
    const mean = scores.reduce((a, b) => a + b) / scores.length;
    expect(scoreWithoutOperators(trees, golds, SENTENCES)).toBeCloseTo(100 * mean, ROUNDING);
  });

  test('a sentence of one token is left out, and such sentences alone are refused', () => {
    const tokens = parseExpression('[MAX 2 4 ]');
    const gold = goldMerges(tokens);
    expect(scoreWithoutOperators([rightBranching(4), []], [gold, []], [tokens, parseExpression('7')])).toBeCloseTo(
      100 / 3,
      ROUNDING,
    );
    expect(() => scoreWithoutOperators([[]], [[]], [parseExpression('7')])).toThrow(
      'scoreWithoutOperators: there is no sentence of two tokens or more.',
    );
    expect(() => scoreWithoutOperators([gold], [gold], [parseExpression('7')])).toThrow(
      'scoreWithoutOperators: sentence 1 must have 4 tokens, as its tree has, but got 1.',
    );
  });
});
