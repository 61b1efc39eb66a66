// The loop: steps over shuffled digits, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import type {DiscreteVAE} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import {sumBinaryCrossentropy} from 'tfjs-moe/training';
import {type Mnist, PIXELS} from '../data/mnist.js';
import {pixelRows} from '../data/pixel-rows.js';
import {type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {makeOptimizer} from '../shared/optimizer-state.js';
import {permutation} from '../shared/permutation.js';
import type {Progress} from '../shared/progress.js';
import {learnerTensors, restoreLearner, trainableVariables} from '../shared/run-tensors.js';
import {evaluate} from './evaluate.js';
import {PROGRAM, type Settings} from './settings.js';

/** A finished epoch, a line of history.jsonl; losses in nats a digit. */
export interface EpochRecord {
  /** Counted from 1. */
  epoch: number;
  /** Steps since the start of the run. */
  step: number;
  /** Negative evidence lower bound with one draw: the mean over the epoch's training digits, each at its step. */
  trainNegativeElbo: number;
  /** Its two parts. */
  trainReconstruction: number;
  trainKl: number;
  /** The same bound on the held-out digits, at the epoch's end. */
  testNegativeElbo: number;
  /** Training time since the start of the run, in seconds. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Sums over the digits of the epoch that is under way. */
  sums: {digits: number; reconstruction: number; kl: number};
  history: EpochRecord[];
  /** Training time so far. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  settings: Settings;
  vae: DiscreteVAE;
  optimizer: tf.Optimizer;
  state: RunState;
}

/** The first word of the ids of random streams; the second counts within. */
const SHUFFLE = 1;
const NOTHING = {digits: 0, reconstruction: 0, kl: 0};

/** A run that has not begun. */
export function startRun(settings: Settings, vae: DiscreteVAE): Run {
  return {
    settings,
    vae,
    optimizer: makeOptimizer(settings.optimizer, settings.learningRate),
    state: {step: 0, sums: {...NOTHING}, history: [], seconds: 0, secondsBefore: 0},
  };
}

/** Steps of an epoch; the last one takes what digits are left. */
export function stepsPerEpoch({batchSize}: Settings, {train}: Mnist): number {
  return Math.ceil(train.count / batchSize);
}

/** Steps of the whole run. */
export function totalSteps(settings: Settings, data: Mnist): number {
  return settings.epochs * stepsPerEpoch(settings, data);
}

/**
 * Trains until the run's epochs are done or a signal has come.
 *
 * @param onEpoch Is called after each epoch, when the state is that of its end.
 */
export async function train(
  run: Run,
  data: Mnist,
  progress: Progress,
  interrupt: Interrupt,
  onEpoch: () => Promise<void>,
): Promise<void> {
  const {settings, state} = run;
  const perEpoch = stepsPerEpoch(settings, data);
  const total = totalSteps(settings, data);
  const variables = trainableVariables(run.vae.model);
  let order: Uint32Array | undefined;
  while (state.step < total) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    const epoch = Math.floor(state.step / perEpoch);
    const position = state.step % perEpoch;
    // The order depends on the seed and the epoch only, so that a run taken up in the middle has the same.
    if (position === 0) order = undefined;
    order ??= permutation(data.train.count, seeded(settings.seed).split(SHUFFLE, epoch));
    const rows = order.subarray(position * settings.batchSize, (position + 1) * settings.batchSize);
    await trainStep(run, variables, pixelRows(data.train.images, rows), rows.length);
    ++state.step;
    state.seconds += (performance.now() - clock) / 1000;
    const {sums, history} = state;
    progress.update(state.step, {
      epoch: `${epoch + 1}/${settings.epochs}`,
      train: ((sums.reconstruction + sums.kl) / sums.digits).toFixed(2),
      test: history.at(-1)?.testNegativeElbo.toFixed(2) ?? '-',
    });
    if (state.step % perEpoch === 0) {
      await closeEpoch(run, data, epoch + 1);
      progress.line(describeEpoch(state.history.at(-1)!, settings.epochs));
      await onEpoch();
    }
  }
}

async function trainStep(run: Run, variables: tf.Variable[], pixels: Float32Array, count: number): Promise<void> {
  const {vae, optimizer, state} = run;
  const figures = tf.tidy(() => {
    const x = tf.tensor2d(pixels, [count, PIXELS]);
    let kept: tf.Tensor1D | undefined;
    const {grads} = tf.variableGrads(() => {
      const logits = vae.model.apply(x, {training: true}) as tf.Tensor;
      const reconstruction = tf.mean<tf.Scalar>(sumBinaryCrossentropy(x, logits));
      const kl = tf.addN(vae.model.calculateLosses()) as tf.Scalar;
      kept = tf.keep(tf.stack([reconstruction, kl]) as tf.Tensor1D);
      return tf.add(reconstruction, kl) as tf.Scalar;
    }, variables);
    optimizer.applyGradients(variables.map(({name}) => ({name, tensor: grads[name]!})));
    return kept!;
  });
  const [reconstruction, kl] = (await figures.data()) as unknown as [number, number];
  figures.dispose();
  if (!Number.isFinite(reconstruction + kl)) {
    throw new ValueError(
      `${PROGRAM}: the loss became ${reconstruction + kl} at step ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  state.sums.digits += count;
  state.sums.reconstruction += reconstruction * count;
  state.sums.kl += kl * count;
}

async function closeEpoch({vae, state}: Run, {test}: Mnist, epoch: number): Promise<void> {
  const {digits, reconstruction, kl} = state.sums;
  state.history.push({
    epoch,
    step: state.step,
    trainNegativeElbo: (reconstruction + kl) / digits,
    trainReconstruction: reconstruction / digits,
    trainKl: kl / digits,
    testNegativeElbo: (await evaluate(vae, test)).negativeElbo,
    seconds: state.seconds,
  });
  state.sums = {...NOTHING};
}

function describeEpoch(record: EpochRecord, epochs: number): string {
  const {epoch, trainNegativeElbo, trainKl, testNegativeElbo, seconds} = record;
  return (
    `epoch ${epoch}/${epochs}: train -ELBO ${trainNegativeElbo.toFixed(2)} nats (KL ${trainKl.toFixed(2)}), ` +
    `test -ELBO ${testNegativeElbo.toFixed(2)}, ${seconds.toFixed(1)} s`
  );
}

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {settings, vae, optimizer, state}: Run): Promise<void> {
  const tensors = await learnerTensors({model: vae.model, optimizer});
  await saveCheckpoint<RunState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  settings: Settings,
  vae: DiscreteVAE,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(settings, vae);
  await restoreLearner({model: vae.model, optimizer: run.optimizer}, decodeTensors());
  return {...run, state};
}
