// The table of NAS-Bench-201 as a file: one line an architecture, with what it costs and how accurate it became.
// Dong and Yang 2020, https://arxiv.org/abs/2001.00326; the same architectures and indices as NATS-Bench's topology space.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {gunzipIfPacked} from './idx.js';

/** Edges of a cell, in the table's order: 0>1, 0>2, 1>2, 0>3, 1>3, 2>3. */
export const NUM_EDGES = 6;
/** Operations an edge can have, in the table's order: none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3. */
export const NUM_OPERATIONS = 5;
/** Every cell: an operation on each edge. */
export const NUM_ARCHITECTURES = NUM_OPERATIONS ** NUM_EDGES;

const SPACES = ['c10', 'c100', 'in16'];
/** The names of the columns of accuracies, in percent: those after 200 epochs, then those of the separate training of 12. */
const ACCURACIES = [200, 12].flatMap(epochs =>
  SPACES.flatMap(space => ['val', 'test'].map(part => `${space}_${part}_${epochs}`)),
);
const COSTS = ['trials', 'params_m', 'flops_m', 'train_time_s'];
const NUMBERS = [...COSTS, ...ACCURACIES];
const HEADER = ['index', 'ops', ...NUMBERS].join(',');
const CODE = new RegExp(`^[0-${NUM_OPERATIONS - 1}]{${NUM_EDGES}}$`);

/** What the file holds, by the official index of the architecture. */
export interface NasBenchColumns {
  /** [15625]; the operations of the six edges as digits of base 5, the first edge's the highest. No two are the same. */
  codes: Uint16Array;
  /** The other columns by the name that the header gives them, [15625] each. */
  columns: ReadonlyMap<string, Float64Array>;
}

/** The number that six operations make as digits of base 5. */
export function codeOf(choices: readonly number[]): number {
  return choices.reduce((code, choice) => NUM_OPERATIONS * code + choice, 0);
}

/**
 * Reads the table.
 *
 * @param bytes The file's content, packed by gzip or not.
 * @param path Names the file in errors.
 * @throws ValueError if the header is another, a line is missing, out of order or not of its form, or two architectures are the same.
 */
export function parseNasBench(bytes: Uint8Array, path: string): NasBenchColumns {
  const lines = new TextDecoder().decode(gunzipIfPacked(bytes, path)).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop(); // the end of the last line
  const [header, ...rows] = lines;
  if (header !== HEADER) {
    throw new ValueError(`parseNasBench: the first line of ${path} must be "${HEADER}", but it is "${header ?? ''}".`);
  }
  if (rows.length !== NUM_ARCHITECTURES) {
    throw new ValueError(
      `parseNasBench: ${path} must have ${NUM_ARCHITECTURES} architectures, one a line, but has ${rows.length}.`,
    );
  }
  const codes = new Uint16Array(NUM_ARCHITECTURES);
  const columns = new Map(NUMBERS.map(name => [name, new Float64Array(NUM_ARCHITECTURES)]));
  const seen = new Map<number, number>();
  rows.forEach((row, i) => {
    const refuse = (what: string): never => {
      throw new ValueError(`parseNasBench: line ${i + 2} of ${path} ${what}.`); // counted from 1, and the header is the first
    };
    const fields = row.split(',');
    if (fields.length !== NUMBERS.length + 2) {
      refuse(`must have ${NUMBERS.length + 2} values, but has ${fields.length}`);
    }
    const [index, ops, ...numbers] = fields as [string, string, ...string[]];
    if (index !== String(i)) refuse(`must have the index ${i}, but has "${index}"`);
    if (!CODE.test(ops)) refuse(`must have six operations from 0 to ${NUM_OPERATIONS - 1}, but has "${ops}"`);
    const code = codeOf(Array.from(ops, Number));
    if (seen.has(code)) refuse(`has the architecture of index ${seen.get(code)}, ${ops}, again`);
    seen.set(code, i);
    codes[i] = code;
    NUMBERS.forEach((name, j) => {
      const [text, highest] = [numbers[j]!, COSTS.includes(name) ? Number.MAX_VALUE : 100];
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (!(value >= 0 && value <= highest)) {
        const range = highest === 100 ? 'from 0 to 100' : 'of at least 0';
        refuse(`must have a number ${range} as ${name}, but has "${text}"`);
      }
      columns.get(name)![i] = value;
    });
  });
  return {codes, columns};
}
