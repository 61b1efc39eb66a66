// Routers whose weights are 1, with a gradient that an estimator makes up.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkPositive} from '../../errors.js';
import {customGradient} from '../../ops/custom-gradient.js';
import {noGradient} from '../../ops/no-gradient.js';
import {relativeLogits} from '../../ops/relative-logits.js';
import type {Routing} from '../types.js';
import {type ChoiceOptions, chooseInTurn} from './choose-in-turn.js';

/** Options of `sparseReinmax` and `sparseStraightThrough`. */
export interface SparseEstimatorOptions extends ChoiceOptions {
  /** Of the gradient alone, dimensionless, > 0. It never touches the draw. Default 1. */
  temperature?: number;
}

/** What the gradient of a draw is made of: float32 [T, E] each. `chosen` is one-hot and zeros for padding. */
export interface DrawnRows {
  chosen: tf.Tensor;
  /** softmax of the logits that were left. */
  probs: tf.Tensor;
  /** softmax of these over the temperature. */
  softened: tf.Tensor;
}

/**
 * Chooses in turn from the softmax of the logits, with weights of 1.
 *
 * @param gradient Maps g * chosen, [T, E], the gradient of the weights at the chosen experts, to that of the logits.
 */
export function routeWithUnitWeights(
  owner: string,
  logits: tf.Tensor2D,
  options: SparseEstimatorOptions,
  gradient: (drawn: DrawnRows, g: tf.Tensor, temperature: number) => tf.Tensor,
): Routing {
  const {temperature = 1} = options;
  checkPositive(owner, 'temperature', temperature);
  return tf.tidy(() => {
    const {input, turns, indices} = chooseInTurn(owner, logits, options, left => left);
    const weights = turns.map(({scores, probs, chosen}) => {
      const softened = temperature === 1 ? probs : noGradient(() => tf.softmax(relativeLogits(scores, temperature)));
      return customGradient(input.logits, (_, save) => {
        save([chosen, probs, softened]);
        return {
          value: tf.sum(chosen, 1, true),
          gradient: (g, [d, p, q]) => gradient({chosen: d!, probs: p!, softened: q!}, tf.mul(d!, g), temperature),
        };
      });
    });
    const all = tf.concat(weights, 1) as tf.Tensor2D;
    return {indices, weights: all, probs: input.withoutPadding(tf.softmax(input.logits))};
  });
}
