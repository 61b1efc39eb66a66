// The drawing of a cell: well-formed XML that names what was chosen on each edge.
import {type CellPictureOptions, cellPicture, NAS_BENCH_201_OPERATIONS} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {numbers} from '../../support/enumerate.js';

/** Probabilities of edges and operations. */
function probabilitiesOf(numEdges: number, numOperations: number): number[][] {
  return Array.from({length: numEdges}, (_, e) => {
    const weights = numbers(e + 1, numOperations, 0, 1);
    const sum = weights.reduce((a, b) => a + b);
    return weights.map(weight => weight / sum);
  });
}

const UNESCAPED = {lt: '<', gt: '>', amp: '&', quot: '"', apos: "'"} as Record<string, string>;

/** The texts of a document, with what they are escaped as resolved. Fails where the document is not well-formed. */
function textsOf(document: string): string[] {
  const texts: string[] = [];
  const open: string[] = [];
  let at = 0;
  const token = /<(\/?)([A-Za-z]+)((?: [A-Za-z0-9:-]+="[^"<&]*")*)(\/?)>|((?:[^<&>]|&(?:lt|gt|amp|quot|apos);)+)/y;
  while (at < document.length) {
    token.lastIndex = at;
    const match = token.exec(document);
    expect(match, `not well-formed from: ${document.slice(at, at + 60)}`).not.toBeNull();
    const [all, closing, name, attributes, empty, text] = match!;
    const names = [...(attributes ?? '').matchAll(/ ([A-Za-z0-9:-]+)=/g)].map(found => found[1]);
    expect(new Set(names).size).toBe(names.length);
    if (text === undefined) {
      if (closing) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name!);
    } else if (open.at(-1) === 'text') {
      texts.push(text.replace(/&(\w+);/g, (_, entity: string) => UNESCAPED[entity]!));
    } else {
      expect(text.trim()).toBe('');
    }
    at += all.length;
    if (open.length === 0) expect(document.slice(at)).toBe(''); // one root
  }
  expect(open).toEqual([]);
  return texts;
}

const draw = (options: Partial<CellPictureOptions> = {}) =>
  cellPicture({operations: NAS_BENCH_201_OPERATIONS, probabilities: probabilitiesOf(6, 5), ...options});

test('it is one well-formed SVG element, for cells of any size', () => {
  for (const [numEdges, numOperations] of [
    [1, 1],
    [1, 5],
    [3, 2],
    [6, 5],
    [15, 7],
  ] as const) {
    // biome-ignore format: pairs
    const operations = Array.from({length: numOperations}, (_, o) => `operation_${o}`);
    const document = draw({operations, probabilities: probabilitiesOf(numEdges, numOperations)});
    expect(document.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')).toBe(true);
    textsOf(document);
    expect(document).not.toMatch(/NaN|undefined|Infinity/);
  }
});

test('each edge is labelled with its likeliest operation and the probability of that', () => {
  const probabilities = probabilitiesOf(6, 5).map((row, e) =>
    row.map((_, o) => (o === (e + 2) % 5 ? 0.6 + e / 100 : 0.05)),
  );
  const texts = textsOf(draw({probabilities}));
  for (let e = 0; e < 6; ++e) expect(texts).toContain(`${NAS_BENCH_201_OPERATIONS[(e + 2) % 5]} ${60 + e} %`);
  expect(draw({probabilities}).match(/marker-end/g)).toHaveLength(6);
});

test('given choices are drawn in place of the likeliest', () => {
  const probabilities = Array.from({length: 6}, () => [0.04, 0.06, 0.1, 0.2, 0.6]);
  const texts = textsOf(draw({probabilities, choices: [0, 1, 2, 3, 4, 0]}));
  for (const label of [
    'none 4.0 %',
    'skip_connect 6.0 %',
    'nor_conv_1x1 10.0 %',
    'nor_conv_3x3 20 %',
    'avg_pool_3x3 60 %',
  ])
    expect(texts).toContain(label);
  expect(draw({probabilities, choices: [0, 1, 2, 3, 4, 0]}).match(/stroke-dasharray/g)).toHaveLength(2); // 'none'
});

test('the table has a row an edge and the probability of each operation, the chosen one in bold', () => {
  const document = draw();
  const texts = textsOf(document);
  for (const edge of ['in → 1', 'in → 2', '1 → 2', 'in → out', '1 → out', '2 → out']) expect(texts).toContain(edge);
  for (const name of NAS_BENCH_201_OPERATIONS) expect(texts.filter(text => text === name)).toHaveLength(1);
  expect(document.match(/fill-opacity="[01]\.\d{3}"/g)).toHaveLength(30);
  expect(document.match(/font-weight="700"/g)).toHaveLength(6);
});

test('names and titles are escaped', () => {
  const nasty = ['a<b>&amp;"\'', ']]>', '</text></svg>'];
  const probabilities = [[0.2, 0.3, 0.5], [0.5, 0.2, 0.3], [0.2, 0.5, 0.3]]; // biome-ignore format: rows
  const texts = textsOf(draw({operations: nasty, probabilities, title: 'Q&A: 1 < 2 ]]>'}));
  for (const name of nasty) expect(texts).toContain(name);
  expect(texts[0]).toBe('Q&A: 1 < 2 ]]>');
  expect(texts).toContain(']]> 50 %');
});

test('what is no cell is refused in words', () => {
  expect(() => draw({probabilities: []})).toThrow(
    'cellPicture: probabilities must be those of 1, 3, 6, 10, ... edges of a cell, but got 0.',
  );
  expect(() => draw({probabilities: probabilitiesOf(5, 5)})).toThrow('but got 5.');
  expect(() => draw({probabilities: [[1]]})).toThrow(
    'cellPicture: probabilities must have shape [edges, operations] = [1, 5], but got [1, 1].',
  );
  expect(() => draw({choices: [0, 1, 2]})).toThrow(
    'cellPicture: choices must be 6 whole numbers from 0 to 4, one an edge, but got [0, 1, 2].',
  );
  const diverged = probabilitiesOf(6, 5).map(row => row.map(() => Number.NaN));
  expect(() => draw({probabilities: diverged})).toThrow(
    'cellPicture: probabilities[0][0] must be a finite number of at least 0, but got NaN.',
  );
});
