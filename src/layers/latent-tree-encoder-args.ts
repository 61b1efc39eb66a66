// The arguments of a latent tree encoder: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, checkOneOf, checkPositive} from '../errors.js';
import {type EstimatorIdentifier, getEstimator} from '../estimators/registry.js';
import {seeded} from '../random/random-source.js';
import {initialTemperature} from './discrete-router-args.js';
import type {LayerArgs} from './tfjs-types.js';

/** Arguments of `latentTreeEncoder`. */
export interface LatentTreeEncoderArgs extends LayerArgs {
  /** Length of the hidden vector of a node, and of its cell; at least 1. */
  units: number;
  /** Which estimator gives the choices their gradient: a name, an alias, `{name, ...options}`, or a function (not saved). Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
  /** Initial temperature of the estimator, dimensionless, > 0. Kept as a weight, which `AnnealTemperature` writes. Default 1. */
  temperature?: number;
  /** What makes the leaves from the inputs: an LSTM, so that a leaf knows what stands before it, or a dense map of each by itself. Default 'lstm'. */
  leaf?: 'lstm' | 'dense';
  /** Makes initial weights and noise a function of the seed, the layer's name and its step. Default: different each time. */
  seed?: number;
}

/** The arguments with their defaults in place, without those of every layer. */
export type ResolvedTreeArgs = Required<Omit<LatentTreeEncoderArgs, keyof LayerArgs | 'seed'>> & {
  seed: number | undefined;
};

const OWNER = 'LatentTreeEncoder';

/** Fills in defaults and refuses what the layer cannot work with. */
export function resolveTreeArgs({
  units,
  estimator = 'reinmax',
  temperature = initialTemperature(estimator),
  leaf = 'lstm',
  seed,
}: LatentTreeEncoderArgs): ResolvedTreeArgs {
  checkCount(OWNER, 'units', units, 1);
  getEstimator(estimator); // an unknown name is refused here, not at the first call
  checkPositive(OWNER, 'temperature', temperature);
  checkOneOf(OWNER, 'leaf', leaf, ['lstm', 'dense'] as const);
  if (seed != null) seeded(seed); // refuses what is no seed
  return {units, estimator, temperature, leaf, seed: seed ?? undefined};
}
