// The loop: steps over random windows, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {resetRouterMetrics, routerMetrics} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import type {TextData} from '../data/text.js';
import {type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {halfCosine} from '../shared/learning-rate.js';
import {type Progress, sparkline} from '../shared/progress.js';
import {learnerTensors, restoreLearner, trainableVariables} from '../shared/run-tensors.js';
import {BYTES} from './byte-embedding.js';
import {BITS, crossEntropy} from './cross-entropy.js';
import {measure} from './evaluate.js';
import type {LanguageModel} from './model.js';
import {PROGRAM, type Settings} from './settings.js';
import {cutWindows, randomWindows, tiledWindows} from './windows.js';

/** A measurement, a line of history.jsonl. */
export interface ReportRecord {
  /** Steps since the start of the run. */
  step: number;
  /** Mean over the windows since the last measurement, each at its step. */
  trainBitsPerByte: number;
  /** Over a part of the held-out text, the same one each time. */
  validationBitsPerByte: number;
  /** Mean of the weighted losses that the layers added, in nats. */
  balanceLoss: number;
  /** Of training since the last measurement. */
  tokensPerSecond: number;
  /** Block by block, the share of the bytes since the last measurement that each expert took. */
  expertLoad: number[][];
  /** Of the last step. */
  learningRate: number;
  /** Training time since the start of the run. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Sums over the steps since the last measurement. */
  sums: {steps: number; loss: number; balanceLoss: number; seconds: number};
  history: ReportRecord[];
  /** Training time so far, without measurements. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  settings: Settings;
  network: LanguageModel;
  optimizer: tf.AdamOptimizer;
  state: RunState;
}

/** The first word of the ids of random streams; the second counts within. */
const WINDOWS = 1;
const NOTHING = {steps: 0, loss: 0, balanceLoss: 0, seconds: 0};
/** The share of the run in which the learning rate rises. */
const WARM_UP = 0.05;
/** How many windows of the held-out text a measurement takes. */
const MEASURED_WINDOWS = 64;
/** How often the bar's expert load is read from the model, in steps. */
const LOAD_INTERVAL = 20;

/** A run that has not begun. */
export function startRun(settings: Settings, network: LanguageModel): Run {
  const optimizer = tf.train.adam(settings.learningRate, 0.9, 0.99, 1e-8);
  const state = {step: 0, sums: {...NOTHING}, history: [], seconds: 0, secondsBefore: 0};
  return {settings, network, optimizer, state};
}

/** How far the run is, in what it is counted in: steps, or seconds of training. */
export function progressOf({settings, state}: Run): {done: number; total: number} {
  return settings.steps === null
    ? {done: Math.min(state.seconds, 60 * settings.minutes!), total: 60 * settings.minutes!}
    : {done: state.step, total: settings.steps};
}

/** Whether no step is left. */
export function isComplete(run: Run): boolean {
  const {done, total} = progressOf(run);
  return done >= total;
}

/**
 * Trains until the run is complete or a signal has come.
 *
 * @param onReport Is called after each measurement, when the state holds it.
 */
export async function train(
  run: Run,
  text: TextData,
  progress: Progress,
  interrupt: Interrupt,
  onReport: () => Promise<void>,
): Promise<void> {
  const {settings, network, state} = run;
  const {batchSize, context, reportEvery} = settings;
  let load = '';
  while (!isComplete(run)) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    // The windows depend on the seed and the step only, so that a run taken up in the middle has the same.
    const random = seeded(settings.seed).split(WINDOWS, state.step);
    await trainStep(run, text.train, randomWindows(text.train, context, batchSize, random));
    ++state.step;
    const seconds = (performance.now() - clock) / 1000;
    state.seconds += seconds;
    state.sums.seconds += seconds;
    if (progress.isBar && (load === '' || state.step % LOAD_INTERVAL === 0)) load = await describeLoad(network);
    const {sums, history} = state;
    const last = history.at(-1);
    progress.update(progressOf(run).done, {
      step: String(state.step),
      bits: ((BITS * sums.loss) / sums.steps).toFixed(3),
      validation: last ? last.validationBitsPerByte.toFixed(3) : '-',
      speed: speedOf(settings, sums).toFixed(0),
      load,
    });
    if (state.step % reportEvery === 0 || isComplete(run)) {
      await closeInterval(run, text.heldOut);
      progress.line(describeReport(state.history.at(-1)!));
      await onReport();
    }
  }
}

/** The rate rises in the first twentieth of the run and then falls along half a cosine to 0. */
export function learningRateAt({learningRate}: Settings, shareDone: number): number {
  return (
    learningRate * Math.min(1, shareDone / WARM_UP) * halfCosine(Math.max(0, (shareDone - WARM_UP) / (1 - WARM_UP)))
  );
}

/** Of the step that comes next: its middle, so that neither the first nor the last has a rate of 0. */
function shareDone(run: Run): number {
  const {done, total} = progressOf(run);
  return (done + (run.settings.steps === null ? 0 : 0.5)) / total;
}

async function trainStep(run: Run, text: Uint8Array, begins: number[]): Promise<void> {
  const {settings, network, optimizer, state} = run;
  // Adam reads the field at each step; the class offers no other way to change it.
  Object.assign(optimizer, {learningRate: learningRateAt(settings, shareDone(run))});
  const figures = tf.tidy(() => {
    const {bytes, labels} = cutWindows(text, settings.context, begins);
    let kept: tf.Tensor1D | undefined;
    const trainable = trainableVariables(network.model);
    const {grads} = tf.variableGrads(() => {
      const logits = network.model.apply(bytes, {training: true}) as tf.Tensor3D;
      const loss = crossEntropy(tf.reshape(logits, [-1, BYTES]) as tf.Tensor2D, labels);
      const balanceLoss = tf.addN([tf.scalar(0), ...network.model.calculateLosses()]) as tf.Scalar;
      kept = tf.keep(tf.stack([loss, balanceLoss]) as tf.Tensor1D);
      return tf.add(loss, balanceLoss) as tf.Scalar;
    }, trainable);
    optimizer.applyGradients(trainable.map(({name}) => ({name, tensor: grads[name]!})));
    return kept!;
  });
  const [loss, balanceLoss] = (await figures.data()) as unknown as [number, number];
  figures.dispose();
  if (!Number.isFinite(loss)) {
    throw new ValueError(
      `${PROGRAM}: the loss became ${loss} at step ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  const {sums} = state;
  sums.steps += 1;
  sums.loss += loss;
  sums.balanceLoss += balanceLoss;
}

async function closeInterval(run: Run, heldOut: Uint8Array): Promise<void> {
  const {settings, network, state} = run;
  const {sums, step, seconds} = state;
  const expertLoad: number[][] = [];
  for (const moe of network.moes) {
    expertLoad.push((await routerMetrics(moe)).load);
    resetRouterMetrics(moe);
  }
  const begins = tiledWindows(heldOut, settings.context, MEASURED_WINDOWS);
  state.history.push({
    step,
    trainBitsPerByte: (BITS * sums.loss) / sums.steps,
    validationBitsPerByte: (await measure(network, heldOut, begins)).bitsPerByte,
    balanceLoss: sums.balanceLoss / sums.steps,
    tokensPerSecond: speedOf(settings, sums),
    expertLoad,
    learningRate: (run.optimizer as unknown as {learningRate: number}).learningRate,
    seconds,
  });
  state.sums = {...NOTHING};
}

const speedOf = ({batchSize, context}: Settings, {steps, seconds}: RunState['sums']) =>
  (steps * batchSize * context) / seconds;

/** The load of the block whose busiest expert stands out most. */
async function describeLoad({moes}: LanguageModel): Promise<string> {
  const metrics = await Promise.all(moes.map(routerMetrics));
  const worst = metrics.sort((a, b) => b.maxViolation - a.maxViolation)[0];
  return worst === undefined ? '' : `load ${sparkline(worst.load)}`;
}

function describeReport(record: ReportRecord): string {
  const {step, trainBitsPerByte, validationBitsPerByte, tokensPerSecond, expertLoad, seconds} = record;
  const range = (load: number[]) => `${percent(Math.min(...load))}-${percent(Math.max(...load))}`;
  const load = expertLoad.length === 0 ? '' : `expert load ${expertLoad.map(range).join(', ')} %, `;
  return (
    `step ${step}: ${trainBitsPerByte.toFixed(3)} bits/byte, validation ${validationBitsPerByte.toFixed(3)}, ` +
    `${load}${tokensPerSecond.toFixed(0)} bytes/s, ${seconds.toFixed(1)} s`
  );
}

const percent = (share: number) => (100 * share).toFixed(0);

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {settings, network, optimizer, state}: Run): Promise<void> {
  const tensors = await learnerTensors({model: network.model, optimizer});
  await saveCheckpoint<RunState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  settings: Settings,
  network: LanguageModel,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(settings, network);
  await restoreLearner({model: network.model, optimizer: run.optimizer}, decodeTensors());
  return {...run, state};
}
