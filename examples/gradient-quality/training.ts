// The loop: mnist-vae's training, with measurements between its epochs.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import type {DiscreteVAE} from 'tfjs-moe/layers';
import {type Mnist, PIXELS} from '../data/mnist.js';
import {pixelRows} from '../data/pixel-rows.js';
import {type Run, stepsPerEpoch, totalSteps, train} from '../mnist-vae/training.js';
import {saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {type Progress, startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {learnerTensors} from '../shared/run-tensors.js';
import {secondsHere} from '../shared/training-program.js';
import {splitDecoder} from './decoder.js';
import {type Measurement, measure} from './measure.js';
import type {RunState} from './records.js';
import {describeMeasurement} from './report.js';
import {PROGRAM, type Settings} from './settings.js';

/** Trains, measures at the points, and saves the run after each epoch and when a signal has come. */
export async function trainAndMeasure(
  output: string,
  settings: Settings,
  run: Run,
  state: RunState,
  data: Mnist,
  interrupt: Interrupt,
): Promise<void> {
  const save = async () => {
    const tensors = await learnerTensors({model: run.vae.model, optimizer: run.optimizer});
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveCheckpoint<RunState>(join(output, RUN_FILES.checkpoint), {
      program: PROGRAM,
      settings: {...settings},
      state: toDate,
      tensors,
    });
    tf.dispose(tensors.map(({tensor}) => tensor));
    await saveJsonLines(join(output, RUN_FILES.history), state.records);
  };
  const progress = startProgress({
    total: Math.max(1, totalSteps(settings, data)),
    done: state.step,
    format: 'epoch {epoch}  train -ELBO {train}  test {test}',
    figures: {epoch: `0/${settings.epochs}`, train: '-', test: '-'},
  });
  const atPoint = async () => {
    await measureIfDue(settings, run, state, data, progress);
    await save();
  };
  try {
    if (state.step % stepsPerEpoch(settings, data) === 0) await atPoint();
    await train(run, data, progress, interrupt, atPoint);
  } finally {
    progress.stop();
  }
  await save();
}

/** The first word of the ids of random streams, beside those of the training; the second is the epoch. */
const MEASUREMENT = 2;

async function measureIfDue(settings: Settings, run: Run, state: RunState, data: Mnist, progress: Progress) {
  const epoch = state.step / stepsPerEpoch(settings, data);
  if (!settings.points.includes(epoch) || state.records.some(record => record.epoch === epoch)) return;
  const clock = performance.now();
  const found = await measureAt(run.vae, data, settings, settings.seed, epoch);
  const seconds = (performance.now() - clock) / 1000;
  const trainNegativeElbo = state.history.at(-1)?.trainNegativeElbo ?? null;
  state.records.push({epoch, trainNegativeElbo, seconds, ...found});
  progress.line(`\nafter epoch ${epoch}, ${seconds.toFixed(1)} s: ${describeMeasurement(found)}\n`);
}

/** Measures on the first training digits. */
export async function measureAt(
  vae: DiscreteVAE,
  data: Mnist,
  {variants, images, draws}: Pick<Settings, 'variants' | 'images' | 'draws'>,
  seed: number,
  epoch: number,
): Promise<Measurement> {
  const {numLatents, numCategories} = vae.latent;
  const rows = Uint32Array.from({length: images}, (_, i) => i);
  const pixels = tf.tensor2d(pixelRows(data.train.images, rows), [images, PIXELS]);
  const logits = vae.encoder.apply(pixels) as tf.Tensor2D;
  const subject = {size: {numLatents, numCategories}, logits, pixels, decoder: splitDecoder(vae.decoder)};
  try {
    return await measure(subject, variants, draws, seeded(seed).split(MEASUREMENT, epoch));
  } finally {
    tf.dispose([pixels, logits]);
  }
}
