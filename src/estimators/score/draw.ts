// The hard draws of the score-function estimators.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../../errors.js';
import {hostRead, isOnHost} from '../../ops/host-read.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {categorical} from '../../random/categorical.js';
import type {RandomSource} from '../../random/random-source.js';
import type {Distribution} from './types.js';

/** Refuses logits that are not float32 [batch, ...] of rank 2 or more, and, on the host, NaN among log-odds. */
export function checkLogits(owner: string, logits: tf.Tensor, distribution: Distribution): void {
  if (logits.rank < 2 || logits.dtype !== 'float32' || logits.shape[logits.rank - 1] === 0) {
    const wanted = distribution === 'binary' ? '[batch, ..., bits]' : '[batch, ..., categories]';
    throw new ValueError(
      `${owner}: logits must be a float32 tensor of shape ${wanted}, but got ${logits.dtype} of shape ${show(logits.shape)}.`,
    );
  }
  // A row of categories with NaN is refused where it is drawn.
  if (distribution === 'binary' && isOnHost() && hostRead(logits).some(Number.isNaN)) {
    throw new ValueError(`${owner}: the logits hold NaN; look for a diverged model.`);
  }
}

/** P(bit = 1) or P(category), of the logits' shape: the mean of the sample. Cut from the tape. */
export function sampleMean(logits: tf.Tensor, distribution: Distribution): tf.Tensor {
  return noGradient(() => (distribution === 'binary' ? tf.sigmoid(logits) : tf.softmax(logits)));
}

/** log(u / (1 - u)), one a value, made on the host in float64: logits + this > 0 has probability sigmoid(logits). */
export function logisticNoise(shape: number[], random: RandomSource): tf.Tensor {
  const uniforms = random.uniform(tf.util.sizeFromShape(shape));
  const noise = Float32Array.from(uniforms, u => Math.log(u) - Math.log1p(-u));
  return tf.tensor(noise, shape, 'float32');
}

/** The bits of u > 1 - sigmoid(logits), one uniform each. Cut from the tape. */
export function drawBits(logits: tf.Tensor, random: RandomSource): tf.Tensor {
  return noGradient(() => toFloat(tf.greater(tf.add(logits, logisticNoise(logits.shape, random)), 0)));
}

/** One hard draw of each example: bits, or one-hot rows. Cut from the tape. */
export function drawHard(
  owner: string,
  logits: tf.Tensor,
  distribution: Distribution,
  random: RandomSource,
): tf.Tensor {
  if (distribution === 'binary') return drawBits(logits, random);
  return noGradient(() => categorical(owner, tf.softmax(logits), random));
}
