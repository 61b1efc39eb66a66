// Checks what every pathwise estimator is given, and fills in the defaults.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {checkPositive, checkShape, show, ValueError} from '../errors.js';
import {type RandomSource, unseeded} from '../random/random-source.js';
import type {EstimatorOptions} from './types.js';

/** Options with their defaults in place. */
export interface ResolvedOptions {
  /** See EstimatorOptions. */
  temperature: number;
  /** See EstimatorOptions. */
  random: RandomSource;
  /** See EstimatorOptions. */
  given: tf.Tensor | undefined;
}

/**
 * Checks logits and options in the name of an estimator.
 *
 * @throws ValueError for logits that are not a float32 tensor of rank 1 or more with a category at least, for a temperature that is not
 *   positive and finite, and for a given sample of another shape.
 */
export function resolveOptions(
  owner: string,
  logits: tf.Tensor,
  {temperature = 1, random = unseeded(), given}: EstimatorOptions,
): ResolvedOptions {
  if (logits.rank < 1 || logits.shape[logits.rank - 1] === 0 || logits.dtype !== 'float32') {
    throw new ValueError(
      `${owner}: logits must be a float32 tensor of shape [..., categories] with at least one category, ` +
        `but got ${logits.dtype} of shape ${show(logits.shape)}.`,
    );
  }
  checkPositive(owner, 'temperature', temperature);
  const rounded = Math.fround(temperature);
  if (rounded === 0 || rounded === Number.POSITIVE_INFINITY) {
    throw new ValueError(`${owner}: temperature must be within the range of float32, but got ${temperature}.`);
  }
  if (given !== undefined) checkShape(owner, 'given', given.shape, logits.shape, "the logits' shape");
  return {temperature, random, given};
}
