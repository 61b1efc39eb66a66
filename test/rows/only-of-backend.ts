// A row runs the tests over backends alone: what a file tests besides, such as that wasm agrees with cpu, the host has run.
// SPDX-License-Identifier: Apache-2.0
import {beforeEach, inject, type RunnerTask} from 'vitest';

const [backend] = inject('backends');
/** Suites end with the backend, and single tests that go over backends begin with it. */
const isOfBackend = (title: string) => title.endsWith(` on ${backend}`) || title.startsWith(`${backend}:`);
const titlesOf = ({name, suite}: {name: string; suite?: RunnerTask['suite']}): string[] =>
  suite ? [...titlesOf(suite), name] : [name];

beforeEach(({task, skip}) => {
  skip(!titlesOf(task).some(isOfBackend), 'it is of no backend: the host runs it');
});
