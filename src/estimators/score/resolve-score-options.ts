// Checks what every score-function estimator is given, and fills in the defaults.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkOneOf, show, ValueError} from '../../errors.js';
import {type RandomSource, unseeded} from '../../random/random-source.js';
import {checkLogits} from './draw.js';
import type {Distribution, ScoreOptions} from './types.js';

/** How many hard draws an estimator can work with. */
export interface SampleCounts {
  /** The fewest, and the default. */
  minimum: number;
  /** They come in groups of so many. Default: 1. */
  multipleOf?: number;
  /** Whether the minimum is the only choice. Default: false. */
  fixed?: boolean;
}

/** What an estimator can work with. */
export interface ScoreSupport {
  /** The first is the default. */
  distributions: readonly Distribution[];
  /** How many hard draws. */
  numSamples: SampleCounts;
}

/** Options with their defaults in place. */
export interface ResolvedScoreOptions {
  /** See ScoreOptions. */
  distribution: Distribution;
  /** See ScoreOptions. */
  numSamples: number;
  /** See ScoreOptions. */
  random: RandomSource;
}

/**
 * Checks logits and options in the name of an estimator. State and context are the estimator's own to check.
 *
 * @throws ValueError for a distribution or a number of samples that the estimator cannot work with, for logits that are not float32
 *   [batch, ...], and for a batch of no examples, whose mean loss does not exist.
 */
export function resolveScoreOptions(
  owner: string,
  logits: tf.Tensor,
  options: ScoreOptions,
  {distributions, numSamples: counts}: ScoreSupport,
): ResolvedScoreOptions {
  const {distribution = distributions[0]!, numSamples = counts.minimum, random = unseeded()} = options;
  checkOneOf(owner, 'distribution', distribution, distributions);
  checkNumSamples(owner, numSamples, counts);
  checkLogits(owner, logits, distribution);
  if (logits.size === 0) {
    throw new ValueError(`${owner}: logits must hold at least one example, but got shape ${show(logits.shape)}.`);
  }
  return {distribution, numSamples, random};
}

function checkNumSamples(owner: string, numSamples: number, {minimum, multipleOf = 1, fixed = false}: SampleCounts) {
  if (fixed && numSamples !== minimum) {
    throw new ValueError(`${owner}: numSamples must be ${minimum} or left out, but got ${show(numSamples)}.`);
  }
  checkCount(owner, 'numSamples', numSamples, minimum);
  if (numSamples % multipleOf !== 0) {
    throw new ValueError(`${owner}: numSamples must be a multiple of ${multipleOf}, but got ${numSamples}.`);
  }
}
