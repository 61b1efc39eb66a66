// The loop: steps over shuffled digits, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {resetRouterMetrics, routerMetrics} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import {CLASSES, type DigitSet, PIXELS} from '../data/mnist.js';
import {type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {halfCosine} from '../shared/learning-rate.js';
import {permutation} from '../shared/permutation.js';
import {type Progress, sparkline} from '../shared/progress.js';
import {pickRows} from '../shared/rows.js';
import {learnerTensors, restoreLearner, trainableVariables} from '../shared/run-tensors.js';
import {type DigitModel, toInput} from './model.js';
import {PROGRAM, type Settings} from './settings.js';

/** A finished epoch, a line of history.jsonl. */
export interface EpochRecord {
  /** Counted from 1. */
  epoch: number;
  /** Steps since the start of the run. */
  step: number;
  /** Mean cross entropy of the epoch's training digits, in nats, each at its step. */
  loss: number;
  /** Share of the epoch's training digits that were read right, each at its step. */
  accuracy: number;
  /** Mean of the weighted load balancing loss that was added. */
  balanceLoss: number;
  /** Share of the digits that each expert took. */
  load: number[];
  /** Mean entropy of the router's probabilities, in nats. */
  entropy: number;
  /** Of the epoch's last step. */
  learningRate: number;
  /** Training time since the start of the run, in seconds. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Sums over the digits of the epoch that is under way. */
  sums: {digits: number; loss: number; correct: number; balanceLoss: number};
  history: EpochRecord[];
  /** Training time so far. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  settings: Settings;
  network: DigitModel;
  optimizer: tf.AdamOptimizer;
  state: RunState;
}

/** The first word of the ids of random streams; the second counts within. */
const SHUFFLE = 1;
const NOTHING = {digits: 0, loss: 0, correct: 0, balanceLoss: 0};
/** How often the bar's expert load is read from the model, in steps. */
const LOAD_INTERVAL = 20;

/** A run that has not begun. */
export function startRun(settings: Settings, network: DigitModel): Run {
  const optimizer = tf.train.adam(settings.learningRate, 0.9, 0.999, 1e-7);
  return {
    settings,
    network,
    optimizer,
    state: {step: 0, sums: {...NOTHING}, history: [], seconds: 0, secondsBefore: 0},
  };
}

/** Steps of an epoch; the last one takes what digits are left. */
export function stepsPerEpoch({batchSize}: Settings, digits: DigitSet): number {
  return Math.ceil(digits.count / batchSize);
}

/**
 * Trains until the run's epochs are done or a signal has come.
 *
 * @param onEpoch Is called after each epoch, when the state is that of its end.
 */
export async function train(
  run: Run,
  digits: DigitSet,
  progress: Progress,
  interrupt: Interrupt,
  onEpoch: () => Promise<void>,
): Promise<void> {
  const {settings, network, state} = run;
  const perEpoch = stepsPerEpoch(settings, digits);
  const total = perEpoch * settings.epochs;
  let clock = performance.now();
  let load = '';
  let order: Uint32Array | undefined;
  while (state.step < total) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const epoch = Math.floor(state.step / perEpoch);
    const position = state.step % perEpoch;
    // The order depends on the seed and the epoch only, so that a run taken up in the middle has the same.
    if (position === 0) order = undefined;
    order ??= permutation(digits.count, seeded(settings.seed).split(SHUFFLE, epoch));
    const picked = order.subarray(position * settings.batchSize, (position + 1) * settings.batchSize);
    await trainStep(run, digits, picked, state.step / total);
    ++state.step;
    state.seconds += (performance.now() - clock) / 1000;
    clock = performance.now();
    if (progress.isBar && (load === '' || state.step % LOAD_INTERVAL === 0)) {
      load = sparkline((await routerMetrics(network.moe)).load);
    }
    const {sums} = state;
    progress.update(state.step, {
      epoch: `${epoch + 1}/${settings.epochs}`,
      loss: (sums.loss / sums.digits).toFixed(3),
      accuracy: `${((100 * sums.correct) / sums.digits).toFixed(1)} %`,
      load,
    });
    if (position === perEpoch - 1) {
      await closeEpoch(run, epoch + 1, (state.step - 1) / total);
      progress.line(describeEpoch(state.history.at(-1)!, settings.epochs));
      await onEpoch();
      clock = performance.now();
    }
  }
}

/** The rate falls along half a cosine from its first value to 0. */
export function learningRateAt({learningRate}: Settings, shareDone: number): number {
  return learningRate * halfCosine(shareDone);
}

async function trainStep(run: Run, digits: DigitSet, picked: Uint32Array, shareDone: number): Promise<void> {
  const {settings, network, optimizer, state} = run;
  // Adam reads the field at each step; the class offers no other way to change it.
  Object.assign(optimizer, {learningRate: learningRateAt(settings, shareDone)});
  const figures = tf.tidy(() => {
    const input = toInput(pickRows(digits.images, PIXELS, picked), picked.length);
    const labels = pickRows(digits.labels, 1, picked);
    let kept: tf.Tensor1D | undefined;
    const trainable = trainableVariables(network.model);
    const {grads} = tf.variableGrads(() => {
      const logits = network.model.apply(input, {training: true}) as tf.Tensor2D;
      const loss: tf.Scalar = tf.losses.softmaxCrossEntropy(oneHotLabels(labels), logits);
      const balanceLoss = tf.addN(network.model.calculateLosses()) as tf.Scalar;
      const correct = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), tf.tensor1d(labels, 'int32')), 'float32'));
      kept = tf.keep(tf.stack([loss, balanceLoss, correct]) as tf.Tensor1D);
      return tf.add(loss, balanceLoss) as tf.Scalar;
    }, trainable);
    optimizer.applyGradients(trainable.map(({name}) => ({name, tensor: grads[name]!})));
    return kept!;
  });
  const [loss, balanceLoss, correct] = (await figures.data()) as unknown as [number, number, number];
  figures.dispose();
  if (!Number.isFinite(loss)) {
    throw new ValueError(
      `mnist-moe: the loss became ${loss} at step ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  const {sums} = state;
  sums.digits += picked.length;
  sums.loss += loss * picked.length;
  sums.balanceLoss += balanceLoss * picked.length;
  sums.correct += correct;
}

async function closeEpoch({settings, network, state}: Run, epoch: number, shareDone: number): Promise<void> {
  const {digits, loss, correct, balanceLoss} = state.sums;
  const {load, entropy} = await routerMetrics(network.moe);
  resetRouterMetrics(network.moe);
  state.history.push({
    epoch,
    step: state.step,
    loss: loss / digits,
    accuracy: correct / digits,
    balanceLoss: balanceLoss / digits,
    load,
    entropy,
    learningRate: learningRateAt(settings, shareDone),
    seconds: state.seconds,
  });
  state.sums = {...NOTHING};
}

function describeEpoch({epoch, loss, accuracy, load, seconds}: EpochRecord, epochs: number): string {
  const shares = load.map(share => (100 * share).toFixed(0)).join(' ');
  return (
    `epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)} nats, accuracy ${(100 * accuracy).toFixed(2)} %, ` +
    `expert load ${shares} %, ${seconds.toFixed(1)} s`
  );
}

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {settings, network, optimizer, state}: Run): Promise<void> {
  const tensors = await learnerTensors({model: network.model, optimizer});
  await saveCheckpoint<RunState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  settings: Settings,
  network: DigitModel,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(settings, network);
  await restoreLearner({model: network.model, optimizer: run.optimizer}, decodeTensors());
  return {...run, state};
}

function oneHotLabels(labels: Uint8Array): tf.Tensor2D {
  return tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES), 'float32') as tf.Tensor2D;
}
