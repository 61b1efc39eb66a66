// Which cases a row in Chromium leaves to others. The tasks are made by hand, as Vitest makes them of a file.
// SPDX-License-Identifier: Apache-2.0
import type {RunnerTask} from 'vitest';
import {expect, test} from 'vitest';
import {leftToOthers} from './some-of-each.js';

interface Made {
  name: string;
  /** The line of the call; by `each` if it is negative. */
  line: number;
  tasks?: Made[];
  mode?: 'skip';
}

function tasksOf(made: readonly Made[], suite?: RunnerTask): RunnerTask[] {
  return made.map(({name, line, tasks, mode = 'run'}) => {
    const type = tasks ? 'suite' : 'test';
    const task = {type, name, mode, suite, each: line < 0, location: {line: Math.abs(line), column: 1}};
    return Object.assign(task, {tasks: tasksOf(tasks ?? [], task as unknown as RunnerTask)}) as unknown as RunnerTask;
  });
}

const titlesOf = ({name, suite}: RunnerTask): string => (suite ? `${titlesOf(suite)} ${name}` : name);

/** The titles of what stays. */
function kept(made: readonly Made[], first = 0): string[] {
  const tasks = tasksOf(made);
  const left = leftToOthers(tasks, ({name}) => !name.startsWith('other'), first);
  const testsOf = (of: readonly RunnerTask[]): RunnerTask[] =>
    of.flatMap(task => (task.type === 'suite' ? testsOf(task.tasks) : [task]));
  return testsOf(tasks)
    .filter(task => !left.has(task))
    .map(titlesOf);
}

const cases = (line: number, ...names: string[]) => names.map(name => ({name, line: -line}));

test('of the cases of a law every third stays, and another row has the next third', () => {
  const law = cases(1, 'a', 'b', 'c', 'd', 'e', 'f', 'g');
  expect([0, 1, 2].map(first => kept(law, first).join(''))).toEqual(['adg', 'be', 'cf']);
});

test('a law of one case or of two has one', () => {
  for (const first of [0, 1, 2]) {
    expect(kept(cases(1, 'a'), first)).toEqual(['a']);
    expect(kept(cases(1, 'a', 'b'), first)).toEqual([['a'], ['b'], ['a']][first]);
  }
});

test('the third moves on from law to law, and what is no case stays', () => {
  const made = [...cases(1, 'a', 'b', 'c'), {name: 'alone', line: 2}, ...cases(3, 'd', 'e', 'f')];
  expect(kept(made)).toEqual(['a', 'alone', 'f']);
});

test('cases of suites are cases of each law in them', () => {
  const suite = (name: string) => ({name, line: -1, tasks: [{name: 'x', line: 2}, ...cases(3, '1', '2')]});
  // x of a; of the six a 1, a 2, ..., c 2 the second and the fifth.
  expect(kept(['a', 'b', 'c'].map(suite))).toEqual(['a x', 'a 2', 'c 1']);
});

test('laws that a function makes where a file calls it are told apart', () => {
  const made = [...cases(1, 'a', 'b'), {name: 'alone', line: 1}, ...cases(1, 'c', 'd')];
  expect(kept(made)).toEqual(['a', 'b', 'alone', 'c', 'd']);
});

test('what is skipped, or of another row, is no case', () => {
  const [skipped, other, ...rest] = cases(1, 'skipped', 'other', 'a', 'b', 'c');
  expect(kept([{...skipped!, mode: 'skip'}, other!, ...rest])).toEqual(['skipped', 'other', 'a']);
});
