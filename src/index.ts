// The entry point tfjs-moe: the whole public surface but tfjs-moe/wasm and tfjs-moe/node, one name a line.
// SPDX-License-Identifier: Apache-2.0
import './register-gradients.js';

export {ValueError} from './errors.js';
export type {GappedStraightThroughOptions} from './estimators/gapped-straight-through.js';
export {gappedStraightThrough} from './estimators/gapped-straight-through.js';
export type {GumbelRaoOptions} from './estimators/gumbel-rao.js';
export {gumbelRao} from './estimators/gumbel-rao.js';
export {gumbelSoftmax, straightThroughGumbelSoftmax} from './estimators/gumbel-softmax.js';
export type {
  EstimatorAlias,
  EstimatorConfig,
  EstimatorEntry,
  EstimatorIdentifier,
  EstimatorName,
} from './estimators/registry.js';
export {ESTIMATOR_ALIASES, ESTIMATORS, getEstimator} from './estimators/registry.js';
export {reinmax} from './estimators/reinmax.js';
export {straightThrough} from './estimators/straight-through.js';
export type {DiscreteSample, Estimator, EstimatorOptions} from './estimators/types.js';
export {DiscreteRouter, discreteRouter} from './layers/discrete-router.js';
export type {DiscreteRouterArgs} from './layers/discrete-router-args.js';
export {GumbelMoE, gumbelMoE} from './layers/gumbel-moe.js';
export type {GumbelMoEArgs} from './layers/gumbel-moe-args.js';
export type {AuxiliaryLossWeights} from './layers/router-loss.js';
export type {RouterMetrics} from './layers/router-metrics.js';
export {resetRouterMetrics, routerMetrics} from './layers/router-metrics.js';
export type {Initializer, InitializerIdentifier, LayerArgs, SavedInitializer} from './layers/tfjs-types.js';
export {groupedMatMul} from './ops/grouped-mat-mul.js';
export type {RandomSource} from './random/random-source.js';
export {seeded, unseeded} from './random/random-source.js';
export {batchEntropy, entropyLoss, mutualInformation, tokenEntropy} from './router/entropy.js';
export {importanceLoss} from './router/importance-loss.js';
export type {LoadBalancingConvention, LoadBalancingOptions} from './router/load-balancing-loss.js';
export {loadBalancingLoss} from './router/load-balancing-loss.js';
export type {LoadLossOptions} from './router/load-loss.js';
export {loadLoss} from './router/load-loss.js';
export {routerZLoss} from './router/router-z-loss.js';
export type {TokenMaskOptions} from './router/tokens.js';
export type {Annealable, AnnealTemperatureOptions} from './training/anneal-temperature.js';
export {AnnealTemperature} from './training/anneal-temperature.js';
export type {RAdamOptions} from './training/radam.js';
export {RAdamOptimizer, radam} from './training/radam.js';
export type {RouterMonitorOptions} from './training/router-monitor.js';
export {RouterMonitor} from './training/router-monitor.js';
export type {ExponentialOptions, RampOptions, Schedule} from './training/schedules.js';
export {constantSchedule, cosineSchedule, exponentialSchedule, linearSchedule} from './training/schedules.js';
