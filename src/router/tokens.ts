// How the losses read a batch: one token a row, padding taken out, averages over the real tokens.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/** The option that every router loss takes. */
export interface TokenMaskOptions {
  /**
   * Which tokens are real: 1 or true for those, 0 or false for padding, of the shape of the leading axes; bool, int32
   * or float32. What a padded row holds, be it NaN, changes nothing. Default: all tokens are real.
   */
  mask?: tf.Tensor;
}

/** A batch of tokens with experts on the last axis. */
export interface Tokens {
  /** The length of the last axis, at least 1. */
  numExperts: number;
  /** Lays a tensor of the batch's shape out as [tokens, experts], with zeros for padding. */
  rows(x: tf.Tensor): tf.Tensor2D;
  /** The mean over the real tokens, [tokens, n] -> [n]; zeros where there are none. */
  mean(rows: tf.Tensor2D): tf.Tensor1D;
  /** The mean over the real tokens of each sequence of `length`, [tokens, n] -> [sequences, n]; zeros where there are none. */
  meanOfEach(rows: tf.Tensor2D, length: number): tf.Tensor2D;
  /** The mean over the sequences that have real tokens, [sequences] -> []; 0 where there are none. */
  overSequences(values: tf.Tensor1D, length: number): tf.Scalar;
}

/**
 * Checks a batch and computes a scalar from it, tidied.
 *
 * @param owner The public function, for the error messages.
 * @param field The name of its first tensor.
 * @param x That tensor, [..., experts].
 * @param mask The option of the same name.
 * @param loss Computes the scalar. It is not called for a batch of zero rows, whose loss is 0.
 */
export function lossOverTokens(
  owner: string,
  field: string,
  x: tf.Tensor,
  mask: tf.Tensor | undefined,
  loss: (tokens: Tokens) => tf.Tensor,
): tf.Scalar {
  return tf.tidy(() => {
    const tokens = tokensOf(owner, field, x, mask);
    return (tokens === undefined ? tf.scalar(0) : loss(tokens)) as tf.Scalar;
  });
}

/**
 * Checks a batch, as `lossOverTokens` does. Call it inside a tidy.
 *
 * @returns The tokens, or undefined for a batch of zero rows: on wasm a reduction over an empty axis returns what the
 *   memory held before.
 */
export function tokensOf(owner: string, field: string, x: tf.Tensor, mask: tf.Tensor | undefined): Tokens | undefined {
  const leading = x.shape.slice(0, -1);
  const numExperts = x.shape[x.rank - 1] ?? 0;
  if (numExperts === 0) {
    throw new ValueError(
      `${owner}: ${field} must have shape [..., numExperts] with at least one expert, but got [${x.shape.join(', ')}].`,
    );
  }
  if (mask) checkShape(owner, 'mask', mask.shape, leading, `of the tokens in ${field}`);
  const numTokens = tf.util.sizeFromShape(leading);
  if (numTokens === 0) return undefined;
  return mask ? masked(numTokens, numExperts, mask) : unmasked(numTokens, numExperts);
}

function unmasked(numTokens: number, numExperts: number): Tokens {
  return {
    numExperts,
    rows: x => tf.reshape(x, [numTokens, numExperts]),
    mean: rows => tf.mean(rows, 0),
    meanOfEach: (rows, length) => tf.mean(inSequences(rows, length), 1),
    overSequences: values => tf.mean(values),
  };
}

function masked(numTokens: number, numExperts: number, mask: tf.Tensor): Tokens {
  const weights: tf.Tensor2D = noGradient(() => {
    const isReal = tf.notEqual(toFloat(mask), 0);
    return toFloat(tf.reshape(isReal, [numTokens, 1]));
  });
  const isReal = noGradient(() => tf.cast(tf.tile(weights, [1, numExperts]), 'bool'));
  const count = noGradient(() => tf.maximum(1, tf.sum(weights)));
  return {
    numExperts,
    // A product with the weights would let NaN and infinities in padded rows through.
    rows: x => tf.where(isReal, tf.reshape(x, [numTokens, numExperts]), tf.zeros([numTokens, numExperts])),
    mean: rows => tf.div(tf.sum(tf.mul(rows, weights), 0), count),
    meanOfEach: (rows, length) => {
      const counts = noGradient(() => tf.maximum(1, tf.sum(inSequences(weights, length), 1))); // [sequences, 1]
      return tf.div(tf.sum(inSequences(tf.mul(rows, weights), length), 1), counts);
    },
    overSequences: (values, length) => {
      const numReal = noGradient(() => tf.maximum(1, tf.sum(tf.max(inSequences(weights, length), 1))));
      return tf.div(tf.sum(values), numReal);
    },
  };
}

/** [tokens, n] -> [sequences, tokens of one, n]. */
export function inSequences(rows: tf.Tensor2D, length: number): tf.Tensor3D {
  return tf.reshape(rows, [rows.shape[0] / length, length, rows.shape[1]]);
}
