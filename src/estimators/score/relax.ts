// RELAX: REINFORCE with a control variate that is the objective at a relaxed sample, and what a network adds to it.
// Grathwohl, Choi, Wu, Roeder and Duvenaud 2018, https://arxiv.org/abs/1711.00123. Departures from its code: z~ is differentiated through
// all of its dependence on the logits (without it the estimate is biased, https://github.com/duvenaud/relax/issues/6), and the
// temperature is not learned.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {checkState} from './check-state.js';
import type {ControlValue} from './control-network.js';
import {drawCoupled, soften, softenGradient, toLogitGradient} from './coupled-draw.js';
import {sampleMean} from './draw.js';
import {evaluate, evaluateWithGradient, perExample, withEstimate} from './objective.js';
import {RelaxState} from './relax-state.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `relax` can work with. */
export const RELAX_SUPPORT = {
  distributions: ['categorical', 'binary'],
  numSamples: {minimum: 1, fixed: true},
} as const satisfies ScoreSupport;

/** lambda where no state says otherwise. */
const RELAXATION = 0.1;

/**
 * RELAX: an unbiased estimate for objectives that are differentiable in a relaxed sample, from three evaluations of the objective.
 *
 * With z the logits' logarithms of probabilities plus noise, b its hard draw, z~ drawn from the distribution of z given b, p the mean of b
 * and c a control variate: g = (f(b) - c(z~)) (b - p) + dc(z)/dlogits - dc(z~)/dlogits. Here c(z) = s (f(soft) + r(context, z)), with soft
 * the sigmoid or softmax of z / lambda. Without a state s = 1, lambda = 0.1 and r = 0, which is REBAR with a fixed scale; its
 * variance may exceed that of REINFORCE. A state holds s and a network r, which `controlLoss` trains. Unbiased for every c.
 *
 * The objective is called once with the hard draw and twice with relaxed ones, z's then z~'s. Variables inside it get their gradient at
 * the hard draw only.
 *
 * @param objective The loss of each example, differentiable by a relaxed sample: a point of the simplex, or bits between 0 and 1.
 * @param logits float32 [batch, ..., categories], or [batch, ...] log-odds of bits. A category of -Infinity is masked.
 * @param options.distribution 'categorical' or 'binary'. Default 'categorical'.
 * @param options.random Source of noise: one uniform a logit for z, then one a logit for z~. Default: a fresh unseeded source.
 * @param options.state Made by `createRelaxState`.
 * @param options.context [batch, ...] what the state's network sees beside z; not used without a state.
 * @returns loss, value, and with a state controlLoss. The caller owns them.
 * @throws ValueError for bad logits or options, for a row of logits with nothing to choose from, for an objective that does not return
 *   the loss of each example, and for a state of another estimator or made for other sizes.
 * @see Grathwohl et al., Backpropagation through the Void: Optimizing Control Variates for Black-Box Gradient Estimation, 2018.
 *   https://arxiv.org/abs/1711.00123
 */
export function relax(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'relax';
  const {distribution, random} = resolveScoreOptions(owner, logits, options, RELAX_SUPPORT);
  const state = checkState(owner, options.state, RelaxState, 'createRelaxState');
  const relaxation = state?.relaxation ?? RELAXATION;

  return tf.tidy(() => {
    const network = state?.readNetwork(owner, logits, options.context);
    const {free, hard, conditional, slope} = drawCoupled(owner, logits, distribution, random);
    const probs = sampleMean(logits, distribution);
    const score = noGradient(() => tf.sub(hard, probs));
    const losses = evaluate(owner, objective, hard, 'hard');
    const value = noGradient(() => tf.clone(losses));

    /** c / s at z: its parts of the objective are cut from the tape, those of the network are on it for the weights. */
    const controlAt = (z: tf.Tensor): ControlValue => {
      const soft = noGradient(() => soften(z, distribution, relaxation));
      const relaxed = evaluateWithGradient(owner, objective, soft, 'relaxed');
      const ofValue = noGradient(() => tf.clone(relaxed.value));
      const ofGradient = noGradient(() => softenGradient(soft, relaxed.gradient, distribution, relaxation));
      const learned = network?.(z);
      if (learned === undefined) return {value: ofValue, gradient: ofGradient};
      return {value: tf.add(ofValue, learned.value), gradient: tf.add(ofGradient, learned.gradient)};
    };
    const atFree = controlAt(free);
    const atConditional = controlAt(conditional);

    // g = f(b) score - s (c(z~) score - d(c(z) - c(z~))), linear in s: first derivatives are all that controlLoss needs.
    const difference = tf.sub(atFree.gradient, tf.mul(slope, atConditional.gradient));
    const correction = tf.sub(
      tf.mul(perExample(atConditional.value, logits), score),
      toLogitGradient(difference, probs, distribution),
    );
    const reinforce = noGradient(() => tf.mul(perExample(value, logits), score));
    const estimate = tf.sub(reinforce, state ? tf.mul(state.scale, correction) : correction);
    const loss = withEstimate(losses, logits, estimate);
    return state ? {loss, value, controlLoss: tf.mean(tf.square(estimate)) as tf.Scalar} : {loss, value};
  });
}
