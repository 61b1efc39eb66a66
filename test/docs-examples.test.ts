// Every @example block of the sources is run, and what it tells of its results is so.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as all from 'tfjs-moe';
import * as node from 'tfjs-moe/node';
import * as wasm from 'tfjs-moe/wasm';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {moduleOf, parts, readExamples, type Told} from './support/examples.js';

/** Figures of examples are rounded to three or four digits. */
const DIGITS = 1e-3;

/** What an example tells of a draw without a seed, or of another machine: any other would do as well. */
const VARIES: Record<string, string[]> = {'src/router/random-routing.ts': ['indices'], 'src/node/use-backend.ts': ['']};

/** Run in a process of its own by docs-programs.test.ts: a backend that has started takes no threads. */
const APART = 'src/wasm/threads/enable-threads.ts';

const examples = readExamples().filter(({file}) => file !== APART);
const former = process.cwd();
let folder: string;
let runs: (() => Promise<Told[]>)[];

beforeAll(async () => {
  folder = await mkdtemp(join(former, 'test', '.guide-'));
  const names = new Set([all, node, wasm].flatMap(entry => Object.keys(entry)));
  for (const {file} of examples) {
    for (const name of Object.keys(await import(join(former, file)))) names.add(name);
  }
  const file = join(folder, 'examples.ts');
  await writeFile(file, moduleOf(examples, names));
  runs = (await import(file)).runs;
  process.chdir(folder); // an example may save a model
});

afterAll(async () => {
  process.chdir(former);
  await rm(folder, {recursive: true});
});

/** Tensors and typed arrays as lists, and so inside objects. */
function plain(value: unknown): unknown {
  if (value instanceof tf.Tensor) return value.arraySync();
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array);
  return value;
}

/** Checks a value against what was told: numbers to their digits; one number for a list is that of each entry. */
function expectTold(found: unknown, told: unknown, where: string): void {
  const value = plain(found);
  if (typeof told === 'number' && Array.isArray(value)) {
    for (const entry of value.flat(Number.POSITIVE_INFINITY)) expectTold(entry, told, where);
  } else if (typeof told === 'number' && Number.isFinite(told)) {
    expect(typeof value, where).toBe('number');
    expect(Math.abs((value as number) - told), where).toBeLessThanOrEqual(DIGITS * Math.max(1, Math.abs(told)));
  } else if (Array.isArray(told)) {
    expect((value as unknown[]).length, where).toBe(told.length);
    told.forEach((entry, i) => void expectTold((value as unknown[])[i], entry, where));
  } else {
    expect(value, where).toEqual(told);
  }
}

test('there are examples, and most of them tell a result', () => {
  expect(examples.length).toBeGreaterThan(60);
  expect(examples.filter(({code}) => / => |^\/\/ indices/m.test(code)).length).toBeGreaterThan(35);
});

test.each(examples.map((example, n) => ({...example, n})))(
  'the example $n, of $file, runs and tells what is so',
  async ({n, ...example}) => {
    await tf.setBackend('cpu');
    for (const {told, found} of await runs[n]!()) {
      const values = parts(told);
      expect(values.length, `no value in "${told}"`).toBeGreaterThan(0);
      for (const {name, value} of values) {
        if (VARIES[example.file]?.includes(name)) continue;
        expectTold(name === '' ? found : (found as Record<string, unknown>)[name], value, `${example.code}\n${told}`);
      }
    }
  },
);
