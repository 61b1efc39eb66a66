// Expressions of ListOps: what they are worth, how they are read, written and drawn, and how they become batches.
import {existsSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeAll, beforeEach, describe, expect, test, vi} from 'vitest';
import {makeBatch, planEpoch, planEvaluation} from '../../examples/listops/batches.js';
import {loadListOps} from '../../examples/listops/data-source.js';
import {evaluateExpression} from '../../examples/listops/evaluate-expression.js';
import {generateExpressions, POOL_SIZE} from '../../examples/listops/generate.js';
import {goldMerges} from '../../examples/listops/gold-tree.js';
import {
  CLOSE,
  FIRST_DIGIT,
  FIRST_OPERATOR,
  formatTokens,
  isOperator,
  TOKEN_NAMES,
} from '../../examples/listops/grammar.js';
import {atMostTokens, countWords, FEWER_THAN_100_WORDS} from '../../examples/listops/length-filter.js';
import {parseExpression, parseLine, parseLines} from '../../examples/listops/parse.js';
import {
  filterSequences,
  keyOf,
  type LabelledSequences,
  lengthAt,
  pickSequences,
  sequenceAt,
  sliceSequences,
} from '../../examples/listops/sequences.js';
import {encodeSequences, TOKENIZATIONS} from '../../examples/listops/tokenize.js';
import {treeLine} from '../../examples/listops/tree-pictures.js';
import {seeded} from '../../src/estimators/index.js';
import {chiSquare, chiSquareBound, meanAndError} from '../support/statistics.js';

/** The published files, where the machine has them. */
const REAL = process.env.TFJS_MOE_DATA && join(process.env.TFJS_MOE_DATA, 'listops');
const HAS_REAL = Boolean(REAL && existsSync(REAL));

/** A line as it is published. */
const lineOf = (expression: string) => {
  const tokens = parseExpression(expression);
  const names = Array.from(tokens, token => TOKEN_NAMES[token]!);
  return `${evaluateExpression(tokens)}\t${treeLine(goldMerges(tokens), names)}`;
};
const parseText = (text: string) => parseLines(Buffer.from(text), 'x.tsv');
const all = (set: LabelledSequences) => Array.from({length: set.count}, (_, i) => sequenceAt(set, i));
const texts = (set: LabelledSequences) => all(set).map(formatTokens);
const depthOf = (tokens: Uint8Array) => {
  let [depth, most] = [0, 0];
  for (const token of tokens) {
    depth += Number(isOperator(token)) - Number(token === CLOSE);
    most = Math.max(most, depth);
  }
  return most;
};

/** The published test set, counted by another program. */
const PUBLISHED = {
  labels: [1127, 1038, 967, 978, 991, 969, 895, 930, 964, 1141],
  /** How many expressions have at most so many tokens; half of them have 16. */
  lengthBounds: [4, 5, 6, 7, 8, 10, 13, 16, 20, 25, 32, 40, 50, 70, 106, 150, 200, 300, 939],
  lengths: [
    52, 475, 1335, 2252, 2580, 3531, 4491, 5192, 5870, 6477, 7031, 7523, 7966, 8491, 9010, 9340, 9555, 9798, 10_000,
  ],
  /** By the depth of operators, from 1 on; a single digit is beside them. */
  depths: [2093, 2339, 1429, 893, 611, 519, 404, 287, 230, 185, 158, 113, 104, 88, 81, 48, 61, 32, 324],
};
/** Expressions of each length up to a bound, those up to the bound before left out; one that is longer than all goes with the last. */
const lengthHistogram = (set: LabelledSequences) => {
  const counts = PUBLISHED.lengthBounds.map(() => 0);
  for (const {length} of all(set)) {
    const bin = PUBLISHED.lengthBounds.findIndex(bound => length <= bound);
    ++counts[bin < 0 ? counts.length - 1 : bin]!;
  }
  return counts;
};
const histogram = (values: Iterable<number>, size: number) => {
  const counts: number[] = Array(size).fill(0);
  for (const value of values) ++counts[value]!;
  return counts;
};
const fromCumulative = (counts: readonly number[]) => counts.map((count, i) => count - (counts[i - 1] ?? 0));

/** Pearson's statistic of the hypothesis that two lists of counts were drawn from one distribution; one degree of freedom less than bins. */
function homogeneity(a: readonly number[], b: readonly number[]): number {
  const [sumA, sumB] = [a, b].map(counts => counts.reduce((sum, count) => sum + count, 0)) as [number, number];
  const shares = a.map((count, i) => (count + b[i]!) / (sumA + sumB));
  const against = (counts: readonly number[], sum: number) =>
    chiSquare(
      counts,
      shares.map(share => share * sum),
    );
  return against(a, sumA) + against(b, sumB);
}

