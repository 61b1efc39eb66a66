// One step of RAdam for one variable.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {canUpdateAdam, updateAdam} from '../ops/adam-update.js';

/** What the optimizer remembers of a variable. */
export interface Moments {
  first: tf.Variable;
  second: tf.Variable;
  /** How many gradients have come in. */
  steps: number;
}

/** The numbers of a step, as at `radam`. */
interface StepSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** The moments of a variable that has had no gradient yet. */
export function newMoments(variable: tf.Variable): Moments {
  const zeros = () => tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
  return {first: zeros(), second: zeros(), steps: 0};
}

/** Takes a gradient in: counts it and updates the moments and the variable, by the equations at `RAdamOptimizer`. */
export function stepRAdam(variable: tf.Variable, moments: Moments, gradient: tf.Tensor, settings: StepSettings): void {
  const {beta1, beta2, epsilon} = settings;
  const t = ++moments.steps;
  const correction = 1 - beta2 ** t;
  const longest = 2 / (1 - beta2) - 1;
  const length = longest - (2 * t * beta2 ** t) / correction; // rho
  const isAdaptive = length > 5;
  let size = settings.learningRate / (1 - beta1 ** t);
  if (isAdaptive) {
    size *=
      Math.sqrt(correction) *
      Math.sqrt(((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length));
  }
  const {first, second} = moments;
  if (canUpdateAdam(variable, first, second, gradient)) {
    updateAdam(variable, first, second, gradient, {decay1: beta1, decay2: beta2, scale: 1, epsilon, size, isAdaptive});
    return;
  }
  tf.tidy(() => {
    first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
    second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
    const direction = isAdaptive ? tf.div(first, tf.add(tf.sqrt(second), epsilon)) : first;
    variable.assign(tf.sub(variable, tf.mul(direction, size)));
  });
}
