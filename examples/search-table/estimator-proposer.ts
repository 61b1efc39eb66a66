// Proposes cells by the estimators of the library: distributions over the cells are trained to be high on given functions.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type EstimatorConfig, getEstimator} from 'tfjs-moe/estimators';
import {NUM_EDGES, NUM_OPERATIONS} from './problem.js';
import {type Quadratic, valueAt} from './quadratic.js';
import {toTensors} from './quadratic-tensors.js';
import {bySeed, codesOf, streamOf} from './search.js';
import type {CreateProposer, Proposal} from './surrogate-search.js';

/** How the distributions are trained. */
export interface Training {
  /** Distributions of each seed, all from the uniform one on. */
  restarts: number;
  steps: number;
  /** Of Adam. */
  learningRate: number;
}

/**
 * Of the rates .1, .3 and 1 the one with the least regret of ReinMax after 60 to 300 evaluations on CIFAR-10, with the seeds 1,000,000 to
 * 1,000,124, which are not reported. At a rate of almost 0, when the draws stay uniform, the regret after 60 is more than four times as high.
 */
export const TRAINING: Training = {restarts: 4, steps: 15, learningRate: 0.3};

/** Proposes every cell that was drawn on the way. The estimator sees one draw a step of each distribution. */
export function estimatorProposer(estimator: EstimatorConfig, training = TRAINING): CreateProposer {
  const estimate = getEstimator(estimator);
  const {restarts, steps, learningRate} = training;
  return seeds => {
    const random = bySeed(seeds.map(seed => streamOf(seed, 'draws')));
    return async functions => {
      const shape = [seeds.length, restarts, NUM_EDGES, NUM_OPERATIONS];
      const objective = toTensors(functions);
      const logits = tf.tidy(() => tf.variable(tf.zeros(shape)));
      const optimizer = tf.train.adam(learningRate);
      const codes = tf.tidy(() =>
        Array.from({length: steps}, () => {
          let codes: tf.Tensor | undefined;
          const {grads} = tf.variableGrads(() => {
            const {sample} = estimate(logits, {random});
            codes = tf.keep(codesOf(sample)); // it outlives the tape
            return tf.neg(tf.sum(objective.valuesAt(sample))) as tf.Scalar;
          }, [logits]);
          optimizer.applyGradients([{name: logits.name, tensor: grads[logits.name]!}]);
          return codes!;
        }),
      );
      const drawn = tf.stack(codes, 1); // [seeds, steps, restarts]
      const cells = await drawn.data();
      tf.dispose([...codes, drawn, logits]);
      objective.dispose();
      optimizer.dispose();
      const each = steps * restarts;
      return functions.map((drawn, i) => proposalOf(cells.subarray(i * each, (i + 1) * each), drawn));
    };
  };
}

function proposalOf(codes: ArrayLike<number>, drawn: Quadratic): Proposal {
  const cells = Uint16Array.from(codes);
  return {cells, values: Float64Array.from(cells, cell => valueAt(drawn, cell))};
}
