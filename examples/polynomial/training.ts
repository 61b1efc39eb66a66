// The loop: one run after another, in a state that can be saved after any step and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {adamTensors, restoreAdam} from '../shared/adam-state.js';
import type {NamedTensor} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {createMethod, type Method} from './methods.js';
import {expectedLoss} from './problem.js';
import {PROGRAM, type RunSettings, stepsPerEpoch} from './settings.js';

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Sum of the training losses of the epoch under way. */
  lossSum: number;
  /** Mean training loss of each epoch. */
  trainingLoss: number[];
  /** Expected loss at the start and after each epoch, by the closed form. */
  expectedLoss: number[];
  /** How often a step evaluates the loss of an example. */
  evaluations: number;
  /** Training time so far. */
  seconds: number;
}

/** What learns in a run. */
export interface Learner {
  /** [latents, 2]: the logits of each bit; the first is that of 1. */
  theta: tf.Variable;
  optimizer: tf.AdamOptimizer;
  method: Method;
}

/** The first word of the ids of random streams; the second counts within. */
const INITIAL_LOGITS = 0;
const NOISE = 1;
/** The logits start uniform between plus and minus this. */
const INITIAL_RANGE = 0.01;

/** A run that has not begun. */
export function startRun(settings: RunSettings): {learner: Learner; state: RunState} {
  const {latents, learningRate, seed} = settings;
  const uniforms = seeded(seed)
    .split(INITIAL_LOGITS)
    .uniform(2 * latents);
  const initial = tf.tensor2d(
    Float32Array.from(uniforms, u => INITIAL_RANGE * (2 * u - 1)),
    [latents, 2],
  );
  const theta = tf.variable(initial);
  initial.dispose();
  const learner = {
    theta,
    optimizer: tf.train.adam(learningRate, 0.9, 0.999, 1e-8),
    method: createMethod(settings.estimator, settings, settings.batchSize, seed),
  };
  const state = {
    step: 0,
    lossSum: 0,
    trainingLoss: [],
    expectedLoss: [],
    evaluations: 0,
    seconds: 0,
  };
  return {learner, state};
}

/** Frees what a run had. */
export function disposeLearner({theta, optimizer, method}: Learner): void {
  theta.dispose();
  optimizer.dispose();
  method.dispose();
}

/** Trains until the run is complete or a signal has come. @param onStep Is called after each step. */
export async function train(
  settings: RunSettings,
  learner: Learner,
  state: RunState,
  interrupt: Interrupt,
  onStep: () => void,
): Promise<void> {
  const perEpoch = stepsPerEpoch(settings);
  if (state.step === 0) state.expectedLoss = [expectedLoss(settings, await probabilitiesOf(learner.theta))];
  while (state.step < settings.steps) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    state.lossSum += await trainStep(settings, learner, state);
    ++state.step;
    state.seconds += (performance.now() - clock) / 1000;
    if (state.step % perEpoch === 0 || state.step === settings.steps) {
      const count = state.step % perEpoch || perEpoch;
      state.trainingLoss.push(state.lossSum / count);
      state.expectedLoss.push(expectedLoss(settings, await probabilitiesOf(learner.theta)));
      state.lossSum = 0;
    }
    onStep();
  }
}

async function trainStep({seed}: RunSettings, {theta, optimizer, method}: Learner, state: RunState): Promise<number> {
  // The noise depends on the seed and the step only, so that a run taken up in the middle has the same.
  const random = seeded(seed).split(NOISE, state.step);
  const trainable = [theta, ...method.variables.filter(variable => variable.trainable)];
  const loss = tf.tidy(() => {
    let kept: tf.Scalar | undefined;
    const {grads} = tf.variableGrads(() => {
      const {loss, minimised, evaluations} = method.evaluate(theta, random);
      kept = tf.keep(loss);
      state.evaluations = evaluations;
      return minimised;
    }, trainable);
    optimizer.applyGradients(trainable.map(({name}) => ({name, tensor: grads[name]!})));
    return kept!;
  });
  const [value] = await loss.data();
  loss.dispose();
  if (!Number.isFinite(value)) {
    throw new ValueError(
      `${PROGRAM}: the loss became ${value} at step ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  return value!;
}

/** P(bit = 1), in float64. */
export async function probabilitiesOf(theta: tf.Variable): Promise<number[]> {
  const values = await theta.data();
  return Array.from(
    {length: values.length / 2},
    (_, bit) => 1 / (1 + Math.exp(values[2 * bit + 1]! - values[2 * bit]!)),
  );
}

/** Everything that a step changes, for a checkpoint; the caller owns the tensors. */
export async function learnerTensors({theta, optimizer, method}: Learner): Promise<NamedTensor[]> {
  const variables = [theta, ...method.variables].map((variable, i) => ({
    name: `variable/${i}`,
    tensor: tf.clone(variable),
  }));
  const moments = (await adamTensors(optimizer)).map(({name, tensor}) => ({name: `adam/${name}`, tensor}));
  return [...variables, ...moments];
}

/** Takes what learnerTensors gave, and disposes it. */
export async function restoreLearner({theta, optimizer, method}: Learner, tensors: NamedTensor[]): Promise<void> {
  const variables = [theta, ...method.variables];
  variables.forEach((variable, i) => {
    variable.assign(tensors[i]!.tensor);
  });
  await restoreAdam(optimizer, tensors.slice(variables.length));
  tf.dispose(tensors.map(({tensor}) => tensor));
}
