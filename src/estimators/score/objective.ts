// Evaluates the objective of a score-function estimator, and puts the estimate on the tape.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import type {Objective} from './types.js';

/** The objective and its gradient with respect to the sample. */
export interface Evaluation {
  /** float32 [batch], on the tape for the variables inside the objective. */
  value: tf.Tensor1D;
  /** Of the sample's shape, cut from the tape. */
  gradient: tf.Tensor;
}

/** The loss of each example, on the tape for the variables inside the objective. */
export function evaluate(
  owner: string,
  objective: Objective,
  sample: tf.Tensor,
  kind: 'hard' | 'relaxed',
): tf.Tensor1D {
  const value = objective(sample, kind);
  const batch = sample.shape[0]!;
  if (!(value instanceof tf.Tensor) || value.rank !== 1 || value.shape[0] !== batch) {
    const got = value instanceof tf.Tensor ? `a tensor of shape ${show(value.shape)}` : show(value);
    throw new ValueError(
      `${owner}: objective must return the loss of each example, a tensor of shape [batch] = [${batch}], but got ${got}.`,
    );
  }
  return value.dtype === 'float32' ? value : toFloat(value); // of booleans, tfjs' sums and differences are wrong
}

/** The same with the gradient with respect to the sample, in one evaluation. */
export function evaluateWithGradient(
  owner: string,
  objective: Objective,
  sample: tf.Tensor,
  kind: 'hard' | 'relaxed',
): Evaluation {
  // A gradient within a gradient: the value stays on the outer tape, and what the inner one has computed is cut from it. The losses of
  // the examples are summed, which keeps them apart, since each depends on its own sample only.
  const {value, grads} = tf
    .engine()
    .gradients(() => evaluate(owner, objective, sample, kind), [sample], undefined, true);
  const [gradient] = grads as (tf.Tensor | undefined)[];
  if (gradient === undefined) {
    throw new ValueError(
      `${owner}: objective must depend on the sample through differentiable operations, and does not where kind is ${show(kind)}. ` +
        'Without a gradient there are reinforce, leaveOneOut, disarm and arms.',
    );
  }
  return {value, gradient: noGradient(() => tf.clone(gradient))};
}

/** Coefficients [batch] in a shape that multiplies a tensor of the sample's shape. */
export function perExample(coefficients: tf.Tensor, sample: tf.Tensor): tf.Tensor {
  return tf.reshape(coefficients, [coefficients.shape[0]!, ...new Array<number>(sample.rank - 1).fill(1)]);
}

/**
 * The mean of the values, which sends `estimate / batch` to the logits, and to the values what a mean sends.
 *
 * @param values float32 [batch], on the tape.
 * @param estimate Of the logits' shape: the estimated gradient of each example's expected loss. Not differentiated.
 */
export function withEstimate(values: tf.Tensor1D, logits: tf.Tensor, estimate: tf.Tensor): tf.Scalar {
  const batch = logits.shape[0]!;
  const attach = tf.customGrad((...args) => {
    const [mean, , save] = args as [tf.Tensor, tf.Tensor, (tensors: tf.Tensor[]) => void];
    save([estimate]);
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]) => [tf.clone(dy), tf.mul(saved!, tf.div(dy, batch))];
    return {value: tf.clone(mean), gradFunc: gradFunc as (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[]};
  });
  return attach(tf.mean(values), logits) as tf.Scalar;
}