let pool: LabelledSequences;
/** The tokens of each of the pool, and the depth of its lists. */
let pooled: Uint8Array[];
let depths: number[];
beforeAll(() => {
  pool = generateExpressions(POOL_SIZE, {random: seeded(1)});
  pooled = all(pool);
  depths = pooled.map(depthOf);
}, 60_000);

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
    const some = sliceSequences(pool, 0, 3000);
    expect(all(some).map(evaluateExpression)).toEqual(texts(some).map(rewrite));
    expect([...some.labels]).toEqual(all(some).map(evaluateExpression));
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
    const some = sliceSequences(pool, 0, 500);
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

describe('generateExpressions', () => {
  const draw = (count: number, seed: number) => generateExpressions(count, {random: seeded(seed)});

  test('the same seed gives the same expressions, and another seed others', () => {
    expect(draw(500, 7)).toEqual(draw(500, 7));
    expect(draw(500, 7)).not.toEqual(draw(500, 8));
  });

  test('no expression comes twice', () => {
    expect(new Set(pooled.map(keyOf)).size).toBe(POOL_SIZE);
  });

  test('no excluded expression comes, and all others take its place', () => {
    const first = draw(300, 7);
    const second = generateExpressions(300, {random: seeded(7), exclude: [first, sliceSequences(first, 0, 10)]});
    expect(second.count).toBe(300);
    expect(new Set([...all(first), ...all(second)].map(keyOf)).size).toBe(600);
  });

  test('every list has 2 to 5 arguments, and lists are at most 19 deep', () => {
    const counts = new Set<number>();
    for (const tokens of pooled.slice(0, 10_000)) {
      const open: number[] = [];
      for (const token of tokens) {
        if (token === CLOSE) counts.add(open.pop()!);
        if (open.length > 0 && !isOperator(token)) ++open[open.length - 1]!;
        if (isOperator(token)) open.push(0);
      }
    }
    expect([...counts].sort()).toEqual([2, 3, 4, 5]);
    expect(depths.reduce((a, b) => Math.max(a, b))).toBe(19);
  });

  // Two samples of one distribution exceed the bound once in 10,000 seeds; that the pool draws without replacement makes them more alike still.
  test('the lengths, their quantiles with them, are distributed as in the published test set', () => {
    expect(homogeneity(lengthHistogram(pool), fromCumulative(PUBLISHED.lengths))).toBeLessThan(chiSquareBound(18));
    // 42.8451 +- 75.6 / 100, by another program.
    const {mean, error} = meanAndError(pooled.map(({length}) => length));
    expect(Math.abs(mean - 42.8451)).toBeLessThan(4 * Math.hypot(error, 0.756));
  });

  test('depths are distributed as in the published test set', () => {
    const [, ...counts] = histogram(depths, 20);
    expect(homogeneity(counts, PUBLISHED.depths)).toBeLessThan(chiSquareBound(18));
  });

  test('labels are distributed as in the published test set', () => {
    expect(homogeneity(histogram(pool.labels, 10), PUBLISHED.labels)).toBeLessThan(chiSquareBound(9));
  });

  test('the operators, each a fair draw, are equally many', () => {
    const counts = histogram(pool.tokens, CLOSE + 1).slice(FIRST_OPERATOR, CLOSE);
    const expected = counts.map(() => counts.reduce((a, b) => a + b) / 4);
    expect(chiSquare(counts, expected)).toBeLessThan(chiSquareBound(3));
  });

  test('short expressions do not come first', () => {
    const mean = (begin: number) => meanAndError(depths.slice(begin, begin + 10_000));
    const [first, last] = [mean(0), mean(POOL_SIZE - 10_000)];
    expect(Math.abs(first.mean - last.mean)).toBeLessThan(4 * Math.hypot(first.error, last.error));
  });

  test('a bad count is refused', () => {
    expect(() => draw(1.5, 1)).toThrow('generateExpressions: count must be a whole number of at least 0, but got 1.5.');
  });
});

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

