// What a finished run leaves and says.
// SPDX-License-Identifier: Apache-2.0
import {dirname, join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {appendJsonLine, loadJson, saveJsonLines} from '../shared/results.js';
import {savedSettings} from '../shared/saved-run.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {describeFigures, type Figures, figuresOf} from './figures.js';
import {panelsOf} from './panels.js';
import type {Run} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';

/** Beside the folders of the runs: a line for each that has finished. */
export const RESULTS = 'results.jsonl';

/** Writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, {settings, state}: Run): Promise<void> {
  const figures = figuresOf({settings, state});
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const run = {settings, figures, trainingSeconds: state.seconds};
  await saveChart(join(output, RUN_FILES.chart), runChart(panelsOf([run])));
  const result = await saveResult(output, {program: PROGRAM, settings, figures, state});
  await appendJsonLine(join(dirname(output), RESULTS), result);
  console.log(`\n${describeFigures(figures, settings)}`);
  console.log(`${state.step.toLocaleString('en-US')} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** Prints the figures of a finished run again. */
export async function evaluateSaved(folder: string): Promise<void> {
  const settings = await savedSettings<Settings>(folder, PROGRAM);
  if (settings === undefined) throw new ValueError(`--evaluate: ${folder} has no finished run of ${PROGRAM}.`);
  const result = await loadJson(join(folder, RUN_FILES.result));
  console.log(describeFigures(result!.figures as Figures, settings));
}
