// A hard draw with the continuous variable that it is a threshold of, and that variable drawn anew given the hard draw.
// Tucker et al. 2017 (REBAR), https://arxiv.org/abs/1703.07370, appendix; Grathwohl et al. 2018 (RELAX), https://arxiv.org/abs/1711.00123,
// appendix B. Here in logarithms, so that no uniform is rounded to 0 or 1 and nothing has to be clipped.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import {softmaxGradient} from '../../ops/softmax-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {topKMask} from '../../ops/top-k-mask.js';
import {noChoice} from '../../random/categorical.js';
import {conditionalGumbel} from '../../random/conditional-gumbel.js';
import {gumbelNoise} from '../../random/gumbel.js';
import type {RandomSource} from '../../random/random-source.js';
import {softmaxAt} from '../draw.js';
import {logisticNoise} from './draw.js';
import type {Distribution} from './types.js';

/** All of the logits' shape and cut from the tape. With log p the log-odds of bits, or log-softmax: */
export interface CoupledDraw {
  /** z: log p plus noise. dz / dlog p = 1. */
  free: tf.Tensor;
  /** b: the bits z > 0, or the one-hot of the largest z. */
  hard: tf.Tensor;
  /** z~: drawn from the distribution of z given b, as a function of log p and of noise that does not depend on it. */
  conditional: tf.Tensor;
  /** dz~ / dlog p at that noise, which is diagonal. */
  slope: tf.Tensor;
}

/** Draws z, then z~ given z's hard draw; one uniform a logit each, in this order. */
export function drawCoupled(
  owner: string,
  logits: tf.Tensor,
  distribution: Distribution,
  random: RandomSource,
): CoupledDraw {
  return distribution === 'binary' ? coupledBits(logits, random) : coupledCategories(owner, logits, random);
}

/**
 * With th = sigmoid(logit): v' = b (v th + 1 - th) + (1 - b) v (1 - th) and z~ = logit + log(v' / (1 - v')). For b = 1 this is
 * softplus(logit + log v) - log(1 - v), for b = 0 the same with logit -> -logit, v -> 1 - v, z~ -> -z~. The derivative through v'
 * is that of the softplus.
 */
function coupledBits(logits: tf.Tensor, random: RandomSource): CoupledDraw {
  const noise = logisticNoise(logits.shape, random);
  const free = noGradient(() => tf.add(logits, noise));
  const hard = noGradient(() => toFloat(tf.greater(free, 0)));
  const uniforms = random.uniform(logits.size);
  const logV = tf.tensor(Float32Array.from(uniforms, Math.log), logits.shape, 'float32');
  const logRest = tf.tensor(
    Float32Array.from(uniforms, v => Math.log1p(-v)),
    logits.shape,
    'float32',
  );
  const side = noGradient(() => tf.sub(tf.mul(2, hard), 1)); // multiplies infinite logits too, so never 0
  const choose = (ofOne: tf.Tensor, ofZero: tf.Tensor) => tf.add(tf.mul(hard, ofOne), tf.mul(tf.sub(1, hard), ofZero));
  const exponent = noGradient(() => tf.add(tf.mul(side, logits), choose(logV, logRest)));
  const conditional = noGradient(() => tf.mul(side, tf.sub(tf.softplus(exponent), choose(logRest, logV))));
  return {free, hard, conditional, slope: noGradient(() => tf.sigmoid(exponent))};
}

/**
 * With E = -log v and i the category drawn: z~_i = -log E_i and z~_j = -log(E_j / p_j + E_i). So z~_i does not depend on p, and
 * dz~_j / dlog p_j = (E_j / p_j) / (E_j / p_j + E_i) = 1 - exp(z~_j - z~_i).
 */
function coupledCategories(owner: string, logits: tf.Tensor, random: RandomSource): CoupledDraw {
  const logProbs = noGradient(() => tf.logSoftmax(logits));
  const noise = gumbelNoise(logits.shape, random);
  const free = noGradient(() => tf.add(logProbs, noise));
  const hard = noGradient(() =>
    topKMask(free, 1, row => {
      throw new ValueError(noChoice(owner, row));
    }),
  );
  const conditionalNoise = gumbelNoise(logits.shape, random);
  const conditional = noGradient(() => conditionalGumbel(logProbs, hard, conditionalNoise));
  const slope = noGradient(() => tf.sub(1, tf.exp(tf.sub(conditional, tf.max(conditional, -1, true)))));
  return {free, hard, conditional, slope};
}

/** The relaxed sample at z: sigmoid or softmax of z / relaxation. Not differentiable. */
export function soften(z: tf.Tensor, distribution: Distribution, relaxation: number): tf.Tensor {
  return distribution === 'binary' ? tf.sigmoid(tf.div(z, relaxation)) : softmaxAt(relaxation, z);
}

/** A gradient with respect to the relaxed sample as one with respect to z. Not differentiable. */
export function softenGradient(
  soft: tf.Tensor,
  gradient: tf.Tensor,
  distribution: Distribution,
  relaxation: number,
): tf.Tensor {
  if (distribution === 'categorical') return softmaxGradient(soft, gradient, relaxation);
  return tf.div(tf.mul(tf.mul(soft, tf.sub(1, soft)), gradient), relaxation);
}

/** A gradient with respect to log p as one with respect to the logits; differentiable in the gradient. */
export function toLogitGradient(gradient: tf.Tensor, probs: tf.Tensor, distribution: Distribution): tf.Tensor {
  if (distribution === 'binary') return gradient;
  return tf.sub(gradient, tf.mul(probs, tf.sum(gradient, -1, true)));
}
