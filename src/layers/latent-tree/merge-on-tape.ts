// Merging in its textbook form: at each step every neighbouring pair is composed, and all states are mixed by the choice.
// Choi, Yoo and Lee 2018, https://arxiv.org/abs/1707.02786
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {runningSum} from '../../ops/running-sum.js';
import {toFloat} from '../../ops/to-float.js';
import {composePair} from '../../ops/tree-lstm.js';
import {chooseMerges, estimateMerges, mergeLogits} from './choose-merges.js';
import {noTrees} from './no-trees.js';
import type {MergedLeaves, MergeOptions, TreeWeights} from './types.js';

/**
 * Merges by ops on the tape: for every backend, and for relaxed choices, whose states are mixtures. T (T - 1) / 2 compositions a sentence.
 * See `MergeLeaves`.
 */
export function mergeOnTape(
  leaves: tf.Tensor3D,
  lengths: tf.Tensor1D,
  weights: TreeWeights,
  options: MergeOptions = {},
): MergedLeaves {
  return tf.tidy(() => {
    const [batch, numLeaves, width] = leaves.shape;
    const units = width / 2;
    if (batch === 0) return noTrees(batch, numLeaves, units);
    const merges: tf.Tensor1D[] = [];
    let states = leaves;
    for (let step = 0; step < numLeaves - 1; ++step) {
      const numPairs = numLeaves - 1 - step;
      const left = tf.slice(states, [0, 0, 0], [batch, numPairs, width]);
      const right = tf.slice(states, [0, 1, 0], [batch, numPairs, width]);
      const composed = composePair(left, right, weights.kernel, weights.bias); // [B, pairs, 2 U]
      const pairsLeft = noGradient(() => tf.sub(lengths, 1 + step)) as tf.Tensor1D; // 0 and below: finished
      const logits = mergeLogits(scorePairs(composed as tf.Tensor3D, weights.query), pairsLeft);
      const chosen = chooseMerges(logits, pairsLeft, step, options);
      const sample = options.draws ? estimateMerges(logits, chosen, step, options.draws) : chosen;
      const isOpen = noGradient(() => tf.greater(pairsLeft, 0)); // [B]
      merges.push(tf.where(isOpen, tf.cast(tf.argMax(chosen, 1), 'int32'), tf.scalar(-1, 'int32')) as tf.Tensor1D);
      // The state at k stays where the chosen pair is at its right, moves down by one where it is at its left; a finished sentence's stays.
      const share = tf.mul(sample, toFloat(tf.expandDims(isOpen, 1))); // [B, pairs]
      const chosenSoFar = runningSum(share, 1);
      const mix = (x: tf.Tensor, weight: tf.Tensor) => tf.mul(x, tf.expandDims(weight, 2));
      states = tf.addN([
        mix(left, tf.sub(1, chosenSoFar)),
        mix(right, tf.sub(chosenSoFar, share)),
        mix(composed, share),
      ]) as tf.Tensor3D;
    }
    const root = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, units]), [batch, units]);
    const hidden = tf.mul(root, toFloat(tf.expandDims(tf.greater(lengths, 0), 1))) as tf.Tensor2D;
    return {
      hidden,
      merges: merges.length > 0 ? (tf.stack(merges, 1) as tf.Tensor2D) : (tf.zeros([batch, 0], 'int32') as tf.Tensor2D),
    };
  });
}

/** query . hidden / sqrt(U) of each pair. */
function scorePairs(composed: tf.Tensor3D, query: tf.Tensor1D): tf.Tensor2D {
  const [batch, numPairs] = composed.shape;
  const units = query.shape[0];
  const hidden = tf.reshape(tf.slice(composed, [0, 0, 0], [batch, numPairs, units]), [batch * numPairs, units]);
  const scores = tf.matMul(hidden as tf.Tensor2D, tf.reshape(query, [units, 1]) as tf.Tensor2D);
  return tf.div(tf.reshape(scores, [batch, numPairs]), Math.sqrt(units));
}
