// Entropies of the routing, in nats, and the loss made of them: tokens should be sure of their expert, and experts
// equally in demand.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {lossOverTokens, type TokenMaskOptions, type Tokens} from './tokens.js';

/**
 * Below this the logarithm stays where it is. The slope of -p ln p is infinite at p = 0; here it is 69 there, so that a
 * softmax, which multiplies it by p, gives 0 and not NaN. What the sum loses is less than 1e-28.
 */
const SMALLEST = 1e-30;

/** Sum of -p ln p over the last axis, kept. */
function entropy(probs: tf.Tensor): tf.Tensor {
  return tf.neg(tf.sum(tf.mul(probs, tf.log(tf.maximum(probs, SMALLEST))), -1, true));
}

/** The mean over tokens of each one's entropy. */
function ofTokens(tokens: Tokens, probs: tf.Tensor): tf.Tensor {
  return tf.reshape(tokens.mean(entropy(tokens.rows(probs)) as tf.Tensor2D), []);
}

/** The entropy of the mean over tokens. */
function ofBatch(tokens: Tokens, probs: tf.Tensor): tf.Tensor {
  return tf.reshape(entropy(tokens.mean(tokens.rows(probs))), []);
}

/**
 * Token entropy: the mean over tokens of H(p) = -sum_e p_e ln p_e. 0 if each token is sure of its expert, ln numExperts
 * if none prefers any.
 *
 * @param probs float32 [..., numExperts]. Probabilities; differentiable, also at 0 and 1.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, in nats, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 */
export function tokenEntropy(probs: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('tokenEntropy', 'probs', probs, mask, tokens => ofTokens(tokens, probs));
}

/**
 * Batch entropy: H of the mean probabilities. ln numExperts if the experts are equally in demand, 0 if one has all of
 * it.
 *
 * @param probs float32 [..., numExperts]. Probabilities; differentiable, also at 0 and 1.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, in nats, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 */
export function batchEntropy(probs: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('batchEntropy', 'probs', probs, mask, tokens => ofBatch(tokens, probs));
}

/**
 * Mutual information between token and expert: batch entropy minus token entropy, from 0 to ln numExperts. High if
 * tokens are sure and the experts equally in demand.
 *
 * @param probs float32 [..., numExperts]. Probabilities; differentiable, also at 0 and 1.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, in nats, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 */
export function mutualInformation(probs: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('mutualInformation', 'probs', probs, mask, tokens =>
    tf.sub(ofBatch(tokens, probs), ofTokens(tokens, probs)),
  );
}

/**
 * Entropy loss: token entropy minus batch entropy, which is minus the mutual information; from -ln numExperts, the
 * goal, to 0.
 *
 * @param probs float32 [..., numExperts]. Probabilities; differentiable, also at 0 and 1.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, in nats, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 */
export function entropyLoss(probs: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('entropyLoss', 'probs', probs, mask, tokens =>
    tf.sub(ofTokens(tokens, probs), ofBatch(tokens, probs)),
  );
}
