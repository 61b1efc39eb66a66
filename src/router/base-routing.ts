// BASE layers: tokens are assigned so that every expert gets equally many. Lewis, Bhosale, Dettmers, Goyal and Zettlemoyer 2021, "BASE
// Layers: Simplifying Training of Large, Sparse Models", https://arxiv.org/abs/2103.16716.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {balancedAssignment} from './balanced-assignment.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {gatherWeights} from './gather-weights.js';
import {routerInput} from './router-input.js';
import type {RouterOptions, Routing} from './types.js';

/** A routing, and what the tokens themselves are multiplied with. The caller owns the tensors. */
export type BaseRouting = Routing & {
  /** float32 [T]: 1 - weights, the share of the token itself in the output; 0 for padding. Carries the router's gradient. */
  residualWeights: tf.Tensor1D;
};

/**
 * Routes each token to one expert: in training by the assignment with the largest sum of logits among those that give every expert
 * T / E tokens, rounded up or down, and else to the expert with the largest logit.
 *
 * With s the logit of the chosen expert f, a BASE layer's output is y = sigmoid(s) f(h) + (1 - sigmoid(s)) h: `weights` are sigmoid(s) and
 * `residualWeights` 1 - sigmoid(s). No balance loss is needed and no token is dropped. The assignment is exact and without gradient; it takes
 * some tens of milliseconds for 2048 tokens and 16 experts, and about T (E^2 + T) steps. A token's expert depends in training on all
 * other tokens, later ones included, and in evaluation on itself alone.
 *
 * @param logits float32 [T, E]. Differentiable. Outside training an expert at -Infinity is never chosen.
 * @param options.topK 1, if given.
 * @param options.training Whether to balance. Default false. Only on backends that keep tensors on the host.
 * @param options.mask [T]. 0 or false for padding, which counts in no load and has index -1 and zeros elsewhere. Default: all are real.
 * @returns indices int32 [T, 1]; weights float32 [T, 1]; residualWeights float32 [T]; probs float32 [T, E] = softmax(logits). Owned by the
 *   caller. `random` changes nothing.
 * @throws ValueError for another topK, for shapes that do not match, in training on GPU backends, for a real token with NaN, Infinity or no
 *   finite logit (on GPU backends its weights are NaN instead), and in training for one with -Infinity.
 * @example
 * const {indices, weights} = baseRouting(tf.tensor2d([[3, 0], [1, 0]]), {training: true});
 * // indices [[0], [1]], weights [[0.9526], [0.5]]
 */
export function baseRouting(logits: tf.Tensor2D, {topK = 1, training = false, mask}: RouterOptions = {}): BaseRouting {
  const owner = 'baseRouting';
  if (topK !== 1) throw new ValueError(`${owner}: topK must be 1, but got ${topK}. Use sinkhornRouting for more.`);
  if (training && !isOnHost()) {
    throw new ValueError(
      `${owner}: training needs the logits on the host, and backend "${tf.getBackend()}" keeps them on its device. ` +
        'Use sinkhornRouting, or the backend "wasm" or "cpu".',
    );
  }
  return tf.tidy(() => {
    const input = routerInput(owner, logits, 1, mask);
    const indices = training
      ? balancedIndices(owner, input.logits, mask)
      : chooseTopK(input.logits, 1, mask, input.refuseRow);
    const chosen = (x: tf.Tensor2D) => poisonBadRows(gatherWeights(x, indices), indices, mask); // [T, 1]
    return {
      indices,
      weights: chosen(tf.sigmoid(input.logits)),
      residualWeights: tf.reshape(chosen(tf.sigmoid(tf.neg(input.logits))), [logits.shape[0]]) as tf.Tensor1D,
      probs: input.withoutPadding(tf.softmax(input.logits)),
    };
  });
}

/** The best balanced assignment of the real tokens, int32 [T, 1]. */
function balancedIndices(owner: string, logits: tf.Tensor2D, mask: tf.Tensor1D | undefined): tf.Tensor2D {
  const [numTokens, numExperts] = logits.shape;
  const values = hostRead(logits);
  const isReal = mask && hostRead(mask);
  const tokens = Array.from({length: numTokens}, (_, t) => t).filter(t => isReal?.[t] !== 0);
  const scores = new Float32Array(tokens.length * numExperts);
  tokens.forEach((token, row) => {
    const ofToken = values.subarray(token * numExperts, (token + 1) * numExperts);
    if (!ofToken.every(Number.isFinite)) {
      throw new ValueError(
        `${owner}: token ${token} must have finite logits only: in training any token may go to any expert. Look for a diverged model.`,
      );
    }
    scores.set(ofToken, row * numExperts);
  });
  const experts = balancedAssignment(scores, tokens.length, numExperts);
  const indices = new Int32Array(numTokens).fill(-1);
  tokens.forEach((token, row) => {
    indices[token] = experts[row]!;
  });
  return tf.tensor2d(indices, [numTokens, 1], 'int32');
}
