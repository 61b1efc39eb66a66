// Ends a run of the tests with a line for each row of the matrix: how many tests it had and how long they took, or what the machine lacks for it.
// SPDX-License-Identifier: Apache-2.0
import type {Reporter, TestModule} from 'vitest/node';
import {ROWS, type Row} from './rows.js';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
  /** Of the tests themselves, in milliseconds. */
  duration: number;
}

/** Counts the tests of each row by their project and their titles. */
export default class RowsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<Row, Count>(ROWS.map(row => [row, {passed: 0, failed: 0, skipped: 0, duration: 0}]));
    for (const module of modules) {
      const rows = ROWS.filter(row => row.project.name === module.project.name);
      for (const test of module.children.allTests()) {
        // The title of the suite ends with the backend; a title in it may go on after that.
        const row = rows.find(({suffix}) => test.fullName.split(' > ').some(title => title.endsWith(suffix)));
        const {state} = test.result();
        if (!row || state === 'pending') continue;
        const count = counts.get(row)!;
        ++count[state];
        count.duration += test.diagnostic()?.duration ?? 0;
      }
    }
    process.stdout.write(`\n${[...counts].map(([row, count]) => describeRow(row, count)).join('\n')}\n\n`);
  }
}

function describeRow({title, project}: Row, {passed, failed, skipped, duration}: Count): string {
  const name = title.padEnd(24);
  if (project.missing !== undefined) return `${name} left out: ${project.missing}`;
  if (passed + failed + skipped === 0) return `${name}not asked for`;
  const counts = [`${passed} passed`, `${failed} failed`, ...(skipped > 0 ? [`${skipped} skipped`] : [])];
  return `${name}${counts.join(', ')} in ${Math.round(duration / 1000)} s`;
}
