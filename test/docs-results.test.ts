// The page of results is what its script makes of docs/results, and leaves none of them out.
// SPDX-License-Identifier: Apache-2.0
import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {expect, test} from 'vitest';

interface Run {
  command: string;
  seed: number;
  settings: Record<string, unknown>;
  figures: Record<string, number>;
}

const page = readFileSync('docs/guides/results.md', 'utf8');
const files = readdirSync('docs/results').filter(name => name.endsWith('.jsonl'));
const records = (name: string) =>
  readFileSync(`docs/results/${name}`, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Run);

/** The cells of the first row of the page, from `after` on, that begins with `title`. */
function row(title: string, after: string): string[] {
  const line = page
    .slice(page.indexOf(after))
    .split('\n')
    .find(candidate => candidate.startsWith(`| ${title} |`))!;
  return line
    .split('|')
    .slice(1, -1)
    .map(cell => cell.trim());
}

test('docs/guides/results.md is what scripts/results-page.mjs writes', () => {
  const made = execFileSync(process.execPath, ['scripts/results-page.mjs', '--print'], {encoding: 'utf8'});
  expect(page).toBe(made); // else: node scripts/results-page.mjs
});

test.each(files)('every command of %s stands on the page, and its chart', name => {
  for (const {command} of records(name)) expect(page).toContain(`\n${command}\n`);
  expect(page).toContain(`(../results/${name.replace('.jsonl', '.svg')})`);
});

test('a mean over seeds and its error on the page are those of the records', () => {
  const runs = records('moe-lm.jsonl').filter(({settings}) => settings.experts === 8);
  const [a, b, c] = runs.map(({figures}) => figures.validationBitsPerByte!) as [number, number, number];
  const mean = (a + b + c) / 3;
  const error = Math.sqrt(((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 2 / 3);
  const [, seeds, bits] = row('8 experts, one a byte', '(moe-lm)');
  expect([seeds, bits]).toEqual(['3', `${mean.toFixed(3)} ± ${error.toFixed(3)}`]);
});

test('a published figure stands in the row of the run that it belongs to', () => {
  const [run] = records('mnist-vae.jsonl').filter(({settings}) => settings.estimator === 'straightThrough');
  // Table 2 of the ReinMax paper, 8 x 4.
  expect(row('straight-through', '(mnist-vae)').slice(1, 3)).toEqual([
    run!.figures.trainNegativeElbo!.toFixed(2),
    '135.53 ± .31',
  ]);
  expect(row('RODEO, K = 2', '(bernoulli-vae)').at(-1)).toBe('101.89 ± .17'); // table 6, K = 2, MNIST
});

test('runs that are shorter than the published ones are called partial', () => {
  for (const part of ['(gumbel-rao-vae)', 'MNIST, partial runs of 10,000', 'setting of the ReinMax paper, RAdam']) {
    const from = page.indexOf(part);
    expect(page.slice(from, page.indexOf('|---|', from))).toMatch(/partial runs/i);
  }
});
