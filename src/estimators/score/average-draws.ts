// What a score-function estimator returns, from the losses at its hard draws.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import {withEstimate} from './objective.js';
import type {ScoreEstimate} from './types.js';

/**
 * The mean over batch and draws, with the estimate as its gradient, and the mean of each example.
 *
 * @param values The loss of each example at each hard draw, on the tape; at least one draw.
 * @param estimate Of the logits' shape: the estimated gradient of each example's expected loss. Not differentiated.
 */
export function averageDraws(values: tf.Tensor1D[], logits: tf.Tensor, estimate: tf.Tensor): ScoreEstimate {
  const mean = tf.div(sumOf(values), values.length) as tf.Tensor1D;
  return {loss: withEstimate(mean, logits, estimate), value: noGradient(() => tf.clone(mean))};
}
