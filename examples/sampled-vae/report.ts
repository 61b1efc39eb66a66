// What a finished run leaves and says.
// SPDX-License-Identifier: Apache-2.0
import {dirname, join} from 'node:path';
import {fileSystem} from 'tfjs-moe/node';
import type {Images} from '../data/images.js';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {appendJsonLine, saveJsonLines} from '../shared/results.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {describeEvaluation, evaluate} from './evaluate.js';
import {evaluationsOf} from './methods.js';
import {savePictures} from './pictures.js';
import type {HistoryRecord, Run} from './run-state.js';

/** Beside the folders of the runs: a line for each that has finished. */
export const RESULTS = 'results.jsonl';

/** So many updates, or what is recorded of them, make the final training figure. */
const LAST_UPDATES = 1000;

/** What a run found, in nats an image. */
export interface Figures {
  /** -ELBO at the draws of the last updates. */
  trainNegativeElbo: number;
  /** Over so many. */
  trainUpdates: number;
  /** Of the encoder's gradient, at the end. */
  gradientVariance: number;
  validNegativeElbo: number;
  testNegativeElbo: number;
  /** The importance-weighted bound, with so many draws of each of so many held-out images. */
  testNegativeBound: number;
  testSamples: number;
  testCount: number;
  /** How often an update evaluates the bound of an image for its gradient. */
  evaluations: number;
}

/** How the held-out images are measured. */
export interface BoundOptions {
  boundSamples: number;
  boundImages?: number | undefined;
}

/** Measures the trained network and writes the results; `result.json` comes last and says that the run is finished. @param title Above its chart. */
export async function report(
  output: string,
  title: string,
  {design, settings, vae, state}: Run,
  data: Images,
  {boundSamples, boundImages}: BoundOptions,
): Promise<void> {
  const {test, isBinary} = data;
  const found = await evaluate(vae, test, {isBinary, numSamples: boundSamples, count: boundImages});
  await vae.model.save(fileSystem(join(output, RUN_FILES.model)));
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  await saveChart(join(output, RUN_FILES.chart), runChart(state.history, title));
  await savePictures(output, vae, data);
  const last = state.history.at(-1)!;
  const training = lastUpdates(state.history);
  const figures: Figures = {
    trainNegativeElbo: training.negativeElbo,
    trainUpdates: training.updates,
    gradientVariance: last.gradientVariance,
    validNegativeElbo: last.validNegativeElbo,
    testNegativeElbo: found.negativeElbo,
    testNegativeBound: found.negativeBound,
    testSamples: found.numSamples,
    testCount: found.count,
    evaluations: evaluationsOf(settings.method, settings.numSamples),
  };
  const result = await saveResult(output, {program: design.program, settings, figures, state});
  await appendJsonLine(join(dirname(output), RESULTS), result);
  console.log(
    `\ntrain -ELBO ${training.negativeElbo.toFixed(2)} nats, the mean of the last ${training.updates.toLocaleString('en-US')} updates`,
  );
  console.log(describeEvaluation(found));
  console.log(`${state.step} updates in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** The mean over the last lines of a history that make LAST_UPDATES together, or over one line if it has more. */
export function lastUpdates(history: readonly HistoryRecord[]): {negativeElbo: number; updates: number} {
  let [sum, updates] = [0, 0];
  for (const record of [...history].reverse()) {
    if (updates > 0 && updates + record.updates > LAST_UPDATES) break;
    sum += record.trainNegativeElbo * record.updates;
    updates += record.updates;
  }
  return {negativeElbo: sum / updates, updates};
}
