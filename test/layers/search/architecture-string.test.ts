// Cells as text, against strings that were published, and texts that are refused.
import fc from 'fast-check';
import {formatArchitecture, NAS_BENCH_201_OPERATIONS, parseArchitecture} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';

const digits = (code: string) => [...code].map(Number);

/** The six digits of a cell in the table, and its string where that was published. */
const PUBLISHED = [
  // Index 0 of NAS-Bench-201, from the benchmark's own list.
  ['421211', '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|'],
  // The cells that GDAS found, from the README of NATS-Bench: on CIFAR-10 with the first seed, and on ImageNet16-120 with all.
  ['330233', '|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|'],
  ['000300', '|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|'],
] as const;

test.each(PUBLISHED)('the cell %s is the published text, and the text that cell', (code, text) => {
  expect(formatArchitecture(digits(code))).toBe(text);
  expect(parseArchitecture(text)).toEqual(digits(code));
});

test('what is written is read back, for cells of any size and operations of any name', () => {
  const cells = fc
    .record({numNodes: fc.integer({min: 2, max: 6}), numOperations: fc.integer({min: 1, max: 6}), draw: fc.nat()})
    .map(({numNodes, numOperations, draw}) => {
      const operations = Array.from({length: numOperations}, (_, o) => `Op-${o}_${'xY'.repeat(o)}`);
      const numEdges = (numNodes * (numNodes - 1)) / 2;
      return {operations, choices: Array.from({length: numEdges}, (_, e) => (draw + 7 * e + e * e) % numOperations)};
    });
  const law = ({operations, choices}: {operations: string[]; choices: number[]}) => {
    const text = formatArchitecture(choices, operations);
    expect(parseArchitecture(text, operations)).toEqual(choices);
    expect(text.split('+').map(node => node.split('~').length - 1)).toEqual(text.split('+').map((_, i) => i + 1));
  };
  fc.assert(fc.property(cells, law), {seed: 1, numRuns: 200});
});

test('all 15,625 cells have texts of their own, which are read back', () => {
  const texts = new Set<string>();
  for (let index = 0; index < 5 ** 6; ++index) {
    const choices = digits(index.toString(5).padStart(6, '0'));
    const text = formatArchitecture(choices);
    texts.add(text);
    if (index % 25 === 0) expect(parseArchitecture(text)).toEqual(choices);
  }
  expect(texts.size).toBe(15_625);
});

const CHOICES = [
  [[], 'choices must be 1, 3, 6, 10, ... edges of a cell, but got 0.'],
  [[1, 1], 'choices must be 1, 3, 6, 10, ... edges of a cell, but got 2.'],
  [[1, 1, 1, 1, 1, 1, 1], 'choices must be 1, 3, 6, 10, ... edges of a cell, but got 7.'],
  [[5], 'choices must be 1 whole numbers from 0 to 4, one an edge, but got [5].'],
  [[0, -1, 0], 'choices must be 3 whole numbers from 0 to 4, one an edge, but got [0, -1, 0].'],
  [[0, 1.5, 0], 'choices must be 3 whole numbers from 0 to 4, one an edge, but got [0, 1.5, 0].'],
  [[0, Number.NaN, 0], 'choices must be 3 whole numbers from 0 to 4, one an edge, but got [0, NaN, 0].'],
] as const;
test.each(CHOICES)('formatArchitecture refuses %j', (choices, message) => {
  expect(() => formatArchitecture(choices)).toThrow(`formatArchitecture: ${message}`);
});

const FORM = 'parseArchitecture: the text must be |op~0|+|op~0|op~1|+..., one more input a node, but node';
const INPUT = (input: number, node: number, got: string) =>
  `parseArchitecture: input ${input} of node ${node} must be <operation>~${input} with one of ` +
  `${NAS_BENCH_201_OPERATIONS.map(name => `"${name}"`).join(', ')}, but got "${got}".`;
const TEXTS = [
  ['', `${FORM} 1 is "" in "".`],
  ['|', `${FORM} 1 is "|" in "|".`],
  ['none~0', `${FORM} 1 is "none~0" in "none~0".`],
  ['|none~0|+', `${FORM} 2 is "" in "|none~0|+".`],
  ['|none~0|+|none~0|', `${FORM} 2 is "|none~0|" in`],
  ['|none~0|none~1|', `${FORM} 1 is "|none~0|none~1|" in`],
  ['|none~0|+|none~0|none~1', `${FORM} 2 is "|none~0|none~1" in`],
  [' |none~0|', `${FORM} 1 is " |none~0|" in`],
  ['||', INPUT(0, 1, '')],
  ['|none|', INPUT(0, 1, 'none')],
  ['|none~1|', INPUT(0, 1, 'none~1')],
  ['|none~00|', INPUT(0, 1, 'none~00')],
  ['|none~0~9|', INPUT(0, 1, 'none~0~9')],
  ['|None~0|', INPUT(0, 1, 'None~0')],
  ['|conv~0|', INPUT(0, 1, 'conv~0')],
  ['|none~0|+|none~0|none~0|', INPUT(1, 2, 'none~0')],
] as const;
test.each(TEXTS)('parseArchitecture refuses "%s"', (text, message) => {
  expect(() => parseArchitecture(text)).toThrow(message);
});

test('operations are those of the list, and no others', () => {
  expect(parseArchitecture('|b~0|', ['a', 'b'])).toEqual([1]);
  expect(() => parseArchitecture('|none~0|', ['a', 'b'])).toThrow('with one of "a", "b", but got "none~0".');
  expect(() => formatArchitecture([2], ['a', 'b'])).toThrow('from 0 to 1');
});
