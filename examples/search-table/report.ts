// What the searches found, on the terminal and in the files of the output folder.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {QUOTED} from './figures.js';
import {parseMethod, titleOf} from './methods.js';
import {describeProblem} from './objectives.js';
import type {MethodRecord} from './record.js';
import {PROGRAM, type Settings} from './settings.js';

/** Prints the table and writes the results; `result.json` comes last and says that all methods are finished. */
export async function report(
  output: string,
  settings: Settings,
  state: {records: readonly MethodRecord[]; step: number; secondsBefore: number},
): Promise<void> {
  const {records} = state;
  const seconds = records.reduce((sum, record) => sum + record.seconds, 0);
  await saveJsonLines(join(output, RUN_FILES.history), records);
  await saveChart(join(output, RUN_FILES.chart), runChart(records));
  const figures = {methods: records.map(({method, figures, floor, seconds}) => ({method, floor, ...figures, seconds}))};
  await saveResult(output, {program: PROGRAM, settings, figures, state: {...state, seconds}});
  console.log(`\n${describeRun(records)}\n`);
  console.log(`${records.length} methods in ${seconds.toFixed(1)} s; results in ${output}`);
}

/** The table. */
export function describeRun(records: readonly MethodRecord[]): string {
  const {settings, floor} = records[0]!;
  const quoted = quotedPoints(records);
  const rows = records.map(record => {
    const {curve, medianRank, testAccuracy, distinctCells} = record.figures;
    const at = (evaluations: number) => curve.evaluations.indexOf(evaluations);
    return [
      titleOf(parseMethod(record.method)),
      ...quoted.map(point => withError(curve.regret[at(point)]!, curve.error[at(point)]!)),
      `${(100 * curve.found.at(-1)!).toFixed(1)} %`,
      String(medianRank),
      `${testAccuracy.mean.toFixed(2)} \u00b1 ${testAccuracy.deviation.toFixed(2)}`,
      distinctCells.toFixed(0),
      record.seconds.toFixed(1),
    ];
  });
  const headings = ['', ...quoted.map(point => `after ${point}`), 'found', 'rank', 'test', 'cells', 's'];
  return [
    `${describeProblem(settings)}; ${settings.seeds} seeds. ${settings.data}.`,
    'Mean regret in points of test accuracy (standard error of the last digit); the share of the seeds that found the best objective, the median',
    `rank and the mean test accuracy of their choices, and how many different cells they looked up. The best objective has regret ${floor.toFixed(3)}.`,
    formatTable(headings, rows),
  ].join('\n');
}

/** A finished method in a line. */
export function describeMethod({method, figures: {curve}, seconds}: MethodRecord): string {
  const last = withError(curve.regret.at(-1)!, curve.error.at(-1)!);
  return `${method}: regret ${last} after ${curve.evaluations.at(-1)} evaluations, ${seconds.toFixed(1)} s`;
}

function quotedPoints(records: readonly MethodRecord[]): number[] {
  const {evaluations} = records[0]!.settings;
  return [...new Set([...QUOTED.filter(point => point < evaluations), evaluations])];
}

/** A number with three decimals, and its error in units of the last. */
function withError(value: number, error: number): string {
  return `${value.toFixed(3)}(${Math.ceil(error * 1000)})`;
}
