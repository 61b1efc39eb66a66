// Settings for each method of gumbel-rao-vae. Paulus et al. 2021, https://arxiv.org/abs/2010.04838, chose temperature and learning rate
// of each by a random search of 20 runs, and report two temperatures; the rest is ours.
// SPDX-License-Identifier: Apache-2.0
import {type EstimatorName, SCORE_ESTIMATORS, type ScoreEntry} from 'tfjs-moe/estimators';
import {controlLearningRate} from '../sampled-vae/controls.js';
import {isScore, type MethodName} from '../sampled-vae/methods.js';
import type {Preset} from '../sampled-vae/program.js';

/** How many hard draws a method takes where the user names no number: as few as it can, one wherever the paper has one. */
export function defaultNumSamples(method: MethodName): number {
  const {minimum}: ScoreEntry['numSamples'] = isScore(method) ? SCORE_ESTIMATORS[method].numSamples : {minimum: 1};
  return minimum;
}

/** Of straightThroughGumbelSoftmax and gumbelRao (with 1,000 noise samples) the best on average in the paper; the others are near those of bernoulli-vae. */
const TEMPERATURES: Record<EstimatorName, number> = {
  reinmax: 1.1,
  straightThrough: 1.3,
  straightThroughGumbelSoftmax: 0.65,
  gumbelSoftmax: 0.65,
  gumbelRao: 0.35,
  gappedStraightThrough: 0.7,
};

/**
 * SGD with momentum, as in the paper. The rates are those of three, apart by factors of 3, with which runs of some hundred updates at arity
 * 8 got furthest, in batches of 20 and of 200. At 1e-4 and batches of 20 REINFORCE, whose baseline starts at 0, makes the codes certain
 * at once, and they stay so.
 */
const PATHWISE_RATE = 3e-3;
const SCORE_RATE = 3e-4;
const REINFORCE_RATE = 3e-5;
/** Of Adam, for what a method learns where that has no rate of its own. */
const CONTROL_RATE = 1e-3;

/** Settings for a method, the same for each arity, data set and batch size. */
export function presetFor(method: MethodName): Preset {
  const shared = {optimizer: 'momentum', controlLearningRate: controlLearningRate(method, CONTROL_RATE)} as const;
  if (!isScore(method)) return {...shared, learningRate: PATHWISE_RATE, temperature: TEMPERATURES[method]};
  return {...shared, learningRate: method === 'reinforce' ? REINFORCE_RATE : SCORE_RATE, temperature: null};
}
