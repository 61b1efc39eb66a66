// Expert choice routing: each expert takes the tokens that score highest for it. Zhou et al. 2022, "Mixture-of-Experts with Expert Choice
// Routing", https://arxiv.org/abs/2202.09368, section 3.2.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {zeroOrNaN} from '../ops/zero-or-nan.js';
import {chooseTopKOnDevice} from './choose-top-k.js';
import {gatherWeights, gatherWeightsOnDevice} from './gather-weights.js';
import {hasNumber} from './has-number.js';
import {routerInput} from './router-input.js';
import type {Assignment, Routing} from './types.js';

/** Options of `expertChoice`. */
export interface ExpertChoiceOptions {
  /** How many tokens each expert takes, from 1 to T; in the paper the capacity factor times T / E. */
  capacity: number;
  /** [T], any dtype: 1 or true for real tokens, 0 or false for padding, which no expert takes. Default: all are real. */
  mask?: tf.Tensor1D;
}

/** What the experts chose, as a routing and as the assignment that goes with it. The caller owns the tensors. */
export type ExpertChoice = {
  /** indices, weights and probs, as of a router by tokens' choice. */
  routing: Routing;
  /** Experts as in the indices; the position is the rank of the token with its expert, the best at 0. */
  assignment: Assignment;
};

/**
 * Each expert takes the `capacity` tokens with the highest S[:, e], where S = softmax(logits) over the experts. A token is taken by any
 * number of experts, none included, and its output is the sum over them of S_te times the expert's.
 *
 * Every expert has the same load by construction: no balance loss is needed, and nothing is dropped from the assignment. Not causal: whether a
 * token is taken depends on the tokens after it, which leaks them in training and cannot be repeated in decoding one token at a time. Not
 * for autoregressive models. For the same reason a token's output depends on what else is in its batch.
 *
 * @param logits float32 [T, E]. An expert does not take a token whose logit for it is -Infinity. Differentiable.
 * @param options.capacity Tokens an expert takes, from 1 to T (1 for no tokens). With fewer to choose from it takes them all.
 * @param options.mask [T]. 0 or false for padding, which has indices -1 and zeros for weights and probs. Default: all are real.
 * @returns routing: indices int32 [T, K], the experts of each token in falling order of S, then -1; weights float32 [T, K] = S; probs
 *   float32 [T, E] = S. K is the largest number of experts of one token, at least 1, on backends that keep tensors on the host, and E on
 *   others. assignment: experts and positions int32 [T, K]. Of equal scores the lowest index comes first, of tokens and of experts.
 * @throws ValueError for shapes that do not match, for another capacity, and for a real token with NaN, Infinity or no finite logit (on GPU
 *   backends nobody takes it and its weights are NaN).
 * @example
 * const {routing} = expertChoice(tf.tensor2d([[2, 1], [1, 0], [0, 3]]), {capacity: 1});
 * // indices [[0], [-1], [1]], weights [[0.7311], [0], [0.9526]]
 */
export function expertChoice(logits: tf.Tensor2D, {capacity, mask}: ExpertChoiceOptions): ExpertChoice {
  const owner = 'expertChoice';
  return tf.tidy(() => {
    const input = routerInput(owner, logits, 1, mask);
    const [numTokens, numExperts] = logits.shape;
    checkCount(owner, 'capacity', capacity, 1, Math.max(1, numTokens));
    const probs = tf.softmax(input.logits);
    const refuseToken = (token: number): never => {
      throw new ValueError(`${owner}: token ${token} must have a finite logit and no NaN or Infinity.`);
    };
    const places = noGradient(() =>
      isOnHost()
        ? chooseTokensOnHost(input.logits, probs, capacity, mask, refuseToken)
        : chooseTokensOnDevice(input.logits, probs, capacity, mask),
    );
    const [indices, positions] = tf.unstack(places) as [tf.Tensor2D, tf.Tensor2D];
    let weights = gatherWeights(probs, indices);
    // A diverged token should be seen, although nobody takes it.
    if (!isOnHost() && numTokens > 0)
      weights = tf.add(
        weights,
        noGradient(() => zeroOrNaN(hasNumber(input.logits))),
      );
    const routing: Routing = {indices, weights, probs: input.withoutPadding(probs)};
    return {routing, assignment: {numExperts, capacity, experts: tf.clone(indices), positions}};
  });
}

/**
 * Experts and positions, int32 [2, T, K], by sorts on the host.
 *
 * @param probs softmax(logits), [T, E].
 * @param refuseToken Called with the number of a real token whose probabilities are NaN; it should throw.
 */
