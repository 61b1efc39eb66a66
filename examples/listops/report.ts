// What a finished run leaves and says.
// SPDX-License-Identifier: Apache-2.0
import {dirname, join} from 'node:path';
import type * as tfl from '@tensorflow/tfjs-layers';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import {fileSystem, writeAtomically} from 'tfjs-moe/node';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {appendJsonLine, saveJsonLines} from '../shared/results.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {type ListOpsData, lengthFilter} from './inputs.js';
import {describeLengths, describeMeasurement, describeTrees, type Measurement, measure} from './measure.js';
import type {Run, ValidationRecord} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {describeSamples, TREES} from './tree-samples.js';

/** Beside the folders of the runs: a line for each that has finished. */
export const RESULTS = 'results.jsonl';
/** The folder of the model at its best validation, beside that of the last. */
export const BEST_MODEL = 'best-model';

/** The weights that are measured: Liu et al. report the last ones, Fan et al. and Paulus et al. those of the best validation. */
export const CHECKPOINTS = {last: 'last weights', best: 'best validation'} as const;

/** What a run found. */
export interface Figures {
  /** Of the last validation; see ValidationRecord. */
  trainLoss: number;
  trainAccuracy: number;
  /** On held-out expressions, by the weights at the end of the run, and when they were validated. */
  last: Checkpoint;
  /** The same by the weights of the best validation, the first of several. */
  best: Checkpoint;
}

interface Checkpoint extends Pick<ValidationRecord, 'epoch' | 'step' | 'validationAccuracy'> {
  test: Measurement;
}

/** Measures both checkpoints and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, run: Run, data: ListOpsData): Promise<void> {
  const {settings, network, state, bestWeights} = run;
  const {model} = network;
  const lastRecord = state.history.at(-1)!;
  const last = await measure(network, data.test, settings);
  await model.save(fileSystem(join(output, RUN_FILES.model)));
  if (settings.tokens === 'token') {
    const samples = describeSamples(data.test.expressions, last.trees, last.answers);
    await writeAtomically(join(output, TREES), samples);
  }
  const best = await withWeights(model, bestWeights, async () => {
    await model.save(fileSystem(join(output, BEST_MODEL)));
    return state.best!.step === state.step ? last : measure(network, data.test, settings); // the same weights
  });
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const title = `${PROGRAM}: ${describeData(settings)}, ${describeMethod(settings)}`;
  await saveChart(join(output, RUN_FILES.chart), runChart(state.history, title));
  const {epoch, step, validationAccuracy, trainLoss, trainAccuracy} = lastRecord;
  const figures: Figures = {
    trainLoss,
    trainAccuracy,
    last: {epoch, step, validationAccuracy, test: last.measurement},
    best: {...state.best!, test: best.measurement},
  };
  const result = await saveResult(output, {program: PROGRAM, settings, figures, state});
  await appendJsonLine(join(dirname(output), RESULTS), result);
  printMeasurements({[CHECKPOINTS.last]: last.measurement, [CHECKPOINTS.best]: best.measurement});
  console.log(`${state.step} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** Runs the function while the model has other weights. */
async function withWeights<T>(model: tfl.LayersModel, weights: Run['bestWeights'], run: () => Promise<T>): Promise<T> {
  const own = model.getWeights(false).map(weight => weight.clone());
  try {
    model.setWeights(weights);
    return await run();
  } finally {
    model.setWeights(own);
    for (const weight of own) weight.dispose();
  }
}

/** In words; training and --evaluate print the same lines. */
export function printMeasurements(measurements: Readonly<Record<string, Measurement>>): void {
  const trees = describeTrees(measurements);
  console.log(`\n${describeLengths(measurements)}`);
  if (trees) console.log(`\n${trees}`);
  console.log();
  for (const [title, measurement] of Object.entries(measurements)) console.log(describeMeasurement(measurement, title));
}

/** What the expressions of a run are; runs of the same stand in one panel of charts. */
export function describeData({tokens, ...settings}: Pick<Settings, 'tokens' | 'maxLength'>): string {
  return `${lengthFilter(settings).title}${tokens === 'token' ? '' : `, by ${tokens}`}`;
}

/** What tells a run from others over the same expressions. */
export function describeMethod({estimator, numSamples, temperature, leaf}: Settings): string {
  const samples = numSamples === null ? '' : `, K = ${numSamples}`;
  return `${ESTIMATORS[estimator].title}${samples}, τ = ${temperature}${leaf === 'lstm' ? '' : `, ${leaf} leaves`}`;
}
