// The arguments of a discrete router: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkBoolean, checkCount, checkOneOf, checkPositive, checkRange, ValueError} from '../errors.js';
import {type EstimatorIdentifier, getEstimator} from '../estimators/registry.js';
import {seeded} from '../random/random-source.js';
import type {AuxiliaryLossWeights} from './router-loss.js';
import type {InitializerIdentifier, LayerArgs} from './tfjs-types.js';

/** Arguments of `discreteRouter`. */
export interface DiscreteRouterArgs extends LayerArgs, Partial<AuxiliaryLossWeights> {
  /** E, the number of categories to choose from, at least 1. */
  numExperts: number;
  /** Which estimator gives the choice its gradient: a name, an alias, `{name, ...options}`, or a function (not saved). Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
  /** Initial temperature of the estimator, dimensionless, > 0. Kept as a weight, which `AnnealTemperature` writes. Default 1. */
  temperature?: number;
  /** K, how many to choose, from 1 to numExperts: drawn one after another without replacement. Default 1. */
  topK?: number;
  /** Whether the logits have a learned bias. Default false. */
  useBias?: boolean;
  /** Initializer of the kernel [features, numExperts]. Default 'glorotUniform'. */
  kernelInitializer?: InitializerIdentifier;
  /** Half-width of the multiplicative noise, uniform in [1 - jitter, 1 + jitter], on the router's input in training; 0 to 1. Default 0. */
  jitter?: number;
  /** Makes initial weights and noise a function of the seed, the layer's name and its step. Default: different each time. */
  seed?: number;
  /** How the auxiliary losses reach the gradient: through `addLoss`, or injected where the output leaves the layer. Default 'addLoss'. */
  auxLoss?: 'addLoss' | 'inject';
}

/** The arguments with their defaults in place, without those of every layer. */
export type ResolvedRouterArgs = Required<Omit<DiscreteRouterArgs, keyof LayerArgs | 'seed'>> & {
  seed: number | undefined;
};

const AUXILIARY_LOSSES = ['addLoss', 'inject'] as const;

/** Fills in defaults and refuses, in the name of DiscreteRouter, what the layer cannot work with. */
export function resolveRouterArgs({
  numExperts,
  estimator = 'reinmax',
  temperature = initialTemperature(estimator),
  topK = 1,
  useBias = false,
  kernelInitializer = 'glorotUniform',
  jitter = 0,
  seed,
  loadBalancingWeight = 0.01,
  importanceWeight = 0,
  loadWeight = 0,
  routerZLossWeight = 0,
  entropyWeight = 0,
  auxLoss = 'addLoss',
}: DiscreteRouterArgs): ResolvedRouterArgs {
  const owner = 'DiscreteRouter';
  checkCount(owner, 'numExperts', numExperts, 1);
  getEstimator(estimator); // an unknown name is refused here, not at the first call
  checkPositive(owner, 'temperature', temperature);
  checkCount(owner, 'topK', topK, 1);
  if (topK > numExperts) {
    throw new ValueError(`${owner}: topK (=${topK}) must not exceed numExperts (=${numExperts}).`);
  }
  checkBoolean(owner, 'useBias', useBias);
  checkRange(owner, 'jitter', jitter, 0, 1);
  const weights = {loadBalancingWeight, importanceWeight, loadWeight, routerZLossWeight, entropyWeight};
  for (const [field, weight] of Object.entries(weights)) checkRange(owner, field, weight, 0);
  checkOneOf(owner, 'auxLoss', auxLoss, AUXILIARY_LOSSES);
  if (seed != null) seeded(seed); // refuses what is no seed
  return {
    numExperts,
    estimator,
    temperature,
    topK,
    useBias,
    kernelInitializer,
    jitter,
    seed: seed ?? undefined,
    ...weights,
    auxLoss,
  };
}

/** The temperature that `{name, temperature}` sets, which is then where the layer's starts. */
function initialTemperature(estimator: EstimatorIdentifier): number {
  return typeof estimator === 'object' ? (estimator.temperature ?? 1) : 1;
}
