// Routing by a locality-sensitive hash: experts by the signs of random projections, so that tokens of like directions meet. The hash is
// that of Charikar 2002, "Similarity estimation techniques from rounding algorithms", https://doi.org/10.1145/509907.509965.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkShape, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {standardNormal} from '../random/normal.js';
import type {RandomSource} from '../random/random-source.js';
import {fixedRouting} from './fixed-routing.js';
import type {Routing} from './types.js';

/** Options of `lshRouting`. */
export interface LshRoutingOptions {
  /** E, a power of two: each projection's sign is one bit of the expert's number. */
  numExperts: number;
  /** What the projections are made from: `seeded(n)`. It is split and not advanced, so that the same source always gives the same routing. */
  random: RandomSource;
  /** [T], any dtype: 1 or true for real tokens, 0 or false for padding. Default: all are real. */
  mask?: tf.Tensor1D;
}

/**
 * Routes each token x to the expert sum_b 2^b [x . r_b > 0], with r_b the columns of a fixed normal matrix. There is nothing to learn, and
 * nothing has a gradient; a factor > 0 of the token changes nothing.
 *
 * @param tokens float32 [T, D].
 * @param options.numExperts E, a power of two.
 * @param options.random Seeded source of the projections.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, 1]; weights float32 [T, 1] of 1; probs float32 [T, E], one-hot. Owned by the caller.
 * @throws ValueError for a number of experts that is not a power of two, for shapes that do not match, and for a real token whose
 *   projections are NaN (on GPU backends its weight is NaN instead).
 * @example
 * lshRouting(tokens, {numExperts: 8, random: seeded(3)});
 */
export function lshRouting(tokens: tf.Tensor2D, {numExperts, random, mask}: LshRoutingOptions): Routing {
  const owner = 'lshRouting';
  checkCount(owner, 'numExperts', numExperts, 1);
  const numBits = Math.round(Math.log2(numExperts));
  if (2 ** numBits !== numExperts) {
    throw new ValueError(`${owner}: numExperts must be a power of two, but got ${numExperts}.`);
  }
  checkShape(owner, 'tokens', tokens.shape, [null, null], '[tokens, features]');
  const [numTokens, width] = tokens.shape;
  if (width === 0) throw new ValueError(`${owner}: tokens must have at least one feature, but got [${numTokens}, 0].`);
  if (mask) checkShape(owner, 'mask', mask.shape, [numTokens], '[tokens]');
  return tf.tidy(() => {
    if (numBits === 0 || numTokens === 0) return fixedRouting(tf.zeros([numTokens], 'int32'), numExperts, mask);
    const experts = noGradient(() => {
      const projections = standardNormal([width, numBits], random.split(width, numBits)) as tf.Tensor2D;
      const projected: tf.Tensor2D = tf.matMul(tokens, projections); // [T, bits]
      if (isOnHost()) refuseNaN(projected, mask);
      const values = tf.tensor1d(Array.from({length: numBits}, (_, bit) => 2 ** bit));
      const bits = toFloat(tf.greater(projected, 0));
      const expert = tf.sum(tf.mul(bits, values), 1);
      const hasNaN = tf.max(toFloat(tf.isNaN(projected)), 1);
      return tf.cast(tf.where(tf.greater(hasNaN, 0), tf.fill([numTokens], -1), expert), 'int32') as tf.Tensor1D;
    });
    return fixedRouting(experts, numExperts, mask);
  });
}

function refuseNaN(projected: tf.Tensor2D, mask: tf.Tensor1D | undefined): void {
  const numBits = projected.shape[1];
  const isReal = mask && hostRead(mask);
  const bad = hostRead(projected).findIndex(
    (value, i) => Number.isNaN(value) && isReal?.[Math.floor(i / numBits)] !== 0,
  );
  if (bad < 0) return;
  throw new ValueError(`lshRouting: token ${Math.floor(bad / numBits)} must be finite, but has NaN or Infinity.`);
}
