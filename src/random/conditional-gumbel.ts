// Gumbel-perturbed logits given which of them is the largest: the conditional that Rao-Blackwellisation averages over.
// Maddison, Tarlow and Minka 2014, "A* Sampling"; in this form Paulus, Maddison and Krause 2021, eq. 9, https://arxiv.org/abs/2010.04838.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * logits + G, with G Gumbel noise drawn on condition that the given category has the maximum.
 *
 * With Z = sum exp(logits) and E = exp(-G) unconditional: c_i = log Z - log E_i at the given category i, and elsewhere
 * c_j = -log(E_j / exp(logits_j) + E_i / Z). Both are written in logarithms, so that extreme and masked logits stay finite or
 * -Infinity. Computes with ops that have no gradient: call it inside `noGradient` or a custom gradient.
 *
 * @param logits float32 [..., categories]; -Infinity masks a category, which then stays at -Infinity.
 * @param given One-hot [..., categories]: the category with the maximum.
 * @param noise Unconditional Gumbel noise, [..., categories] or with further leading axes, one sample each.
 * @returns The perturbed logits, of the noise's shape, owned by the caller.
 */
export function conditionalGumbel(logits: tf.Tensor, given: tf.Tensor, noise: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const logZ = tf.logSumExp(logits, -1, true);
    const top = tf.sum(tf.mul(noise, given), -1, true); // -log E_i, [..., 1]
    // log(E_j / p_j + E_i) = log E_i + softplus(log E_j - log p_j - log E_i), with log E = -noise and p = exp(logits) / Z.
    const excess = tf.softplus(tf.sub(tf.sub(top, noise), tf.sub(logits, logZ)));
    return tf.add(logZ, tf.sub(top, tf.mul(excess, tf.sub(1, given))));
  });
}
