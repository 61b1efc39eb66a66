// One step of the weights, one of the choices: PyTorch's SGD and Adam with weight decay, as GDAS has them.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {clipByGlobalNorm} from '../shared/clip.js';
import {halfCosine} from '../shared/learning-rate.js';
import {CHOICES, WEIGHTS} from './presets.js';

/** Gradients in the order of the variables; null where the loss does not depend on one. */
export type Gradients = readonly (tf.Tensor | null)[];

/** The optimizer of the weights. */
export function makeWeightOptimizer(rate: number): tf.MomentumOptimizer {
  return tf.train.momentum(rate, WEIGHTS.momentum, true);
}

/** The optimizer of the choices. */
export function makeChoiceOptimizer(rate: number): tf.AdamOptimizer {
  return tf.train.adam(rate, CHOICES.beta1, CHOICES.beta2, CHOICES.epsilon);
}

/** The weights' learning rate, half a cosine from the first to the last. @param shareDone Of all steps, 0 to 1. */
export function weightRateAt(shareDone: number, first: number): number {
  return WEIGHTS.finalRate + (first - WEIGHTS.finalRate) * halfCosine(shareDone);
}

/**
 * Moves the weights that have a gradient: it is shortened to the norm, all of it together, and the decay comes after. The others stay as they
 * are, with their momentum, since no part of the step is theirs. (In GDAS' program, by PyTorch's way with gradients at the time, decay and momentum
 * went on moving what had once been drawn.)
 *
 * @param clip The greatest norm; 0 for any.
 */
export function applyWeightGradients(
  optimizer: tf.MomentumOptimizer,
  variables: readonly tf.Variable[],
  gradients: Gradients,
  {rate, clip}: {rate: number; clip: number},
): void {
  optimizer.setLearningRate(rate);
  tf.tidy(() => {
    const present = gradients.filter(gradient => gradient !== null);
    const clipped = (clip > 0 ? clipByGlobalNorm(present, clip) : present)[Symbol.iterator]();
    // All variables, since the optimizer knows its moments by position.
    const steps = variables.map((variable, i) => ({
      name: variable.name,
      tensor: gradients[i] === null ? null : tf.add(clipped.next().value as tf.Tensor, tf.mul(WEIGHTS.decay, variable)),
    }));
    optimizer.applyGradients(steps as Parameters<tf.MomentumOptimizer['applyGradients']>[0]);
  });
}

/** Moves the logits of the choices. */
export function applyChoiceGradient(optimizer: tf.AdamOptimizer, logits: tf.Variable, gradient: tf.Tensor): void {
  tf.tidy(() => {
    optimizer.applyGradients([{name: logits.name, tensor: tf.add(gradient, tf.mul(CHOICES.decay, logits))}]);
  });
}
