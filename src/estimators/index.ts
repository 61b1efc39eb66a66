// The entry point tfjs-moe/estimators.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';

export {type RandomSource, seeded, unseeded} from '../random/random-source.js';
export {type GappedStraightThroughOptions, gappedStraightThrough} from './gapped-straight-through.js';
export {type GumbelRaoOptions, gumbelRao} from './gumbel-rao.js';
export {gumbelSoftmax, straightThroughGumbelSoftmax} from './gumbel-softmax.js';
export {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorAlias,
  type EstimatorConfig,
  type EstimatorEntry,
  type EstimatorIdentifier,
  type EstimatorName,
  getEstimator,
} from './registry.js';
export {reinmax} from './reinmax.js';
export {
  getScoreEstimator,
  SCORE_ESTIMATOR_ALIASES,
  SCORE_ESTIMATORS,
  type ScoreEntry,
  type ScoreEstimatorAlias,
  type ScoreEstimatorConfig,
  type ScoreEstimatorIdentifier,
  type ScoreEstimatorName,
  type ScoreStateOptions,
} from './score/registry.js';
export type {
  Distribution,
  Objective,
  ScoreEstimate,
  ScoreEstimator,
  ScoreOptions,
  ScoreState,
} from './score/types.js';
export {straightThrough} from './straight-through.js';
export type {DiscreteSample, Estimator, EstimatorOptions} from './types.js';
