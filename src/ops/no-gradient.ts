// Cuts the tape: tfjs has no stopGradient, and the ops inside a customGrad are not recorded.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * Returns fn(), computed off the tape: no gradient flows through it, and fn may use ops that have none.
 *
 * The customGrad has no inputs, so nothing behind it is walked: log(0) or a comparison upstream does no harm.
 *
 * @param fn Computes a tensor of its own; what the caller owns must be cloned, since returning it would skip the cut.
 * @returns The tensor, owned by the caller.
 */
export function noGradient<T extends tf.Tensor>(fn: () => T): T {
  return tf.customGrad(() => ({value: fn(), gradFunc: () => []}))() as T;
}
