// The K experts with the highest scores, as indices. tf.topk has no gradient and reads back from the device on webgl.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {zeroOrNaN} from '../ops/zero-or-nan.js';
import {realTokens} from './router-input.js';

/**
 * The K largest scores of each token, the largest first; of equal ones the lowest index comes first. No gradient.
 *
 * @param scores float32 [T, E]. Experts at -Infinity are never chosen.
 * @param k K, from 1 to E.
 * @param mask [T], any dtype. Tokens with 0 choose nothing, whatever their scores are. Undefined: all are real.
 * @param onBadRow Called with the number of a real token that has NaN or fewer than K finite scores, on backends that keep tensors on the
 *   host; it should throw. On others the choices that such a token lacks are -1, and `poisonBadRows` makes its weights NaN.
 * @returns int32 [T, K], -1 for padding, owned by the caller.
 */
export function chooseTopK(
  scores: tf.Tensor2D,
  k: number,
  mask: tf.Tensor1D | undefined,
  onBadRow: (row: number) => never,
): tf.Tensor2D {
  return noGradient(() =>
    isOnHost() ? chooseTopKOnHost(scores, k, mask, onBadRow) : chooseTopKOnDevice(scores, k, mask),
  );
}

/** The choice by a loop over the values read from the backend. */
export function chooseTopKOnHost(
  scores: tf.Tensor2D,
  k: number,
  mask: tf.Tensor1D | undefined,
  onBadRow: (row: number) => never,
): tf.Tensor2D {
  const [numTokens, numExperts] = scores.shape;
  const values = hostRead(scores);
  const isReal = mask && hostRead(mask);
  const indices = new Int32Array(numTokens * k).fill(-1);
  const isTaken = new Uint8Array(numExperts);
  for (let token = 0; token < numTokens; ++token) {
    if (isReal && isReal[token] === 0) continue;
    const start = token * numExperts;
    isTaken.fill(0);
    for (let choice = 0; choice < k; ++choice) {
      let best = -1;
      let largest = Number.NEGATIVE_INFINITY;
      for (let e = 0; e < numExperts; ++e) {
        const value = values[start + e]!;
        if (Number.isNaN(value)) onBadRow(token);
        if (value > largest && isTaken[e] === 0) {
          largest = value;
          best = e;
        }
      }
      if (best < 0 || largest === Number.POSITIVE_INFINITY) onBadRow(token);
      isTaken[best] = 1;
      indices[token * k + choice] = best;
    }
  }
  return tf.tensor2d(indices, [numTokens, k], 'int32');
}

/** The choice by K rounds of argMax on the device. */
export function chooseTopKOnDevice(scores: tf.Tensor2D, k: number, mask?: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => {
    const order = tf.range(0, scores.shape[1], 1, 'float32');
    // 1 where the token has had a choice in every round so far, [T, 1]; argMax alone would pass over NaN.
    let isValid = tf.sub(1, tf.max(toFloat(tf.isNaN(scores)), 1, true));
    if (mask) isValid = tf.mul(isValid, realTokens(mask));
    let rest: tf.Tensor = scores;
    const choices: tf.Tensor[] = [];
    for (let choice = 0; choice < k; ++choice) {
      const winner = tf.expandDims(toFloat(tf.argMax(rest, 1)), 1); // [T, 1]
      const isWinner = tf.equal(winner, order);
      const best = tf.sum(tf.where(isWinner, rest, tf.zerosLike(rest)), 1, true);
      isValid = tf.mul(isValid, toFloat(tf.isFinite(best)));
      choices.push(tf.sub(tf.mul(isValid, tf.add(winner, 1)), 1)); // the winner, or -1
      rest = tf.where(isWinner, tf.fill(scores.shape, Number.NEGATIVE_INFINITY), rest);
    }
    return tf.cast(tf.concat(choices, 1), 'int32') as tf.Tensor2D;
  });
}

/**
 * On backends that keep tensors on a device: the weights of a real token that `chooseTopK` found too few experts for, as NaN, so that a
 * diverged model does not go unseen. On others, where such a token is refused, the weights as they are.
 *
 * @param weights float32 [T, K]. Differentiable.
 * @param indices int32 [T, K], as `chooseTopK` gave them.
 * @param mask [T]. Undefined: all tokens are real.
 */
export function poisonBadRows(weights: tf.Tensor2D, indices: tf.Tensor2D, mask: tf.Tensor1D | undefined): tf.Tensor2D {
  if (isOnHost()) return weights;
  const poison = noGradient(() => {
    const isBad = tf.max(toFloat(tf.less(indices, 0)), 1, true); // [T, 1]
    const isGood = tf.sub(1, mask ? tf.mul(isBad, realTokens(mask)) : isBad);
    return zeroOrNaN(isGood);
  });
  return tf.add(weights, poison);
}