describe('loadListOps', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-listops-'));
    vi.stubEnv('TFJS_MOE_DATA', '');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, {recursive: true});
  });
  const write = (name: string, expressions: string[]) => {
    const text = expressions.map(lineOf).join('\n');
    return writeFile(join(folder, name), name.endsWith('.gz') ? gzipSync(text) : text);
  };
  const writeHeldOut = () =>
    Promise.all([write('test_d20s.tsv.gz', ['[MAX 2 4 ]', '5']), write('valid_d20s.tsv', ['[MIN 2 4 ]'])]);

  test('without files all are generated, 89,000, 1,000 and 10,000 of them, no two the same', async () => {
    const {train, valid, test: held, source, folder: found} = await loadListOps({seed: 1});
    expect(source).toBe('ListOps, generated from seed 1: 89,000 to train on, 1,000 to choose by, 10,000 held out');
    expect(found).toBeUndefined();
    expect([train, valid, held].flatMap(set => all(set).map(keyOf))).toEqual(pooled.map(keyOf));
  });

  test('a folder gives its files, without those to train on that are held out', async () => {
    await writeHeldOut();
    await write('train_d20s.tsv', ['5', '[SM 1 1 ]', '[MIN 2 4 ]', '[SM 1 2 ]']);
    const data = await loadListOps({dataDir: folder});
    expect([data.train, data.valid, data.test].map(texts)).toEqual([
      ['[SM 1 1 ]', '[SM 1 2 ]'],
      ['[MIN 2 4 ]'],
      ['[MAX 2 4 ]', '5'],
    ]);
    expect(data.source).toBe('ListOps, files of a folder: 2 to train on, 1 to choose by, 2 held out');
    expect(data.folder).toBe(folder);
  });

  test('the published training file comes before a generated one, of which the source says so', async () => {
    await writeHeldOut();
    await write('train_generated_d20s.tsv.gz', ['[SM 1 1 ]']);
    const generated = await loadListOps({dataDir: folder});
    expect(texts(generated.train)).toEqual(['[SM 1 1 ]']);
    expect(generated.source).toMatch(/those to train on from a file of generated ones: 1 to train on/);
    await write('train_d20s.tsv.gz', ['[SM 1 2 ]']);
    expect(texts((await loadListOps({dataDir: folder})).train)).toEqual(['[SM 1 2 ]']);
  });

  test('without a training file those to train on are generated, none of them held out', async () => {
    await writeHeldOut();
    vi.stubEnv('TFJS_MOE_DATA', folder);
    const {train, valid, test: held, source} = await loadListOps({dataDir: folder});
    expect(source).toMatch(
      /those to train on generated from seed 2018: 99,997 to train on, 1 to choose by, 2 held out/,
    );
    expect(new Set([train, valid, held].flatMap(set => all(set).map(keyOf))).size).toBe(100_000);
  });

  test('sizes count what the filter leaves', async () => {
    await writeHeldOut();
    await write('train_d20s.tsv', ['1', '[SM 1 1 2 ]', '[SM 1 1 ]', '[SM 1 2 ]']);
    const data = await loadListOps({dataDir: folder, filter: atMostTokens(4), trainSize: 2, testSize: 1});
    expect([data.train, data.test].map(texts)).toEqual([['1', '[SM 1 1 ]'], ['[MAX 2 4 ]']]);
    expect(data.source).toMatch(/of at most 4 tokens: 2 to train on, 1 to choose by, 1 held out/);
    await expect(loadListOps({dataDir: folder, filter: atMostTokens(4), trainSize: 4})).rejects.toThrow(
      'loadListOps: trainSize must be a whole number from 1 to 3, as many as there are, but got 4.',
    );
  });

  test('a folder without the test file, and one with a damaged file, are refused', async () => {
    await expect(loadListOps({dataDir: folder})).rejects.toThrow(
      /loadListOps: .*test_d20s\.tsv\.gz and .*test_d20s\.tsv do not exist\. .*--data-dir <folder>.*TFJS_MOE_DATA/,
    );
    await writeHeldOut();
    await writeFile(join(folder, 'train_d20s.tsv'), '5\t5\n5\t( 5\n');
    await expect(loadListOps({dataDir: folder})).rejects.toThrow(/train_d20s\.tsv, line 2: 1 "\(" without "\)"\./);
  });
});

describe.skipIf(!HAS_REAL)(
  `the published files${HAS_REAL ? '' : ' (skipped: TFJS_MOE_DATA names no folder with listops)'}`,
  () => {
    let data: Awaited<ReturnType<typeof loadListOps>>;
    beforeAll(async () => {
      data = await loadListOps({dataDir: REAL});
    }, 60_000);

    test('all labels of the test and the validation set are the values of their expressions', () => {
      for (const set of [data.test, data.valid]) {
        expect(all(set).filter((tokens, i) => evaluateExpression(tokens) !== set.labels[i])).toEqual([]);
      }
      expect([data.test.count, data.valid.count]).toEqual([10_000, 1_000]);
    });

    test('the statistics that generated expressions are held against are those of the test set', () => {
      expect(histogram(data.test.labels, 10)).toEqual(PUBLISHED.labels);
      expect(lengthHistogram(data.test)).toEqual(fromCumulative(PUBLISHED.lengths));
      expect(histogram(all(data.test).map(depthOf), 20).slice(1)).toEqual(PUBLISHED.depths);
    });

    test('the filter of GST and ReinMax keeps 8,689 and 857, whose texts have 55 characters on average and 231 at most', () => {
      const [held, valid] = [data.test, data.valid].map(set => filterSequences(set, FEWER_THAN_100_WORDS.keeps));
      expect([held!.count, valid!.count]).toEqual([8_689, 857]);
      const lengths = all(encodeSequences(held!, 'character')).map(({length}) => length);
      expect([Math.round(meanAndError(lengths).mean), Math.max(...lengths)]).toEqual([55, 231]);
    });

    test('of the test set 3,531, 6,477 and 7,966 have at most 10, 25 and 50 tokens', () => {
      const counts = [10, 25, 50].map(length => filterSequences(data.test, atMostTokens(length).keeps).count);
      expect(counts).toEqual([3_531, 6_477, 7_966]);
    });
  },
);
