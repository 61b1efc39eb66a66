// The arguments that every routing layer takes: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkBoolean, checkCount, checkOneOf, checkPositive, checkRange, ValueError} from '../errors.js';
import {seeded} from '../random/random-source.js';
import type {AuxiliaryLossWeights} from './router-loss.js';
import type {InitializerIdentifier, LayerArgs} from './tfjs-types.js';

/** Arguments of every layer that routes. */
export interface RouterLayerArgs extends LayerArgs, Partial<AuxiliaryLossWeights> {
  /** E, the number of categories to choose from, at least 1. */
  numExperts: number;
  /** Initial temperature of the estimator, dimensionless, > 0. Kept as a weight, which `AnnealTemperature` writes. Default 1. */
  temperature?: number;
  /** K, how many to choose, from 1 to numExperts. Default 1. */
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
export type RouterCoreArgs = Required<Omit<RouterLayerArgs, keyof LayerArgs | 'seed'>> & {
  seed: number | undefined;
};

const AUXILIARY_LOSSES = ['addLoss', 'inject'] as const;

/** Fills in defaults and refuses, in the name of `owner`, what a routing layer cannot work with. */
export function resolveRouterCoreArgs(
  owner: string,
  {
    numExperts,
    temperature = 1,
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
  }: RouterLayerArgs,
): RouterCoreArgs {
  checkCount(owner, 'numExperts', numExperts, 1);
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
