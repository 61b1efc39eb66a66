// What a run found: tables on the terminal, the chart and the results.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {loadJson, saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {softmax, trueGradient} from './problem.js';
import {
  type CellRecord,
  descentRecords,
  type GradientRecord,
  gradientNorm,
  gradientRecords,
  type RunState,
} from './records.js';
import {PROGRAM, type Settings, titleOf} from './settings.js';

/** The tables of a run, in words. */
export function describeRun(settings: Settings, records: readonly CellRecord[]): string {
  const norm = gradientNorm(settings);
  const gradients = gradientRecords(records);
  const percent = ({bias, biasError}: GradientRecord) => withError((100 * bias) / norm, (100 * biasError) / norm);
  const log = (value: number, error: number) => withError(Math.log10(value), error / value / Math.LN10);
  const tables = [
    `Bias in % of the true gradient (its noise):\n${tableOf(gradients, percent)}`,
    `Variance, log10 of the trace of the covariance (standard error):\n${tableOf(gradients, r => log(r.variance, r.varianceError))}`,
    `Mean squared error, log10 (standard error):\n${tableOf(gradients, r => log(r.meanSquaredError, r.meanSquaredErrorError))}`,
    `Descent, log10 of the objective after ${settings.steps} steps of rate ${settings.learningRate}, mean of ${settings.runs} runs:\n` +
      tableOf(descentRecords(records), ({loss}) => Math.log10(loss.at(-1)!).toFixed(1)),
  ];
  return tables.join('\n\n');
}

/** Rows of estimators, columns of temperatures. */
function tableOf<Record extends CellRecord>(records: readonly Record[], cell: (record: Record) => string): string {
  const temperatures = [...new Set(records.map(({temperature}) => temperature))];
  const titles = [...new Set(records.map(titleOf))];
  const rows = titles.map(title => [
    title,
    ...temperatures.map(t => cell(records.find(record => titleOf(record) === title && record.temperature === t)!)),
  ]);
  return formatTable(['temperature', ...temperatures.map(String)], rows);
}

/** A number with its error in the units of its last digit, such as 12.3(4); without one where there is none. */
export function withError(value: number, error: number): string {
  if (error === 0) return value.toFixed(2);
  const digits = Math.min(4, Math.max(0, Math.ceil(-Math.log10(error))));
  return `${value.toFixed(digits)}(${Math.ceil(error * 10 ** digits)})`;
}

/** Prints what was found and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, settings: Settings, state: RunState): Promise<void> {
  console.log(`\n${describeRun(settings, state.records)}`);
  await saveJsonLines(join(output, RUN_FILES.history), state.records);
  await saveChart(join(output, RUN_FILES.chart), runChart(settings, state.records));
  const probs = softmax(settings.logits);
  const figures = {probs, trueGradient: trueGradient(probs), cells: state.records};
  await saveResult(output, {program: PROGRAM, settings, figures, state});
  console.log(`\n${state.step} cells in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** Prints the tables of a finished run. */
export async function showSaved(folder: string): Promise<void> {
  const path = join(folder, RUN_FILES.result);
  const result = await loadJson(path);
  if (result?.program !== PROGRAM) throw new ValueError(`--evaluate: ${path} is not of a run of ${PROGRAM}.`);
  console.log(describeRun(result.settings as Settings, (result.figures as {cells: CellRecord[]}).cells));
}
