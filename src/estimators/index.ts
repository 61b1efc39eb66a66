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
export {arms} from './score/arms.js';
export {disarm} from './score/disarm.js';
export {createDoubleCVState, type DoubleCVState, doubleCV} from './score/double-cv.js';
export {foust} from './score/foust.js';
export {leaveOneOut} from './score/leave-one-out.js';
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
export {createReinforceState, type ReinforceState, type ReinforceStateOptions, reinforce} from './score/reinforce.js';
export {relax} from './score/relax.js';
export {createRelaxState, type RelaxState, type RelaxStateOptions} from './score/relax-state.js';
export type {SampleCounts, ScoreSupport} from './score/resolve-score-options.js';
export {rodeo} from './score/rodeo.js';
export {createRodeoState, type RodeoState, type RodeoStateOptions} from './score/rodeo-state.js';
export type {Surrogates} from './score/stein-operator.js';
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
