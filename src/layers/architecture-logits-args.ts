// The arguments of architecture logits: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, checkPositive, checkRange} from '../errors.js';
import {type EstimatorIdentifier, getEstimator} from '../estimators/registry.js';
import {seeded} from '../random/random-source.js';
import {initialTemperature} from './discrete-router-args.js';
import {NAS_BENCH_201_OPERATIONS, type NamedOperation, operationNamesOf} from './search/operation-names.js';
import type {LayerArgs} from './tfjs-types.js';

/** Arguments of `architectureLogits`, all with defaults. */
export interface ArchitectureLogitsArgs extends LayerArgs {
  /** Nodes of the cells, input and output included, at least 2. Default 4. */
  numNodes?: number;
  /** What an edge may do, as the cells have it; only the names are used. Default those of NAS-Bench-201. */
  operations?: readonly (string | NamedOperation)[];
  /** Which estimator gives the choice its gradient: a name, an alias, `{name, ...options}`, or a function (not saved). Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
  /** Initial temperature of the estimator, dimensionless, > 0. Kept as a weight, which `AnnealTemperature` writes. Default 1. */
  temperature?: number;
  /** Deviation of the normal numbers that the logits start from, at least 0. Default 0.001, that of GDAS. */
  initialDeviation?: number;
  /** Makes start and noise a function of the seed, the layer's name and its step. Default: different each time. */
  seed?: number;
}

/** The arguments with their defaults in place, without those of every layer. */
export interface ResolvedArchitectureArgs {
  numNodes: number;
  operationNames: readonly string[];
  estimator: EstimatorIdentifier;
  temperature: number;
  initialDeviation: number;
  seed: number | undefined;
}

/** Fills in defaults and refuses, in the name of `owner`, what the layer cannot work with. */
export function resolveArchitectureArgs(
  owner: string,
  {
    numNodes = 4,
    operations = NAS_BENCH_201_OPERATIONS,
    estimator = 'reinmax',
    temperature = initialTemperature(estimator),
    initialDeviation = 1e-3,
    seed,
  }: ArchitectureLogitsArgs,
): ResolvedArchitectureArgs {
  checkCount(owner, 'numNodes', numNodes, 2);
  const operationNames = operationNamesOf(owner, operations);
  getEstimator(estimator); // an unknown name is refused here, not at the first call
  checkPositive(owner, 'temperature', temperature);
  checkRange(owner, 'initialDeviation', initialDeviation, 0);
  if (seed != null) seeded(seed); // refuses what is no seed
  return {numNodes, operationNames, estimator, temperature, initialDeviation, seed: seed ?? undefined};
}
