// The settings of the published experiments.
//
// reinmax: Liu et al. 2023, https://arxiv.org/abs/2304.08612, and their code, whose model and loader are those of Fan et al. 2022,
// https://arxiv.org/abs/2206.07235: expressions of fewer than 100 tokens, batches of 16, 20 epochs, RAdam at 7e-4, temperature 1.1. That code ran
// on characters. Fan et al. trained their own estimator and its rivals by Adam at 1e-3 and temperature 0.1; here all have the one
// optimizer, so that runs differ by their estimator.
//
// gumbel-rao: Paulus et al. 2021, https://arxiv.org/abs/2010.04838: expressions of up to 10, 25 or 50 tokens, batches of that size, SGD, K of 10,
// 100 or 1000, temperatures 0.01, 0.1 and 1. Neither the learning rate nor the number of epochs is published; those here are our own,
// and so is what the setting reinmax has and theirs does not name: the sizes of the network, the dropout, the clipping.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {ListOpsOptimizer, SettingName} from './settings.js';

/** What a setting decides where the user does not. */
export interface Preset {
  estimator: EstimatorName;
  temperature: number;
  /** Null for the published filter of the setting `reinmax`. */
  maxLength: number | null;
  optimizer: ListOpsOptimizer;
  learningRate: number;
  batchSize: number;
  epochs: number;
}

/** The lengths of the Gumbel-Rao paper begin with this one. */
const SHORTEST = 10;

const PUBLISHED_TEMPERATURE = 0.1;
const TEMPERATURES: Partial<Record<EstimatorName, number>> = {reinmax: 1.1, straightThrough: 1};

/** The settings of a published experiment, for an estimator and a length that the user may have named. */
export function presetFor(
  setting: SettingName,
  {estimator, maxLength}: {estimator?: EstimatorName | undefined; maxLength?: number | undefined},
): Preset {
  const chosen = estimator ?? (setting === 'reinmax' ? 'reinmax' : 'gumbelRao');
  const temperature = TEMPERATURES[chosen] ?? PUBLISHED_TEMPERATURE;
  if (setting === 'reinmax') {
    const training = {optimizer: 'radam', learningRate: 7e-4, batchSize: 16, epochs: 20} as const;
    return {estimator: chosen, temperature, maxLength: maxLength ?? null, ...training};
  }
  const length = maxLength ?? SHORTEST;
  const training = {optimizer: 'sgd', learningRate: 0.5, batchSize: length, epochs: 20} as const;
  return {estimator: chosen, temperature, maxLength: length, ...training};
}

/** K of Gumbel-Rao, the middle one of the paper. */
export const NUM_SAMPLES = 100;
/** The gradient's norm is at most this. */
export const MAX_NORM = 5;
/** When the learning rate is halved: after so many validations that bring nothing better. */
export const PLATEAU = {factor: 0.5, patience: 4};
