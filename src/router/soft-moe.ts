// Soft mixture of experts (Puigcerver, Riquelme, Mustafa and Houlsby 2023, https://arxiv.org/abs/2308.00951): experts work on weighted means of tokens.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/** Options of `softMoEWeights`. */
export interface SoftMoEOptions {
  /** [B, S], any dtype: 1 or true for real tokens, 0 or false for padding. Default: all are real. */
  mask?: tf.Tensor2D;
}

/** How the tokens of a sequence are mixed into slots, and the slots' outputs back into tokens. The caller owns the tensors. */
export interface SoftMoEWeights {
  /** float32 [B, S, E * P]: the share of each token in a slot's input. Sums to 1 over the real tokens of a sequence. */
  dispatch: tf.Tensor3D;
  /** float32 [B, S, E * P]: the share of each slot's output in a token's. Sums to 1 over the slots for a real token. */
  combine: tf.Tensor3D;
}

/** Added to squared lengths, as in V-MoE: vectors much longer than 1e-3 get length 1, and zeros stay zeros with a finite gradient. */
const EPSILON = 1e-6;

/** The least difference of logits that leaves a padded token no share: exp(-200) is 0 in float32. */
const BELOW = 200;

/**
 * The weights of soft mixture of experts. With logits = normalize(tokens) . (scale * normalize(phi)), both normalised to length 1 over D:
 * dispatch = softmax of the logits over the sequence, combine = softmax over the slots.
 *
 * Expert e then sees the P rows dispatch' . tokens of its slots e P to e P + P - 1, and the layer's output is combine . outputs. Every expert
 * gets the same number of rows, so that no balance loss is needed and nothing is dropped; every weight is differentiable in all three tensors.
 * Not causal: a slot holds a mean over the whole sequence, so that a token's output depends on later tokens. Not for autoregressive models.
 *
 * @param tokens float32 [B, S, D]: sequences of tokens. Mixing stays within a sequence.
 * @param phi float32 [D, E * P]: one direction a slot, P slots an expert, those of one expert side by side.
 * @param scale A scalar, learned; 1 at the start in the paper.
 * @param options.mask [B, S]: padding gets no share of any slot and a zero row in `combine`. What a padded token holds, be it NaN, changes nothing.
 * @returns dispatch and combine; zeros for a sequence of only padding.
 * @throws ValueError for shapes that do not match and for phi without slots.
 * @example
 * const {dispatch, combine} = softMoEWeights(tf.ones([1, 4, 3]), tf.ones([3, 2]), tf.scalar(1));
 * dispatch.dataSync()[0]; // => 0.25
 * combine.dataSync()[0]; // => 0.5
 */
export function softMoEWeights(
  tokens: tf.Tensor3D,
  phi: tf.Tensor2D,
  scale: tf.Scalar,
  {mask}: SoftMoEOptions = {},
): SoftMoEWeights {
  const owner = 'softMoEWeights';
  checkShape(owner, 'tokens', tokens.shape, [null, null, null], '[batch, sequence, features]');
  const [batch, length, features] = tokens.shape;
  checkShape(owner, 'phi', phi.shape, [features, null], '[features, slots]');
  checkShape(owner, 'scale', scale.shape, [], 'of a scalar');
  if (mask) checkShape(owner, 'mask', mask.shape, [batch, length], '[batch, sequence]');
  const slots = phi.shape[1];
  if (slots === 0 || features === 0) {
    throw new ValueError(
      `${owner}: phi must have at least one feature and one slot, but got [${phi.shape.join(', ')}].`,
    );
  }
  const shape: [number, number, number] = [batch, length, slots];
  if (batch * length === 0) return {dispatch: tf.zeros(shape), combine: tf.zeros(shape)};

  return tf.tidy(() => {
    const isReal = mask && noGradient(() => tf.expandDims(tf.notEqual(toFloat(mask), 0), 2)); // [B, S, 1]
    const cleaned = isReal ? tf.where(isReal, tokens, tf.zerosLike(tokens)) : tokens;
    const rows = tf.reshape(normalize(cleaned, 2), [batch * length, features]);
    const directions = tf.mul(scale, normalize(phi, 0)) as tf.Tensor2D;
    const logits = tf.reshape(tf.matMul(rows, directions), shape) as tf.Tensor3D; // [B, S, E P]
    let dispatch = softmaxOverSequence(isReal ? belowAll(logits, isReal, scale) : logits);
    let combine = tf.softmax(logits);
    if (isReal) {
      const kept = noGradient(() => toFloat(isReal));
      dispatch = tf.mul(dispatch, kept);
      combine = tf.mul(combine, kept);
    }
    return {dispatch, combine};
  });
}

/** Puts the padding's logits so far below the real ones, which lie within +-scale, that its share is 0. */
function belowAll(logits: tf.Tensor3D, isReal: tf.Tensor, scale: tf.Scalar): tf.Tensor3D {
  const excluded = noGradient(() => tf.sub(-BELOW, tf.abs(scale)));
  return tf.where(isReal, logits, excluded) as tf.Tensor3D;
}

function normalize<T extends tf.Tensor>(x: T, axis: number): T {
  return tf.mul(x, tf.rsqrt(tf.add(tf.sum(tf.square(x), axis, true), EPSILON)));
}

/** Softmax over axis 1 of [B, S, N]. tf.softmax takes the last axis only. */
function softmaxOverSequence(x: tf.Tensor3D): tf.Tensor3D {
  return tf.transpose(tf.softmax(tf.transpose(x, [0, 2, 1])), [0, 2, 1]) as tf.Tensor3D;
}
