// How routers read their logits: checked, and with padding taken out.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkShape, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/** The logits of a router, and what else it needs to know of its tokens. */
export interface RouterInput {
  /** float32 [T, E], zeros for padding whatever it held. Differentiable. */
  logits: tf.Tensor2D;
  /** Puts zeros in place of padding in a matrix of one row a token, such as [T, K]. Differentiable. */
  withoutPadding(x: tf.Tensor2D): tf.Tensor2D;
  /** Throws the error for a token that has too few experts to choose from. */
  refuseRow(row: number): never;
}

/**
 * Checks the arguments that all routers have.
 *
 * @param owner The public function, for the error messages.
 * @param logits float32 [T, E].
 * @param topK K, from 1 to E.
 * @param mask [T]. Undefined: all tokens are real.
 * @throws ValueError for shapes that do not match and for a topK out of range.
 */
export function routerInput(
  owner: string,
  logits: tf.Tensor2D,
  topK: number,
  mask: tf.Tensor1D | undefined,
): RouterInput {
  checkShape(owner, 'logits', logits.shape, [null, null], '[tokens, experts]');
  const [numTokens, numExperts] = logits.shape;
  if (numExperts === 0)
    throw new ValueError(`${owner}: logits must have at least one expert, but got [${numTokens}, 0].`);
  checkCount(owner, 'topK', topK, 1);
  if (topK > numExperts) {
    throw new ValueError(`${owner}: topK (=${topK}) must not exceed numExperts (=${numExperts}).`);
  }
  if (mask) checkShape(owner, 'mask', mask.shape, [numTokens], '[tokens]');
  const withoutPadding = (x: tf.Tensor2D) => (mask ? zerosForPadding(x, mask) : x);
  return {
    logits: withoutPadding(logits),
    withoutPadding,
    refuseRow: row => {
      throw new ValueError(
        `${owner}: token ${row} must have at least topK (=${topK}) finite logits and no NaN or Infinity. ` +
          'Mask fewer experts, and look for a diverged model.',
      );
    },
  };
}

/** float32 [T, 1]: 1 for real tokens, 0 for padding. Not differentiable. */
export function realTokens(mask: tf.Tensor1D): tf.Tensor2D {
  return tf.expandDims(toFloat(tf.notEqual(toFloat(mask), 0)), 1);
}

/** The rows of real tokens, and zeros for the others: a product with the mask would let NaN through. */
function zerosForPadding(x: tf.Tensor2D, mask: tf.Tensor1D): tf.Tensor2D {
  const isReal = noGradient(() => tf.cast(tf.tile(realTokens(mask), [1, x.shape[1]]), 'bool'));
  return tf.where(isReal, x, tf.zerosLike(x));
}
