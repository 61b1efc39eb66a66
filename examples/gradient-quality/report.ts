// What a run found: tables on the terminal, the chart and the results.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {fileSystem} from 'tfjs-moe/node';
import type {Run} from '../mnist-vae/training.js';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import type {Measurement} from './measure.js';
import type {RunState} from './records.js';
import {PROGRAM, type Settings, titleOf} from './settings.js';
import type {MeanOverImages} from './statistics.js';

/** A measurement in words. */
export function describeMeasurement({variants, gradientNorm, loss, topProbability}: Measurement): string {
  const cell = (figure: MeanOverImages | null) =>
    figure === null ? '' : `${figure.mean.toFixed(3)} ±${figure.error.toFixed(3)}`;
  const rows = variants.map(variant => [
    titleOf(variant),
    cell(variant.cosine),
    cell(variant.expectedCosine),
    cell(variant.singleCosine),
    cell(variant.bias),
    cell(variant.expectedBias),
    cell(variant.deviation),
    cell(variant.batch.cosine),
  ]);
  const headings = [
    'estimator, temperature',
    'cos mean',
    'cos E',
    'cos one',
    'bias mean',
    'bias E',
    'deviation',
    'cos batch',
  ];
  return (
    `reconstruction ${loss.toFixed(2)} nats, length of the exact gradient ${gradientNorm.toFixed(3)}, ` +
    `likeliest code ${(100 * topProbability).toFixed(0)} %\n${formatTable(headings, rows)}`
  );
}

/** What the headings mean. */
export const LEGEND =
  'Mean over the digits ± standard error. cos: with the exact gradient, of the mean of the draws, of the exact expectation where it can be ' +
  'summed over the codes, and of a single draw. bias: distance from the exact gradient over its length. deviation: length of the standard ' +
  'deviation over that of the mean. cos batch: of the means of all digits as one vector (error by jackknife).';

/** Prints what was found and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, settings: Settings, {vae}: Run, state: RunState): Promise<void> {
  console.log(`\n${describeMeasurement(state.records.at(-1)!)}\n\n${LEGEND}`);
  await vae.model.save(fileSystem(join(output, RUN_FILES.model)));
  await saveJsonLines(join(output, RUN_FILES.history), state.records);
  await saveChart(join(output, RUN_FILES.chart), runChart(settings, state.records));
  await saveResult(output, {program: PROGRAM, settings, figures: {points: state.records}, state});
  console.log(`\n${state.step} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}
