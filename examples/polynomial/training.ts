// The loop: steps with fresh noise, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import type {Interrupt} from '../shared/interrupt.js';
import type {Progress} from '../shared/progress.js';
import {reopenLastLine} from '../shared/run-length.js';
import {expectedLoss} from './problem.js';
import type {Run} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';

/** The first word of the ids of random streams; the second counts within. run-state.ts has 0. */
const NOISE = 1;

/** Whether no step is left. */
export function isComplete({settings, state}: Run): boolean {
  return state.step === settings.steps;
}

/**
 * Trains until the steps are done or a signal has come.
 *
 * @param onReport Is called after each line of the history, and so at the end.
 */
export async function train(
  run: Run,
  progress: Progress,
  interrupt: Interrupt,
  onReport: () => Promise<void>,
): Promise<void> {
  const {settings, theta, state} = run;
  const {reportEvery} = settings;
  state.initialLoss ??= expectedLoss(settings, await probabilitiesOf(theta));
  if (!isComplete(run)) reopenLastLine(state.history, reportEvery);
  const report = async () => {
    await closeLine(run);
    progress.line(describeLine(run));
    await onReport();
  };
  while (!isComplete(run)) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    state.lossSum += await trainStep(run);
    ++state.step;
    state.seconds += (performance.now() - clock) / 1000;
    progress.update(state.step, {loss: state.history.at(-1)?.expectedLoss.toFixed(4) ?? '-'});
    if (state.step % reportEvery === 0) await report();
  }
  if (state.history.at(-1)?.step !== state.step) await report();
}

async function trainStep({settings, theta, optimizer, method, state}: Run): Promise<number> {
  // The noise depends on the seed and the step only, so that a run taken up in the middle has the same.
  const random = seeded(settings.seed).split(NOISE, state.step);
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

/** How many steps the line of the history that ends at a step sums up. */
export function stepsOfLine(step: number, {reportEvery}: Pick<Settings, 'reportEvery'>): number {
  return step % reportEvery || reportEvery;
}

async function closeLine({settings, theta, state}: Run): Promise<void> {
  const {step, lossSum, seconds} = state;
  const probabilities = await probabilitiesOf(theta);
  state.history.push({
    step,
    trainingLoss: lossSum / stepsOfLine(step, settings),
    expectedLoss: expectedLoss(settings, probabilities),
    meanProbability: probabilities.reduce((sum, value) => sum + value, 0) / probabilities.length,
    seconds,
  });
  // The sum of a line that is cut short stays: a run that goes on beyond its end adds to it.
  if (step % settings.reportEvery === 0) state.lossSum = 0;
}

/** P(bit = 1), in float64. */
export async function probabilitiesOf(theta: tf.Variable): Promise<number[]> {
  const values = await theta.data();
  return Array.from(
    {length: values.length / 2},
    (_, bit) => 1 / (1 + Math.exp(values[2 * bit + 1]! - values[2 * bit]!)),
  );
}

function describeLine({settings, state}: Run): string {
  const {step, trainingLoss, expectedLoss, meanProbability, seconds} = state.history.at(-1)!;
  const count = (value: number) => value.toLocaleString('en-US');
  return (
    `step ${count(step)}/${count(settings.steps)}: training loss ${trainingLoss.toFixed(6)}, expected ${expectedLoss.toFixed(6)}, ` +
    `mean probability ${meanProbability.toFixed(4)}, ${seconds.toFixed(1)} s`
  );
}
