// The coefficient of a control variate, which a state lets an optimizer train.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../../errors.js';

/** A trainable scalar. */
export function coefficient(owner: string, field: string, initial: number): tf.Variable<tf.Rank.R0> {
  if (!Number.isFinite(initial)) {
    throw new ValueError(`${owner}: ${field} must be a finite number, but got ${show(initial)}.`);
  }
  return tf.tidy(() => tf.variable(tf.scalar(initial)));
}
