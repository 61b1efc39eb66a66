// The arguments that every routing layer takes: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkBoolean, checkCount, checkOneOf, checkPositive, checkRange, ValueError} from '../errors.js';
import {seeded} from '../random/random-source.js';
import type {LoadBalancingConvention} from '../router/load-balancing-loss.js';
import type {AuxiliaryLossWeights, BalanceScope} from './router-loss.js';
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
  /** What counts as an expert's share of the tokens in the load-balancing loss, where topK > 1; see `loadBalancingLoss`. Default 'meanK'. */
  loadBalancingConvention?: LoadBalancingConvention;
  /**
   * Which tokens are balanced together. 'batch': those of a call. 'sequence': those of each sequence by themselves, for an input of shape
   * [batch, ..., tokens, features]. 'running': the shares are those of this training call and the earlier ones, so that small batches
   * need not each be balanced, which lets experts specialise; the counts are saved with the weights. For convention 'meanK' alone. After
   * the balance over micro-batches of GRIN (https://arxiv.org/abs/2409.12136, section 3.3) and https://arxiv.org/abs/2501.11873, which
   * sum the counts within a step. Default 'batch'.
   */
  loadBalancingScope?: BalanceScope;
  /**
   * What part of the running counts remains at each training call, 0 to 1, with scope 'running': about 1 / (1 - decay) calls are
   * balanced together. 0 is the batch by itself; 1 forgets nothing, not even the choices of the untrained router. Default 0.9.
   */
  loadBalancingDecay?: number;
  /** How the auxiliary losses reach the gradient: through `addLoss`, or injected where the output leaves the layer. Default 'addLoss'. */
  auxLoss?: 'addLoss' | 'inject';
}

/** The arguments with their defaults in place, without those of every layer. */
export type RouterCoreArgs = Required<Omit<RouterLayerArgs, keyof LayerArgs | 'seed'>> & {
  seed: number | undefined;
};

const CONVENTIONS = ['meanK', 'sumK', 'gshardTop1'] as const;
const SCOPES = ['batch', 'sequence', 'running'] as const;
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
    loadBalancingConvention = 'meanK',
    loadBalancingScope = 'batch',
    loadBalancingDecay = 0.9,
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
  checkOneOf(owner, 'loadBalancingConvention', loadBalancingConvention, CONVENTIONS);
  checkOneOf(owner, 'loadBalancingScope', loadBalancingScope, SCOPES);
  checkRange(owner, 'loadBalancingDecay', loadBalancingDecay, 0, 1);
  if (loadBalancingScope === 'running' && loadBalancingConvention !== 'meanK') {
    throw new ValueError(
      `${owner}: loadBalancingScope "running" goes with loadBalancingConvention "meanK" alone, but got "${loadBalancingConvention}".`,
    );
  }
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
    loadBalancingConvention,
    loadBalancingScope,
    loadBalancingDecay,
    auxLoss,
  };
}
