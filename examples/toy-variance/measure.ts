// The work of a cell: gradients at one place, or descents from it.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {getEstimator, type RandomSource} from 'tfjs-moe/estimators';
import {expectedObjective, objective, SIZE, softmax, trueGradient} from './problem.js';
import {configOf, hasNoise, type Settings, type Variant} from './settings.js';
import {errorOf, type Figures, figuresOf, PARTS} from './statistics.js';

/** The average of K draws needs fewer of its own, but so many in each part for a variance. */
const LEAST_A_PART = 25;

/** How many gradients are drawn for each category. */
export function countDraws(variant: Variant, draws: number): number {
  if (!hasNoise(variant)) return 1;
  return PARTS * Math.max(LEAST_A_PART, Math.ceil(draws / (variant.numSamples ?? 1) / PARTS));
}

/** Bias, variance and mean squared error of an estimator at the logits. The repetitions stand on the batch axis. */
export async function measureGradient(
  variant: Variant,
  {logits, draws}: Pick<Settings, 'logits' | 'draws'>,
  random: RandomSource,
): Promise<Figures> {
  const estimate = getEstimator(configOf(variant));
  const count = countDraws(variant, draws);
  const probs = softmax(logits);
  const ofCategories: Float32Array[] = [];
  for (let category = 0; category < SIZE; ++category) {
    await setImmediate(); // a turn of the event loop, in which signals arrive
    const gradients = tf.tidy(() => {
      const unit = Array.from({length: SIZE}, (_, k) => (k === category ? 1 : 0));
      const given = repeat(unit, count);
      return gradientsOf(
        theta => {
          const {sample, probs} = estimate(theta, {given, random});
          return objective(sample, probs);
        },
        repeat(logits, count),
      );
    });
    ofCategories.push((await gradients.data()) as Float32Array);
    gradients.dispose();
  }
  return figuresOf(probs, ofCategories, trueGradient(probs));
}

/** The objective's expectation along descents, a figure a step, and where they ended. */
export interface Descent {
  /** Mean over the runs of (p - c)' Q (p - c), before each step and after the last. */
  loss: number[];
  /** Standard error of the last. */
  lossError: number;
}

/** Descends by plain gradient steps of a single draw each; the runs stand on the batch axis. */
export async function descend(
  variant: Variant,
  {logits, runs, steps, learningRate}: Pick<Settings, 'logits' | 'runs' | 'steps' | 'learningRate'>,
  random: RandomSource,
): Promise<Descent> {
  const estimate = getEstimator(configOf(variant));
  let theta: tf.Tensor = repeat(logits, runs);
  let ofRuns = await expectedObjectives(theta);
  const loss = [meanOf(ofRuns)];
  for (let step = 0; step < steps; ++step) {
    await setImmediate();
    const next = tf.tidy(() => {
      const gradients = gradientsOf(x => {
        const {sample, probs} = estimate(x, {random});
        return objective(sample, probs);
      }, theta);
      return tf.sub(theta, tf.mul(learningRate, gradients));
    });
    theta.dispose();
    theta = next;
    ofRuns = await expectedObjectives(theta);
    loss.push(meanOf(ofRuns));
  }
  theta.dispose();
  return {loss, lossError: errorOf(ofRuns)};
}

function gradientsOf(f: (theta: tf.Tensor) => tf.Tensor1D, theta: tf.Tensor): tf.Tensor {
  return tf.grad(x => tf.sum(f(x)))(theta);
}

async function expectedObjectives(theta: tf.Tensor): Promise<number[]> {
  const values = await theta.data();
  const rows = Array.from({length: values.length / SIZE}, (_, i) => values.slice(i * SIZE, (i + 1) * SIZE));
  return rows.map(row => expectedObjective(softmax(Array.from(row))));
}

function repeat(row: readonly number[], count: number): tf.Tensor {
  return tf.tile(tf.tensor2d([[...row]]), [count, 1]);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
