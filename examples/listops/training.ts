// The loop: steps over batches of like length, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {clipByGlobalNorm} from '../shared/clip.js';
import type {Interrupt} from '../shared/interrupt.js';
import type {Progress} from '../shared/progress.js';
import {trainableVariables} from '../shared/run-tensors.js';
import {makeBatch, planEpoch, type SequenceBatch} from './batches.js';
import {answer} from './evaluate.js';
import {CLASSES} from './grammar.js';
import type {ListOpsData} from './inputs.js';
import {setDropoutNoise} from './model.js';
import {afterValidation} from './plateau.js';
import {MAX_NORM, PLATEAU} from './presets.js';
import {keepBest, NOTHING, type Run, type RunState, type ValidationRecord} from './run-state.js';
import type {LabelledSequences} from './sequences.js';
import {PROGRAM, type Settings} from './settings.js';

/** The first word of the ids of random streams; the second counts within. model.ts has 0. */
const SHUFFLE = 1;
const DROPOUT = 2;

/** Steps of an epoch. */
export function batchesPerEpoch({batchSize}: Settings, {train}: ListOpsData): number {
  return Math.ceil(train.inputs.count / batchSize);
}

/** How far the run is, in what it is counted in: steps, or seconds of training. */
export function progressOf({settings, state}: Run, batches: number): {done: number; total: number} {
  const seconds = 60 * (settings.minutes ?? 0);
  return settings.epochs === null
    ? {done: Math.min(state.seconds, seconds), total: seconds}
    : {done: state.epoch * batches + state.batch, total: settings.epochs * batches};
}

/** Whether no step is left. */
export function isComplete({settings, state}: Run): boolean {
  return settings.epochs === null ? state.seconds >= 60 * settings.minutes! : state.epoch === settings.epochs;
}

/**
 * Trains until the run is complete or a signal has come.
 *
 * @param onValidation Is called after each validation, when the state holds it.
 */
export async function train(
  run: Run,
  data: ListOpsData,
  progress: Progress,
  interrupt: Interrupt,
  onValidation: () => Promise<void>,
): Promise<void> {
  const {settings, state} = run;
  const variables = trainableVariables(run.network.model);
  const random = seeded(settings.seed).split(SHUFFLE);
  const {inputs} = data.train;
  let batches: Uint32Array[] | undefined;
  while (!isComplete(run)) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    // The batches depend on the seed and the epoch only, so that a run taken up in the middle has the same.
    batches ??= planEpoch(inputs, {batchSize: settings.batchSize, random, epoch: state.epoch});
    await trainStep(run, variables, makeBatch(inputs, batches[state.batch]!));
    ++state.step;
    ++state.batch;
    const seconds = (performance.now() - clock) / 1000;
    state.seconds += seconds;
    state.sums.seconds += seconds;
    const numBatches = batches.length;
    const epoch = state.epoch + state.batch / numBatches;
    progress.update(progressOf(run, numBatches).done, figuresOf(run, epoch));
    const isDue = isValidationDue(settings, state.batch, numBatches);
    if (state.batch === numBatches) {
      ++state.epoch;
      state.batch = 0;
      batches = undefined;
    }
    if (isDue || isComplete(run)) {
      await validate(run, data.valid.inputs, epoch);
      progress.line(describeValidation(state.history.at(-1)!, run));
      await onValidation();
    }
  }
}

/** Whether one of the epoch's validations, evenly apart, the last at its end, comes after so many of its batches. */
export function isValidationDue({validations}: Pick<Settings, 'validations'>, done: number, batches: number): boolean {
  return Math.floor((done * validations) / batches) > Math.floor(((done - 1) * validations) / batches);
}

/** What stands beside the bar. */
function figuresOf({state}: Run, epoch: number): Record<string, string> {
  const {sums, history} = state;
  const validation = history.at(-1)?.validationAccuracy;
  return {
    epoch: epoch.toFixed(2),
    loss: (sums.loss / sums.examples).toFixed(3),
    train: percent(sums.correct / sums.examples),
    validation: validation === undefined ? '-' : percent(validation),
    speed: speedOf(sums).toFixed(0),
  };
}

