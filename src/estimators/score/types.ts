// The one signature of the score-function estimators, which evaluate the objective itself and not only its gradient.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from '../../random/random-source.js';

/**
 * The loss of each example at a sample: float32 [batch], for a sample of the logits' shape.
 *
 * It is called once an evaluation. `kind` says whether the sample is a draw ('hard': one-hot, or zeros and ones) or a point between
 * draws ('relaxed'), which some estimators ask for. The loss of an example may depend on that example's sample only.
 */
export type Objective = (sample: tf.Tensor, kind: 'hard' | 'relaxed') => tf.Tensor1D;

/**
 * What the logits mean. 'categorical': [batch, ..., categories], the last axis is the categories of one choice. 'binary': [batch, ...],
 * each entry is the log-odds of a bit of its own, P(bit = 1) = sigmoid(logit).
 */
export type Distribution = 'categorical' | 'binary';

/** What an estimator keeps from one call to the next, such as a baseline or a learned control variate. */
export interface ScoreState {
  /** All of it, for an optimizer and for a checkpoint. Those that `controlLoss` trains are trainable. */
  readonly variables: readonly tf.Variable[];
  /** Frees the variables. */
  dispose(): void;
}

/** Options that every score-function estimator takes. */
export interface ScoreOptions {
  /** What the logits mean. Default: 'categorical' where the estimator can do both, else 'binary'. */
  distribution?: Distribution;
  /** How many hard draws of each example the estimate averages over. The default is the estimator's smallest number. */
  numSamples?: number;
  /** Source of noise. Default: a fresh unseeded one. */
  random?: RandomSource;
  /** What lasts from call to call, made by the estimator's `create...State`. Default: nothing lasts and nothing is learned. */
  state?: ScoreState;
  /** [batch, ...] what a learned control variate may look at beside the sample, such as the encoder's input in a VAE. */
  context?: tf.Tensor;
}

/** What a score-function estimator returns; the caller owns the tensors. A type and not an interface, so that `tf.tidy` takes it. */
export type ScoreEstimate = {
  /**
   * The mean over batch and hard draws of the objective. Its gradient is the estimate with respect to the logits and, at the hard
   * draws, the ordinary one with respect to every variable inside the objective; variables of the state get nothing.
   */
  loss: tf.Scalar;
  /** float32 [batch]: the mean over hard draws of the objective, cut from the tape. */
  value: tf.Tensor1D;
  /**
   * The mean over batch and logits of the squared estimate. Its gradient reaches the trainable variables of the state alone: since the
   * estimate's mean does not depend on them, lowering it lowers the variance. Absent where nothing is learned. Minimise
   * `loss + controlLoss` in one step.
   */
  controlLoss?: tf.Scalar;
};

/** Estimates the gradient of E[objective(sample)] with respect to the logits that the sample is drawn from. */
export type ScoreEstimator = (objective: Objective, logits: tf.Tensor, options?: ScoreOptions) => ScoreEstimate;