export function chooseTokensOnHost(
  logits: tf.Tensor2D,
  probs: tf.Tensor2D,
  capacity: number,
  mask: tf.Tensor1D | undefined,
  refuseToken: (token: number) => never,
): tf.Tensor3D {
  const [numTokens, numExperts] = logits.shape;
  const z = hostRead(logits);
  const s = hostRead(probs);
  const isReal = mask && hostRead(mask);
  const tokens = Array.from({length: numTokens}, (_, t) => t).filter(t => isReal?.[t] !== 0);
  for (const t of tokens) if (Number.isNaN(s[t * numExperts]!)) refuseToken(t);

  const choices = Array.from({length: numTokens}, (): {expert: number; position: number}[] => []);
  for (let expert = 0; expert < numExperts; ++expert) {
    const score = (t: number) => s[t * numExperts + expert]!;
    let candidates = tokens.filter(t => z[t * numExperts + expert]! > Number.NEGATIVE_INFINITY);
    if (candidates.length > capacity) {
      // Numbers alone are sorted many times faster than tokens by their numbers.
      const threshold = Float32Array.from(candidates, score).sort()[candidates.length - capacity]!;
      candidates = candidates.filter(t => score(t) >= threshold);
    }
    candidates.sort((a, b) => score(b) - score(a)); // stable: of equal ones the first token first
    candidates.slice(0, capacity).forEach((t, position) => {
      choices[t]!.push({expert, position});
    });
  }

  const topK = choices.reduce((most, ofToken) => Math.max(most, ofToken.length), 1);
  const places = new Int32Array(2 * numTokens * topK).fill(-1);
  choices.forEach((ofToken, t) => {
    ofToken.sort((a, b) => s[t * numExperts + b.expert]! - s[t * numExperts + a.expert]!);
    ofToken.forEach(({expert, position}, choice) => {
      places[t * topK + choice] = expert;
      places[(numTokens + t) * topK + choice] = position;
    });
  });
  return tf.tensor3d(places, [2, numTokens, topK], 'int32');
}

/** Experts and positions, int32 [2, T, E], by rounds of argMax on the device: one for each token that an expert may take, and E more. */
export function chooseTokensOnDevice(
  logits: tf.Tensor2D,
  probs: tf.Tensor2D,
  capacity: number,
  mask?: tf.Tensor1D,
): tf.Tensor3D {
  const [numTokens, numExperts] = logits.shape;
  if (numTokens === 0) return tf.zeros([2, 0, numExperts], 'int32');
  return tf.tidy(() => {
    const never = tf.fill(logits.shape, Number.NEGATIVE_INFINITY);
    let isOpen: tf.Tensor = tf.logicalAnd(tf.greater(logits, never), tf.greaterEqual(probs, 0)); // false for NaN
    if (mask) isOpen = tf.logicalAnd(isOpen, tf.expandDims(tf.notEqual(toFloat(mask), 0), 1));
    const scores = tf.where(isOpen, probs, never) as tf.Tensor2D;
    const ranks = tf.transpose(ranksOnDevice(tf.transpose(scores), capacity)); // [T, E]
    const taken = tf.where(tf.greaterEqual(ranks, 0), probs, never) as tf.Tensor2D;
    const experts = chooseTopKOnDevice(taken, numExperts); // -1 after a token's last expert
    const positions = tf.sub(gatherWeightsOnDevice(tf.add(ranks, 1) as tf.Tensor2D, experts), 1);
    return tf.stack([experts, tf.cast(positions, 'int32')]) as tf.Tensor3D;
  });
}

/** The rank of each entry in its row, the largest at 0, for the first `rounds`; -1 for the rest and for -Infinity. float32 [rows, n]. */
function ranksOnDevice(scores: tf.Tensor2D, rounds: number): tf.Tensor2D {
  const order = tf.range(0, scores.shape[1], 1, 'float32');
  let ranks: tf.Tensor = tf.fill(scores.shape, -1);
  let rest: tf.Tensor = tf.clone(scores);
  for (let round = 0; round < rounds; ++round) {
    const [nextRanks, nextRest] = tf.tidy(() => {
      const winner = tf.expandDims(toFloat(tf.argMax(rest, 1)), 1);
      const isWinner = tf.logicalAnd(tf.equal(winner, order), tf.greater(rest, Number.NEGATIVE_INFINITY));
      return [tf.where(isWinner, round, ranks), tf.where(isWinner, Number.NEGATIVE_INFINITY, rest)];
    });
    tf.dispose([ranks, rest]); // not at the end: there may be hundreds of rounds
    [ranks, rest] = [nextRanks!, nextRest!];
  }
  return ranks as tf.Tensor2D;
}
