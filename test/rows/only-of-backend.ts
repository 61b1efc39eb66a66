// A row runs the tests over backends alone: what a file tests besides, such as that wasm agrees with cpu, the host has run. In Chromium it
// runs some of the cases of each.
// SPDX-License-Identifier: Apache-2.0
import {beforeEach, inject, type RunnerTask, type RunnerTestFile} from 'vitest';
import {leftToOthers} from './some-of-each.js';

const [backend] = inject('backends');
/** Suites end with the backend, and single tests that go over backends begin with it. */
const isOfBackend = (title: string) => title.endsWith(` on ${backend}`) || title.startsWith(`${backend}:`);
const titlesOf = ({name, suite}: {name: string; suite?: RunnerTask['suite']}): string[] =>
  suite ? [...titlesOf(suite), name] : [name];
const isOfRow = (test: RunnerTask) => titlesOf(test).some(isOfBackend);

const isInBrowser = 'document' in globalThis;
const left = new WeakMap<RunnerTestFile, Set<RunnerTask>>();

/** Whether another row runs this case in this one's stead. */
function isLeft(test: RunnerTask): boolean {
  const {file} = test;
  if (!left.has(file)) left.set(file, leftToOthers(file.tasks, isOfRow, backend === 'webgl' ? 0 : 1));
  return left.get(file)!.has(test);
}

beforeEach(({task, skip}) => {
  skip(!isOfRow(task), 'it is of no backend: the host runs it');
  skip(isInBrowser && isLeft(task), 'of the cases of a law every third runs here: other rows run all');
});
