// How expressions of ListOps become the batches that a network reads.
import {describe, expect, test} from 'vitest';
import {makeBatch, planEpoch, planEvaluation} from '../../examples/listops/batches.js';
import {generateExpressions} from '../../examples/listops/generate.js';
import {atMostTokens, countWords, FEWER_THAN_100_WORDS} from '../../examples/listops/length-filter.js';
import {parseExpression} from '../../examples/listops/parse.js';
import {filterSequences, lengthAt, pickSequences, sliceSequences} from '../../examples/listops/sequences.js';
import {encodeSequences, TOKENIZATIONS} from '../../examples/listops/tokenize.js';
import {seeded} from '../../src/estimators/index.js';
import {lineOf, parseText, texts} from './listops-sets.js';

const pool = generateExpressions(3000, {random: seeded(1)});

describe('sequences', () => {
  test('picked, filtered and sliced sequences are those that are asked for', () => {
    const set = parseText(['1', '[MAX 2 4 ]', '3'].map(lineOf).join('\n'));
    expect(texts(pickSequences(set, [2, 0, 2]))).toEqual(['3', '1', '3']);
    expect(texts(filterSequences(set, ({length}) => length > 1))).toEqual(['[MAX 2 4 ]']);
    const tail = sliceSequences(set, 1);
    expect([texts(tail), [...tail.labels], texts(sliceSequences(tail, 1, 2))]).toEqual([
      ['[MAX 2 4 ]', '3'],
      [4, 3],
      ['3'],
    ]);
    expect(() => pickSequences(set, [3])).toThrow('pickSequences: an index must be from 0 to 2, but got 3.');
  });
});

describe('length filters', () => {
  test('"[MAX" counts as one token, and as two words', () => {
    const tokens = parseExpression('[MAX 2 [MIN 4 7 ] ]'); // 7 tokens, [ MAX 2 [ MIN 4 7 ] ] 9 words
    expect([tokens.length, countWords(tokens)]).toEqual([7, 9]);
    expect([6, 7].map(length => atMostTokens(length).keeps(tokens))).toEqual([false, true]);
    expect(() => atMostTokens(0)).toThrow('atMostTokens: maxLength must be a whole number of at least 1, but got 0.');
  });

  test('99 words are fewer than 100, and 100 are not', () => {
    // [ MAX and ] are 3 of the words.
    const list = (words: number) => parseExpression(`[MAX ${'1 '.repeat(words - 3)}]`);
    expect([99, 100].map(words => FEWER_THAN_100_WORDS.keeps(list(words)))).toEqual([true, false]);
  });
});

describe('tokenizations', () => {
  const names = (name: keyof typeof TOKENIZATIONS, text: string) => {
    const {encode, names} = TOKENIZATIONS[name];
    return Array.from(encode(parseExpression(text)), id => names[id]);
  };

  test('there are 15 tokens and 21 characters beside the padding, and expressions use all of them and no padding', () => {
    for (const [name, size] of [
      ['token', 15],
      ['character', 21],
    ] as const) {
      expect(TOKENIZATIONS[name].names.length).toBe(size + 1);
      const used = new Set(encodeSequences(sliceSequences(pool, 0, 1000), name).tokens);
      expect([...used].sort((a, b) => a - b)).toEqual(Array.from({length: size}, (_, i) => i + 1));
    }
  });

  test('tokens are written as they are, and characters with a blank between tokens and behind each opening bracket', () => {
    expect(names('token', '[MAX 2 [SM 4 7 ] ]')).toEqual(['[MAX', '2', '[SM', '4', '7', ']', ']']);
    expect(names('character', '[MAX 2 [SM 4 7 ] ]').join('')).toBe('[ MAX 2 [ SM 4 7 ] ]');
    expect(names('character', '7').join('')).toBe('7');
  });

  test('encoding a set keeps its labels and its order', () => {
    const set = parseText(['1', '[MAX 2 4 ]'].map(lineOf).join('\n'));
    expect(encodeSequences(set, 'token')).toEqual(set);
    const {labels, starts} = encodeSequences(set, 'character');
    expect([[...labels], [...starts]]).toEqual([
      [1, 4],
      [0, 1, 12],
    ]);
  });
});

describe('batches', () => {
  const options = {batchSize: 16, random: seeded(3), epoch: 0};
  const indicesOf = (batches: Uint32Array[]) => batches.flatMap(indices => [...indices]);

  test('every sequence is in one batch of an epoch, and one batch alone is smaller', () => {
    const set = sliceSequences(pool, 0, 2003);
    for (const plan of [planEpoch(set, options), planEvaluation(set, 16)]) {
      expect(indicesOf(plan).sort((a, b) => a - b)).toEqual(Array.from({length: 2003}, (_, i) => i));
      expect(plan.filter(({length}) => length !== 16).map(({length}) => length)).toEqual([2003 % 16]);
    }
    expect(planEvaluation(set, 16).at(-1)!.length).toBe(2003 % 16);
  });

  test('the same stream and epoch give the same order, and another epoch another', () => {
    const set = sliceSequences(pool, 0, 500);
    expect(planEpoch(set, options)).toEqual(planEpoch(set, {...options, random: seeded(3)}));
    expect(indicesOf(planEpoch(set, options))).not.toEqual(indicesOf(planEpoch(set, {...options, epoch: 1})));
    expect(indicesOf(planEpoch(set, options))).not.toEqual(indicesOf(planEpoch(set, {...options, random: seeded(4)})));
  });

  test('within a pool batches do not overlap in length, and they come in random order', () => {
    const set = sliceSequences(pool, 0, 50 * 16);
    const ranges = planEpoch(set, options).map(indices => {
      const lengths = Array.from(indices, index => lengthAt(set, index));
      return [Math.min(...lengths), Math.max(...lengths)] as const;
    });
    const sorted = [...ranges].sort(([a, b], [c, d]) => a - c || b - d);
    expect(ranges).not.toEqual(sorted);
    sorted.slice(1).forEach(([least], i) => {
      expect(least).toBeGreaterThanOrEqual(sorted[i]![1]);
    });
  });

  test('pools differ from epoch to epoch, so that a sequence does not keep its neighbours', () => {
    const set = sliceSequences(pool, 0, 4 * 32);
    const together = (epoch: number) =>
      new Set(planEpoch(set, {...options, batchSize: 2, poolBatches: 16, epoch}).map(pair => [...pair].sort().join()));
    const [first, second] = [together(0), together(1)];
    expect([...first].filter(pair => second.has(pair)).length).toBeLessThan(first.size / 2);
  });

  test('in an evaluation lengths never fall', () => {
    const set = sliceSequences(pool, 0, 500);
    const lengths = indicesOf(planEvaluation(set, 32)).map(index => lengthAt(set, index));
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
  });

  test('a batch holds its sequences from the left, and zeros behind them', () => {
    const set = parseText(['1', '[MAX 2 4 ]', '3'].map(lineOf).join('\n'));
    const batch = makeBatch(set, Uint32Array.of(2, 1));
    expect(batch).toEqual({
      tokens: Int32Array.of(4, 0, 0, 0, 12, 3, 5, 15),
      shape: [2, 4],
      lengths: Int32Array.of(1, 4),
      labels: Int32Array.of(3, 4),
      indices: Uint32Array.of(2, 1),
    });
  });

  test('a bad batch size is refused', () => {
    const words = 'batchSize must be a whole number of at least 1, but got 0.';
    expect(() => planEpoch(pool, {...options, batchSize: 0})).toThrow(`planEpoch: ${words}`);
    expect(() => planEvaluation(pool, 0)).toThrow(`planEvaluation: ${words}`);
  });
});
