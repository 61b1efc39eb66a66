// The arguments of a discrete router: those of every routing layer, and an estimator.
// SPDX-License-Identifier: Apache-2.0
import {type EstimatorIdentifier, getEstimator} from '../estimators/registry.js';
import {type RouterCoreArgs, type RouterLayerArgs, resolveRouterCoreArgs} from './router-core-args.js';

/** Arguments of `discreteRouter`. With topK > 1 the choices are drawn one after another without replacement. */
export interface DiscreteRouterArgs extends RouterLayerArgs {
  /** Which estimator gives the choice its gradient: a name, an alias, `{name, ...options}`, or a function (not saved). Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
}

/** The arguments with their defaults in place, without those of every layer. */
export type ResolvedRouterArgs = RouterCoreArgs & {estimator: EstimatorIdentifier};

/** Fills in defaults and refuses, in the name of DiscreteRouter, what the layer cannot work with. */
export function resolveRouterArgs({
  estimator = 'reinmax',
  temperature = initialTemperature(estimator),
  ...rest
}: DiscreteRouterArgs): ResolvedRouterArgs {
  getEstimator(estimator); // an unknown name is refused here, not at the first call
  return {...resolveRouterCoreArgs('DiscreteRouter', {...rest, temperature}), estimator};
}

/** The temperature that `{name, temperature}` sets, which is then where the layer's starts. */
export function initialTemperature(estimator: EstimatorIdentifier): number {
  return typeof estimator === 'object' ? (estimator.temperature ?? 1) : 1;
}
