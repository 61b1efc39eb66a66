// One choice of a merge in each sentence, from the scores of its neighbouring pairs.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {hostRead, isOnHost} from '../../ops/host-read.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {topKMask} from '../../ops/top-k-mask.js';
import {categorical, noChoice} from '../../random/categorical.js';
import type {MergeDraws, MergeOptions} from './types.js';

const OWNER = 'LatentTreeEncoder';

/**
 * The logits of a choice: the scores of the pairs that a sentence has, -Infinity beyond them. A sentence that is finished gets one pair of
 * logit 0, so that every row has something to choose from; the choice is forced and has no gradient.
 *
 * @param scores float32 [B, pairs].
 * @param numPairs int32 [B], how many of them each sentence has.
 */
export function mergeLogits(scores: tf.Tensor2D, numPairs: tf.Tensor1D): tf.Tensor2D {
  const [batch, width] = scores.shape;
  const column = tf.range(0, width, 1, 'int32');
  const padding = tf.tensor2d(
    new Float32Array(batch * width).map((_, i) => (i % width === 0 ? 0 : Number.NEGATIVE_INFINITY)),
    [batch, width],
  );
  return tf.where(tf.less(column, tf.expandDims(numPairs, 1)), scores, padding) as tf.Tensor2D;
}

/**
 * Chooses a pair of each row: the given one, a drawn one in training, or the one of the highest logit. Off the tape.
 *
 * @param logits float32 [B, pairs], as `mergeLogits` makes them.
 * @param numPairs int32 [B], how many pairs each sentence has; one that is finished chooses the first column.
 * @param step How many merges came before.
 * @returns One-hot float32 [B, pairs].
 * @throws ValueError if `given` names none of a sentence's pairs; where tensors are on a device that row is zeros.
 */
export function chooseMerges(
  logits: tf.Tensor2D,
  numPairs: tf.Tensor1D,
  step: number,
  {draws, given}: MergeOptions,
): tf.Tensor2D {
  return noGradient(() => {
    const [batch, width] = logits.shape;
    if (given) {
      const isOpen = tf.expandDims(tf.greater(numPairs, 0), 1);
      const named = tf.cast(tf.slice(given, [0, step], [batch, 1]), 'int32');
      const position = tf.where(isOpen, named, tf.scalar(0, 'int32') as tf.Tensor);
      if (isOnHost()) refuseOthers(hostRead(position), hostRead(numPairs), step);
      return toFloat(tf.equal(tf.range(0, width, 1, 'int32'), position));
    }
    if (draws) return categorical(OWNER, tf.softmax(logits), draws.random.split(step, 0));
    return topKMask(logits, 1, row => {
      throw new ValueError(noChoice(OWNER, row));
    });
  }) as tf.Tensor2D;
}

function refuseOthers(positions: ArrayLike<number>, numPairs: ArrayLike<number>, step: number): void {
  for (let sentence = 0; sentence < positions.length; ++sentence) {
    const position = positions[sentence]!;
    const count = numPairs[sentence]!;
    if (count > 0 && !(position >= 0 && position < count)) {
      throw new ValueError(
        `${OWNER}: given must name one of the ${count} pairs of sentence ${sentence} at merge ${step}, but got ${position}.`,
      );
    }
  }
}

/** The choice with the gradient of the estimator. */
export function estimateMerges(
  logits: tf.Tensor,
  chosen: tf.Tensor,
  step: number,
  {estimate, temperature, random}: MergeDraws,
): tf.Tensor {
  return estimate(logits, {temperature, random: random.split(step, 1), given: chosen}).sample;
}
