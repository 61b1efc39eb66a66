// The @example blocks of the sources, made into programs: names come from the library and from a small stock of data, results are kept.
// SPDX-License-Identifier: Apache-2.0
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

/** An example as it stands in a source file. */
export interface Example {
  /** The source file's path, from the repository's root. */
  file: string;
  /** The lines between the tag and the next one, without a fence. */
  code: string;
}

/** A line `expression; // => told` and what the expression gave. */
export interface Told {
  told: string;
  found: unknown;
}

/** Every @example block of src, in the order of the paths. */
export function readExamples(): Example[] {
  const files = readdirSync('src', {recursive: true, encoding: 'utf8'}).filter(path => path.endsWith('.ts'));
  return files.sort().flatMap(path => {
    const file = join('src', path);
    const comments = [...readFileSync(file, 'utf8').matchAll(/\/\*\*([\s\S]*?)\*\//g)].map(match => match[1]!);
    return comments.flatMap(comment => examplesOf(comment).map(code => ({file, code})));
  });
}

function examplesOf(comment: string): string[] {
  const text = comment
    .split('\n')
    .map(line => line.replace(/^\s*\* ?/, ''))
    .join('\n');
  const blocks = [...text.matchAll(/^@example(.*)\n([\s\S]*?)(?=^@\w|$(?![\s\S]))/gm)].map(match => match[2]!);
  return blocks.map(block => block.replace(/^```(ts)?$/gm, '').trim());
}

/** Data for the names that examples take for granted: an expression each, of the library and of other names here. */
const STOCK: Record<string, string> = {
  x: 'tf.ones([8, 3])',
  y: 'tf.ones([8, 1])',
  moe: "gumbelMoE({name: 'moe', numExperts: 2, hiddenUnits: [], units: 1, inputShape: [3], seed: 1})",
  model: 'compiled(tfl.sequential({layers: [moe]}))',
  searched: 'tfl.sequential({layers: [searchCell({inputShape: [8, 8, 4], numNodes: 2, seed: 1})]})',
  digits: 'tf.zeros([100, 784])',
  indices: "tf.tensor2d([[0], [1], [0], [1]], [4, 1], 'int32')",
  tokens: 'tf.ones([4, 3])',
  logits: 'tf.tensor2d([[1, 2, 0], [0, 1, 2], [3, 1, 2], [0, 0, 1]])',
  weights: 'tf.ones([4, 1])',
  assignment: 'assign(indices, 2, {capacity: 2})',
  plan: 'planRows(assignment)',
  kernels: 'tf.ones([2, 3, 5])',
  projection: 'tf.ones([3, 2])',
  centroids: 'tf.tensor2d([[1, 0, 1], [0, 1, 1]])',
  sparseOutput: 'tf.ones([4, 3])',
  unchosen: 'tf.fill([4, 2], 0.5)',
  means: 'tf.ones([2, 3])',
  experts: '[0, 1].map(() => tfl.layers.dense({units: 3}))',
  tfvis:
    '{visor: () => ({surface: () => ({drawArea: fakeElement()})}), render: {barchart: async () => {}, linechart: async () => {}}}',
};

const HELPERS = `
const compiled = m => (m.compile({optimizer: 'sgd', loss: 'meanSquaredError'}), m);
const fakeElement = () => ({ownerDocument: {createElement: fakeElement}, appendChild() {}});
`;

/** The names that code mentions, but as a property or in a comment. */
const namesIn = (text: string) => new Set(text.replace(/\/\/.*/g, '').match(/(?<![.\w'])[A-Za-z_]\w*/g));

/** What a block declares, destructured names included. */
const declaredIn = (text: string) =>
  new Set([...text.matchAll(/\bconst (\w+|\{[^}]*\})/g)].flatMap(match => match[1]!.match(/\w+/g)!));

/** The text of a module that exports `runs`: a function an example, that runs it and returns what its lines tell. */
export function moduleOf(examples: readonly Example[], libraryNames: ReadonlySet<string>): string {
  const files = [...new Set(examples.map(({file}) => file))];
  return [
    "import '@tensorflow/tfjs-backend-cpu';",
    "import '@tensorflow/tfjs-backend-wasm';",
    "import * as core from '@tensorflow/tfjs-core';",
    "import * as tfl from '@tensorflow/tfjs-layers';",
    "import * as all from 'tfjs-moe';",
    "import * as node from 'tfjs-moe/node';",
    "import * as wasm from 'tfjs-moe/wasm';",
    ...files.map((file, i) => `import * as source${i} from '../../${file}';`),
    'const tf = {...core, ...tfl};', // an example's tf is that of the union package
    'const library = {...all, ...node, ...wasm};',
    HELPERS,
    'export const runs = [',
    ...examples.map(example => functionOf(example, `source${files.indexOf(example.file)}`, libraryNames)),
    '];',
  ].join('\n');
}

/** One example as a function. What is not exported by an entry point comes from the example's own file. */
function functionOf({code}: Example, source: string, libraryNames: ReadonlySet<string>): string {
  const declared = declaredIn(code);
  const wanted = namesIn(code);
  const stock: string[] = [];
  const take = (name: string) => {
    const expression = STOCK[name];
    if (expression === undefined || declared.has(name) || stock.some(line => line.startsWith(`const ${name} `))) return;
    for (const other of namesIn(expression)) {
      wanted.add(other);
      take(other);
    }
    stock.push(`const ${name} = ${expression};`);
  };
  for (const name of [...wanted]) take(name);
  const imported = [...wanted].filter(name => libraryNames.has(name) && !declared.has(name) && !(name in STOCK));
  return [
    'async () => {',
    `const {${imported.join(', ')}} = {...library, ...${source}};`,
    'const told = [];',
    ...stock,
    ...code.split('\n').map(line => keepResult(line, declared)),
    'return told;',
    '},',
  ].join('\n');
}

/** Keeps the value of a line that tells it; a line `// a [1], b [2]` tells those of names. */
function keepResult(line: string, declared: ReadonlySet<string>): string {
  const ofNames = /^\/\/ (\w+) [[\d]/.test(line) ? line.slice(3) : undefined;
  if (ofNames) {
    const [result] = declared; // a name that the example does not declare is a property of what it does
    const names = parts(ofNames).map(({name}) => (declared.has(name) ? name : `${name}: ${result}.${name}`));
    return `told.push({told: ${JSON.stringify(ofNames)}, found: {${names.join(', ')}}});`;
  }
  const [, expression, told] = /^(?!const )(.*); \/\/ => (.*)$/.exec(line) ?? [];
  if (expression !== undefined) return `told.push({told: ${JSON.stringify(told)}, found: ${expression}});`;
  const [, name, ofName] = /^const (\w+) = .*; \/\/ => (.*)$/.exec(line) ?? [];
  return name === undefined ? line : `${line}\ntold.push({told: ${JSON.stringify(ofName)}, found: ${name}});`;
}

/** `indices [[1]], weights [[0.75]]` as names and values; a value without a name has the name ''. */
export function parts(told: string): {name: string; value: unknown}[] {
  const found: {name: string; value: unknown}[] = [];
  let rest = told.startsWith('(') ? told.replace(/^.* = /, '') : told; // a formula and its value
  for (;;) {
    const [, name = '', start] = /^(?:([a-z]\w*) )?(?=([[{\d'-]|true|false|undefined))/.exec(rest) ?? [];
    if (start === undefined) return found;
    const text = valueText(rest.slice(name === '' ? 0 : name.length + 1));
    found.push({name, value: new Function('Infinity', `return (${text});`)(Number.POSITIVE_INFINITY)});
    rest = rest.slice((name === '' ? 0 : name.length + 1) + text.length);
    if (!rest.startsWith(', ')) return found;
    rest = rest.slice(2);
  }
}

/** The literal that a text begins with. */
function valueText(text: string): string {
  if (!/^[[{]/.test(text)) return /^('[^']*'|-?[\d.]+|true|false|undefined)/.exec(text)![0];
  let depth = 0;
  for (let i = 0; i < text.length; ++i) {
    if ('[{'.includes(text[i]!)) ++depth;
    if (']}'.includes(text[i]!) && --depth === 0) return text.slice(0, i + 1);
  }
  throw new Error(`examples: no end of the value in "${text}".`);
}
