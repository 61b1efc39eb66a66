// Which tests a row in Chromium leaves to the others, so that it takes minutes: a law that is stated of many cases (of estimators, routers,
// shapes, ...) it tries on every third. Which third moves on from law to law, so that each case is tried under some law, and each law on some case.
// SPDX-License-Identifier: Apache-2.0
import type {RunnerTask} from 'vitest';

const EVERY = 3;

/**
 * @param tasks Of a file, with `location`.
 * @param isOfRow Whether the row would run a test at all.
 * @param first By how much the thirds are moved, so that two rows take different ones.
 * @returns What the row leaves to others.
 */
export function leftToOthers(
  tasks: readonly RunnerTask[],
  isOfRow: (test: RunnerTask) => boolean,
  first: number,
): Set<RunnerTask> {
  const tests = testsOf(tasks);
  // Where a file calls a function of laws, all of them have its place, and titles alone tell them apart.
  const shared = new Set(tests.filter(test => !isOfEach(test)).map(placeOf));
  const laws = new Map<string, RunnerTask[]>();
  for (const test of tests) {
    if (test.mode !== 'run' || !isOfRow(test)) continue;
    const law = lawOf(test, shared);
    laws.set(law, [...(laws.get(law) ?? []), test]);
  }
  return new Set(
    [...laws.values()].flatMap((cases, law) =>
      cases.filter((_, i) => i % EVERY !== (law + first) % Math.min(EVERY, cases.length)),
    ),
  );
}

/** The titles on the way to a test, with the place instead of the title for what `each` has made. */
function lawOf(task: RunnerTask, shared: ReadonlySet<string>): string {
  const place = placeOf(task);
  const name = isOfEach(task) && !shared.has(place) ? place : task.name;
  return task.suite ? `${lawOf(task.suite, shared)} > ${name}` : name;
}

const isOfEach = (task: RunnerTask) => 'each' in task && task.each === true && task.location !== undefined;

/** Where `test`, `describe` or their `each` was called. */
const placeOf = ({location}: RunnerTask) => (location ? `${location.line}:${location.column}` : '');

const testsOf = (tasks: readonly RunnerTask[]): RunnerTask[] =>
  tasks.flatMap(task => (task.type === 'suite' ? testsOf(task.tasks) : [task]));
