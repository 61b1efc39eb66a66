// The arguments of a categorical latent variable: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, checkOneOf, checkPositive, checkRange} from '../errors.js';
import {type EstimatorIdentifier, getEstimator} from '../estimators/registry.js';
import {seeded} from '../random/random-source.js';
import {initialTemperature} from './discrete-router-args.js';
import type {LayerArgs} from './tfjs-types.js';

/** Arguments of `categoricalLatent`. */
export interface CategoricalLatentArgs extends LayerArgs {
  /** How many variables, at least 1. */
  numLatents: number;
  /** How many categories each of them has, at least 1. */
  numCategories: number;
  /** Which estimator gives the draws their gradient: a name, an alias, `{name, ...options}`, or a function (not saved). Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
  /** Initial temperature of the estimator, dimensionless, > 0. Kept as a weight, which `AnnealTemperature` writes. Default 1. */
  temperature?: number;
  /** Weight of the divergence from the uniform prior in the model's loss; 1 is that of the evidence lower bound, 0 leaves it out. Default 1. */
  klWeight?: number;
  /** Makes the noise a function of the seed, the layer's name and its step. Default: different each time. */
  seed?: number;
  /** How the divergence reaches the gradient: through `addLoss`, or injected where the output leaves the layer. Default 'addLoss'. */
  auxLoss?: 'addLoss' | 'inject';
}

/** The arguments with their defaults in place, without those of every layer. */
export type ResolvedLatentArgs = Required<Omit<CategoricalLatentArgs, keyof LayerArgs | 'seed'>> & {
  seed: number | undefined;
};

const OWNER = 'CategoricalLatent';

/** Fills in defaults and refuses what the layer cannot work with. */
export function resolveLatentArgs({
  numLatents,
  numCategories,
  estimator = 'reinmax',
  temperature = initialTemperature(estimator),
  klWeight = 1,
  seed,
  auxLoss = 'addLoss',
}: CategoricalLatentArgs): ResolvedLatentArgs {
  checkCount(OWNER, 'numLatents', numLatents, 1);
  checkCount(OWNER, 'numCategories', numCategories, 1);
  getEstimator(estimator); // an unknown name is refused here, not at the first call
  checkPositive(OWNER, 'temperature', temperature);
  checkRange(OWNER, 'klWeight', klWeight, 0);
  checkOneOf(OWNER, 'auxLoss', auxLoss, ['addLoss', 'inject'] as const);
  if (seed != null) seeded(seed); // refuses what is no seed
  return {numLatents, numCategories, estimator, temperature, klWeight, seed: seed ?? undefined, auxLoss};
}
