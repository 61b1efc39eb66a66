// Takes a run from its first step, or its next one, to its results.
// SPDX-License-Identifier: Apache-2.0
import {dirname, join} from 'node:path';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import {fileSystem} from 'tfjs-moe/node';
import type {Mnist} from '../data/mnist.js';
import {saveChart} from '../shared/charts.js';
import type {Interrupt} from '../shared/interrupt.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {appendJsonLine, saveJsonLines} from '../shared/results.js';
import {saveResult, secondsHere} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {describeEvaluation, evaluate} from './evaluate.js';
import {savePictures} from './pictures.js';
import {PROGRAM} from './settings.js';
import {type Run, saveRun, totalSteps, train} from './training.js';

/** Beside the folders of the runs: a line for each that has finished. */
export const RESULTS = 'results.jsonl';

/** What a run found, in nats a digit; see EpochRecord and Evaluation. */
export interface Figures {
  trainNegativeElbo: number;
  trainReconstruction: number;
  trainKl: number;
  testNegativeElbo: number;
  testReconstruction: number;
  testKl: number;
}

/** Whether no step is left. */
export function isComplete({settings, state}: Run, data: Mnist): boolean {
  return state.step === totalSteps(settings, data);
}

/** Trains, and saves the run after each epoch and when a signal has come. */
export async function trainInto(output: string, run: Run, data: Mnist, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: totalSteps(settings, data),
    done: state.step,
    format: 'epoch {epoch}  train -ELBO {train}  test {test}',
    figures: {epoch: `1/${settings.epochs}`, train: '-', test: '-'},
  });
  try {
    await train(run, data, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run, data)) await save();
}

/** Measures the trained network and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, {settings, vae, state}: Run, data: Mnist): Promise<void> {
  const found = await evaluate(vae, data.test);
  const last = state.history.at(-1)!;
  await vae.model.save(fileSystem(join(output, RUN_FILES.model)));
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const title = `${PROGRAM}: ${settings.size}, ${ESTIMATORS[settings.estimator].title} at temperature ${settings.temperature}`;
  await saveChart(join(output, RUN_FILES.chart), runChart(state.history, title));
  await savePictures(output, vae, data.test);
  const figures: Figures = {
    trainNegativeElbo: last.trainNegativeElbo,
    trainReconstruction: last.trainReconstruction,
    trainKl: last.trainKl,
    testNegativeElbo: found.negativeElbo,
    testReconstruction: found.reconstruction,
    testKl: found.kl,
  };
  const result = await saveResult(output, {program: PROGRAM, settings, figures, state});
  await appendJsonLine(join(dirname(output), RESULTS), result);
  console.log(`\ntrain -ELBO ${last.trainNegativeElbo.toFixed(2)} nats, the mean of the last epoch`);
  console.log(describeEvaluation(found));
  console.log(`${state.step} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}
