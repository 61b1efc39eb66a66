// K choices a token, each among the experts that the earlier ones left: what the sparse router gradients have in common.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../../errors.js';
import {hostRead, isOnHost} from '../../ops/host-read.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {topKMask} from '../../ops/top-k-mask.js';
import {zeroOrNaN} from '../../ops/zero-or-nan.js';
import {categorical} from '../../random/categorical.js';
import {type RandomSource, unseeded} from '../../random/random-source.js';
import {hasNumber} from '../has-number.js';
import {type RouterInput, routerInput} from '../router-input.js';
import type {RouterOptions} from '../types.js';

/** Options of the routers that choose in turn. */
export interface ChoiceOptions extends RouterOptions {
  /** Serves tests: int32 [T, K], the experts to choose in place of a draw or of the largest score, in training and without. */
  given?: tf.Tensor2D;
}

/** One choice of every token, each float32 [T, E] and without gradient. */
export interface Turn {
  /** The scores of the experts that could be chosen, -Infinity for the others. */
  scores: tf.Tensor2D;
  /** softmax(scores): what the choice was drawn from. */
  probs: tf.Tensor2D;
  /** One-hot; a row of zeros for padding. */
  chosen: tf.Tensor2D;
}

/** The choices of a batch. */
export interface Choices {
  /** The logits, checked, with zeros for padding. */
  input: RouterInput;
  /** K of them. */
  turns: Turn[];
  /** int32 [T, K]: the experts in the order of their choice, -1 for padding. */
  indices: tf.Tensor2D;
  /** For further draws. */
  random: RandomSource;
}

/**
 * Chooses topK experts a token, one after another, each with the earlier ones at -Infinity. In training a choice is drawn from the softmax
 * of its scores, by inverting the distribution function: the law is that of the largest score plus Gumbel noise, for one uniform a token
 * in place of one an expert. Otherwise it is the largest score, of equal ones the first.
 *
 * @param owner The public function, for the errors.
 * @param logits float32 [T, E].
 * @param toScores Maps the logits that are left to scores of the same shape: masks experts, applies a temperature. Not taped.
 * @throws ValueError for a bad shape or topK, and for a real token with NaN, Infinity or fewer than topK finite logits (on GPU backends its
 *   weights are NaN instead).
 */
export function chooseInTurn(
  owner: string,
  logits: tf.Tensor2D,
  {topK = 1, training = false, random = unseeded(), mask, given}: ChoiceOptions,
  toScores: (left: tf.Tensor2D) => tf.Tensor2D,
): Choices {
  const input = routerInput(owner, logits, topK, mask);
  const [numTokens, numExperts] = logits.shape;
  if (given) checkGiven(owner, given, numTokens, topK, numExperts);
  const order = tf.range(0, numExperts, 1, 'float32');
  const choose = (scores: tf.Tensor2D, probs: tf.Tensor2D, turn: number): tf.Tensor2D => {
    if (given) {
      const index = toFloat(tf.slice(given, [0, turn], [numTokens, 1]));
      return toFloat(tf.equal(index, order)) as tf.Tensor2D;
    }
    return (training ? categorical(owner, probs, random) : topKMask(scores, 1, input.refuseRow)) as tf.Tensor2D;
  };
  const turns: Turn[] = [];
  let left = input.logits;
  for (let turn = 0; turn < topK; ++turn) {
    const earlier = turns.at(-1);
    if (earlier) left = without(left, earlier.chosen);
    const scores = noGradient(() => tf.clone(toScores(left)));
    const probs = noGradient(() => probsOf(scores));
    const chosen = noGradient(() => tf.clone(input.withoutPadding(choose(scores, probs, turn))));
    turns.push({scores, probs, chosen});
  }
  return {input, turns, indices: noGradient(() => indicesOf(turns, order)), random};
}

/** The softmax. On a device, which cannot refuse it, it is NaN in a row of nothing above -Infinity: webgl by itself has 0 / 0 = 1 there. */
function probsOf(scores: tf.Tensor2D): tf.Tensor2D {
  const probs = tf.softmax(scores);
  return isOnHost() ? probs : tf.add(probs, zeroOrNaN(hasNumber(scores)));
}

/** The logits with -Infinity at the chosen experts. No gradient. */
function without(logits: tf.Tensor2D, chosen: tf.Tensor2D): tf.Tensor2D {
  return noGradient(() => tf.where(tf.cast(chosen, 'bool'), tf.fill(logits.shape, Number.NEGATIVE_INFINITY), logits));
}

/** int32 [T, K]: where each row's 1 stands, -1 for rows of zeros, and for rows of NaN, which only a GPU backend lets come so far. */
function indicesOf(turns: Turn[], order: tf.Tensor): tf.Tensor2D {
  const columns = turns.map(({chosen}) => tf.sum(tf.mul(chosen, tf.add(order, 1)), 1, true));
  const numbers = tf.concat(columns, 1); // from 1 on
  const none = tf.zerosLike(numbers);
  return tf.cast(tf.sub(tf.where(tf.isNaN(numbers), none, numbers), 1), 'int32') as tf.Tensor2D;
}

/** That the experts exist and differ is checked where it can be read at once. */
function checkGiven(owner: string, given: tf.Tensor2D, numTokens: number, topK: number, numExperts: number): void {
  checkShape(owner, 'given', given.shape, [numTokens, topK], '[tokens, topK]');
  const values = isOnHost() ? Array.from(hostRead(given)) : [];
  for (let start = 0; start < values.length; start += topK) {
    const row = values.slice(start, start + topK);
    if (new Set(row).size < topK || row.some(e => !Number.isInteger(e) || e < 0 || e >= numExperts)) {
      throw new ValueError(
        `${owner}: given must hold different experts from 0 to ${numExperts - 1} in each row, but row ${start / topK} is ${show(row)}.`,
      );
    }
  }
}
