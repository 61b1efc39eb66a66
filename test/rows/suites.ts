// Which test files a row runs: those with suites over backends, found by what they import.
// SPDX-License-Identifier: Apache-2.0
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {RowProject} from './rows.js';

const OVER_BACKENDS = /\b(eachBackend|eachBackendAndKernels)\(/;
/** What only Node has: its modules, and what stands upon them. */
const ONLY_IN_NODE = /from '(node:|tfjs-moe\/node'|.*\/examples\/)|\.\/(small-model|run-command)\.js'/;

/** Paths of test files, seen from the root of the project. */
export function suitesOf(root: string, {place}: RowProject): string[] {
  const names = readdirSync(join(root, 'test'), {recursive: true, encoding: 'utf8'}).map(name => `test/${name}`);
  return names
    .filter(name => name.endsWith('.test.ts') && !/^test\/(package|site)\//.test(name))
    .filter(name => {
      const text = readFileSync(join(root, name), 'utf8');
      return OVER_BACKENDS.test(text) && (place === 'node' || !ONLY_IN_NODE.test(text));
    })
    .sort();
}
