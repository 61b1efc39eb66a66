// What the three versions of SparseMixer share: a masked draw, a weight that is its probability or a fraction of it, and one custom gradient.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkBoolean, checkOneOf, checkRange, checkShape} from '../../errors.js';
import {customGradient} from '../../ops/custom-gradient.js';
import {noGradient} from '../../ops/no-gradient.js';
import {softmaxGradient} from '../../ops/softmax-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {topKMask} from '../../ops/top-k-mask.js';
import type {Routing} from '../types.js';
import {type ChoiceOptions, type Choices, chooseInTurn, type Turn} from './choose-in-turn.js';
import {jitterMask} from './jitter-mask.js';

/** Options of `sparseMixer`, `sparseMixerV2` and `sparseMixerV2Star`. */
export interface SparseMixerOptions extends ChoiceOptions {
  /**
   * How far an expert's score may lie below the best one's to be drawn, at least 0, dimensionless: see `jitterMask`. It acts without
   * training as well, so that a saved model must keep it. Default 0.1.
   */
  jitter?: number;
  /**
   * In training, what the gradient of the chosen expert's output is multiplied with. `'code'`: the weight, as in the published code.
   * `'paper'`: as in the papers' algorithms, the chosen expert's probability, and twice that in `sparseMixerV2Star`. Default: `'code'` for
   * versions 1 and 2, and `'paper'` for 2*, which has no published code.
   */
  expertGradient?: 'code' | 'paper';
  /** Serves tests: [T, K], 1 or 0 in place of the coin that says whether a weight in training is the full probability. */
  givenCoin?: tf.Tensor2D;
  /** Serves tests: whether the likeliest expert, when drawn, always has the full probability. Without it the orders are exact. Default true. */
  argmaxRule?: boolean;
}

/** What sets the versions apart. */
export interface SparseMixerRule {
  /** What the logits are divided by. */
  temperature: number;
  /** The probability that the coin gives the full weight. */
  fullWeight: number;
  /** The weight is this fraction of the probability otherwise. */
  fraction: number;
  /** In training the gradient of the weight passes to the probability times this. */
  gradientFactor: number;
  /** With `'paper'` the expert's gradient is multiplied with the probability times this. */
  paperFactor: number;
  /** The default of the option. */
  expertGradient: 'code' | 'paper';
}

/** Chooses and weighs by a rule; `probs` are left to the caller, who tidies. */
export function routeSparseMixer(
  owner: string,
  logits: tf.Tensor2D,
  options: SparseMixerOptions,
  rule: SparseMixerRule,
): Omit<Routing, 'probs'> & {choices: Choices} {
  const {training = false, jitter = 0.1, expertGradient = rule.expertGradient, givenCoin, argmaxRule = true} = options;
  const {temperature, gradientFactor} = rule;
  checkRange(owner, 'jitter', jitter, 0);
  checkOneOf(owner, 'expertGradient', expertGradient, ['code', 'paper'] as const);
  checkBoolean(owner, 'argmaxRule', argmaxRule);
  const choices = chooseInTurn(owner, logits, options, left => {
    const scores = jitterMask(left, jitter);
    return temperature === 1 ? scores : tf.div(scores, temperature);
  });
  const {input, turns, indices} = choices;
  if (givenCoin) checkShape(owner, 'givenCoin', givenCoin.shape, indices.shape, '[tokens, topK]');

  const numTokens = logits.shape[0];
  const toss = (turn: number): tf.Tensor => {
    if (givenCoin) return toFloat(tf.slice(givenCoin, [0, turn], [numTokens, 1]));
    const isFull = Float32Array.from(choices.random.uniform(numTokens), u => Number(u < rule.fullWeight));
    return tf.tensor2d(isFull, [numTokens, 1]);
  };
  const shareOf = ({scores, chosen}: Turn, turn: number): tf.Tensor => {
    if (!training) return tf.ones([numTokens, 1]);
    const coin = toss(turn);
    const isLargest = argmaxRule ? tf.sum(tf.mul(chosen, topKMask(scores, 1, input.refuseRow)), 1, true) : 0;
    return tf.maximum(tf.maximum(coin, isLargest), rule.fraction);
  };

  const weights = turns.map((turn, i) =>
    customGradient(input.logits, (_, save) => {
      save([turn.chosen, turn.probs]);
      const factor = training ? gradientFactor : 1;
      return {
        value: tf.mul(probOfChosen(turn), shareOf(turn, i)),
        gradient: (g, [chosen, probs]) => softmaxGradient(probs!, tf.mul(chosen!, tf.mul(factor, g)), temperature),
      };
    }),
  );
  const routing = {indices, weights: tf.concat(weights, 1) as tf.Tensor2D, choices};
  if (!training || expertGradient === 'code') return routing;
  const ofExpert = () => tf.mul(rule.paperFactor, tf.concat(turns.map(probOfChosen), 1)) as tf.Tensor2D;
  return {...routing, expertGradientWeights: noGradient(ofExpert)};
}

/** [T, 1]: the probability of the chosen expert, 0 for padding. */
function probOfChosen({probs, chosen}: Turn): tf.Tensor {
  return tf.sum(tf.mul(probs, chosen), 1, true);
}
