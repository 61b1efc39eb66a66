// Trains the network of the playground: mnist-vae's loop and loss on a smaller network, in a folder where it can be taken up again.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {type DiscreteVAE, discreteVAE} from 'tfjs-moe/layers';
import {type Mnist, PIXELS} from '../../examples/data/mnist.js';
import {isComplete, trainInto} from '../../examples/mnist-vae/run.js';
import {PROGRAM, parseSize, type Settings} from '../../examples/mnist-vae/settings.js';
import {type Run, type RunState, resumeRun, startRun} from '../../examples/mnist-vae/training.js';
import {checkSameSettings, loadCheckpoint} from '../../examples/shared/checkpoint.js';
import {listenForInterrupt} from '../../examples/shared/interrupt.js';
import {RUN_FILES} from '../../examples/shared/output-folder.js';

/** Ten letters of an alphabet of four: 20 bits, few enough to see what each letter does. */
export const SIZE = '4x10';
/** A quarter of mnist-vae's weights and fewer, so that they are fetched in no time. */
export const HIDDEN_UNITS = [200, 100];

/** Everything that decides the weights. */
export type Training = Settings & {hiddenUnits: number[]};

/**
 * Trains to the end, or goes on where a former process was stopped.
 *
 * @returns The trained network; undefined if a signal came first, and then the run is saved.
 */
export async function trainIn(folder: string, training: Training, data: Mnist): Promise<DiscreteVAE | undefined> {
  const {hiddenUnits, ...settings} = training;
  const {estimator, temperature, seed} = settings;
  const vae = discreteVAE({
    ...parseSize(settings.size),
    inputUnits: PIXELS,
    hiddenUnits,
    estimator,
    temperature,
    seed,
  });
  await mkdir(folder, {recursive: true});
  const run = await takeUp(join(folder, RUN_FILES.checkpoint), settings, vae);
  console.log(`${vae.model.countParams().toLocaleString('en-US')} weights, from step ${run.state.step}, in ${folder}`);
  const interrupt = listenForInterrupt(() => console.log('Stopping after this step; once more to leave at once.'));
  try {
    await trainInto(folder, run, data, interrupt);
  } finally {
    interrupt.dispose();
  }
  if (!isComplete(run, data)) {
    process.exitCode = interrupt.exitCode ?? 1;
    return undefined;
  }
  return vae;
}

async function takeUp(path: string, settings: Settings, vae: DiscreteVAE): Promise<Run> {
  if (!existsSync(path)) return startRun(settings, vae);
  const checkpoint = await loadCheckpoint<RunState>(path, PROGRAM);
  // The rate is constant, so that a longer run is a shorter one that went on.
  checkSameSettings({...checkpoint.settings, epochs: settings.epochs}, {...settings});
  return resumeRun(settings, vae, checkpoint);
}
