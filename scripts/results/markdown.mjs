// Records of finished runs, and the Markdown that the page of results is made of.
// SPDX-License-Identifier: Apache-2.0
import {readFileSync} from 'node:fs';

/** The records of docs/results/<name>.jsonl. */
export function readRecords(name) {
  const text = readFileSync(new URL(`../../docs/results/${name}.jsonl`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** A table, its first row the head; a missing cell is empty. */
export function table(head, rows) {
  const line = cells =>
    `| ${cells.map(cell => cell ?? '').join(' | ')} |`.replaceAll('|  |', '| |').replaceAll('|  |', '| |');
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

/** The chart of a file of records. */
export const chart = (name, title) => `![${title}](../results/${name}.svg)`;

/** The commands of records, each once, where a reader finds them without reading past them. */
export function commands(records, name) {
  const unique = [...new Set(records.map(({command}) => command))];
  const title = `${unique.length === 1 ? 'The command' : `The ${unique.length} commands`} of ${name}.jsonl, ${count(records.length, 'record')}`;
  return `<details><summary>${title}</summary>\n\n\`\`\`sh\n${unique.join('\n')}\n\`\`\`\n\n</details>`;
}

/** Groups, in the order in which their keys come. */
export function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

/** The different values of a property, sorted as numbers where they are numbers. */
export function distinct(items, read) {
  const values = [...new Set(items.map(read))];
  return values.every(value => typeof value === 'number') ? values.sort((a, b) => a - b) : values;
}

export const count = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation, n - 1 in the denominator. */
function deviation(values) {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/** Mean and, of two values and more, its standard error. */
export function meanAndError(values, digits) {
  if (values.length === 1) return values[0].toFixed(digits);
  return `${mean(values).toFixed(digits)} ± ${(deviation(values) / Math.sqrt(values.length)).toFixed(digits)}`;
}

/** Mean and standard deviation, as the papers print them. */
export function meanAndDeviation(values, digits) {
  if (values.length === 1) return values[0].toFixed(digits);
  return `${mean(values).toFixed(digits)} ± ${deviation(values).toFixed(digits)}`;
}

/** A value with an error that was measured with it; an enumerated one has none. */
export const withError = (value, error, digits) =>
  error ? `${value.toFixed(digits)} ± ${error.toFixed(digits)}` : value.toFixed(digits);

const TITLES = {
  exact: 'exact gradient',
  reinmax: 'ReinMax',
  straightThrough: 'straight-through',
  gumbelSoftmax: 'Gumbel-softmax, relaxed',
  straightThroughGumbelSoftmax: 'straight-through Gumbel-softmax',
  gumbelRao: 'Gumbel-Rao',
  gappedStraightThrough: 'gapped straight-through',
  reinforce: 'REINFORCE, running mean',
  leaveOneOut: 'leave-one-out',
  relax: 'RELAX',
  disarm: 'DisARM',
  arms: 'ARMS',
  doubleCV: 'Double CV',
  rodeo: 'RODEO',
  foust: 'FouST, uniform scaling',
};

/** What an estimator is called on the page. */
export function title(name) {
  if (!(name in TITLES)) throw new Error(`results-page: no title for the estimator "${name}".`);
  return TITLES[name];
}

/** The same with what it was given; what is null or undefined is left out. */
export function titleWith(name, {temperature, numSamples} = {}) {
  const parts = [title(name)];
  if (numSamples != null) parts.push(`K = ${numSamples}`);
  if (temperature != null) parts.push(`temperature ${temperature}`);
  return parts.join(', ');
}