const percent = (share: number) => (100 * share).toFixed(1);
const speedOf = ({examples, seconds}: RunState['sums']) => examples / seconds;

async function trainStep(run: Run, variables: tf.Variable[], {tokens, shape, labels}: SequenceBatch): Promise<void> {
  const {settings, network, optimizer, state} = run;
  setDropoutNoise(network, seeded(settings.seed).split(DROPOUT, state.step));
  setLearningRate(optimizer, state.plateau.learningRate);
  const figures = tf.tidy(() => {
    const x = tf.tensor2d(tokens, shape, 'int32');
    const wanted = tf.tensor1d(labels, 'int32');
    let kept: tf.Tensor2D | undefined;
    const {value, grads} = tf.variableGrads(() => {
      const logits = network.model.apply(x, {training: true}) as tf.Tensor2D;
      kept = tf.keep(tf.clone(logits));
      return crossEntropy(logits, wanted);
    }, variables);
    // A batch of single digits has no merges, and so no gradient for the weights of merging.
    const gradients = variables.map(variable => grads[variable.name] ?? tf.zerosLike(variable));
    const clipped = clipByGlobalNorm(gradients, MAX_NORM);
    optimizer.applyGradients(variables.map(({name}, i) => ({name, tensor: clipped[i]!})));
    const correct = tf.sum(tf.cast(tf.equal(tf.argMax(kept!, 1), wanted), 'float32'));
    kept!.dispose();
    return tf.stack([value, correct]);
  });
  const [loss, correct] = (await figures.data()) as unknown as [number, number];
  figures.dispose();
  if (!Number.isFinite(loss)) {
    throw new ValueError(
      `${PROGRAM}: the loss became ${loss} at step ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  const {sums} = state;
  sums.examples += labels.length;
  sums.loss += loss * labels.length;
  sums.correct += correct;
}

/** Mean over the rows, in nats. */
function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const wanted = tf.cast(tf.oneHot(labels, CLASSES), 'float32');
  return tf.losses.softmaxCrossEntropy(wanted, logits) as tf.Scalar;
}

/** Changes the rate of the next steps, whatever the optimizer. */
function setLearningRate(optimizer: tf.Optimizer, learningRate: number): void {
  // Stochastic gradient descent keeps the rate in a tensor, the others in a field.
  if ('setLearningRate' in optimizer) (optimizer as tf.SGDOptimizer).setLearningRate(learningRate);
  else Object.assign(optimizer, {learningRate});
}

async function validate(run: Run, valid: LabelledSequences, epoch: number): Promise<void> {
  const {network, state} = run;
  const {step, sums, plateau, seconds} = state;
  const found = await answer(network, valid);
  const record: ValidationRecord = {
    epoch,
    step,
    trainLoss: sums.loss / sums.examples,
    trainAccuracy: sums.correct / sums.examples,
    validationLoss: found.loss,
    validationAccuracy: found.accuracy,
    learningRate: plateau.learningRate,
    examplesPerSecond: speedOf(sums),
    seconds,
  };
  state.history.push(record);
  state.sums = {...NOTHING};
  state.plateau = afterValidation(plateau, found.accuracy, PLATEAU);
  if (state.best === null || found.accuracy > state.best.validationAccuracy) {
    state.best = {epoch, step, validationAccuracy: found.accuracy};
    keepBest(run);
  }
}

function describeValidation(record: ValidationRecord, {settings, state}: Run): string {
  const {epoch, trainLoss, trainAccuracy, validationAccuracy, learningRate, examplesPerSecond, seconds} = record;
  const length = settings.epochs === null ? '' : `/${settings.epochs}`;
  const rate = state.plateau.learningRate < learningRate ? `, learning rate ${state.plateau.learningRate}` : '';
  return (
    `epoch ${epoch.toFixed(2)}${length}: loss ${trainLoss.toFixed(3)} nats, training ${percent(trainAccuracy)} %, ` +
    `validation ${percent(validationAccuracy)} %, ${examplesPerSecond.toFixed(0)} expressions/s, ${seconds.toFixed(1)} s${rate}`
  );
}
