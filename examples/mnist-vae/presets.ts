// The settings that Liu et al. 2023 tuned for each size and estimator: their Table 8, for the training of Table 2,
// https://arxiv.org/abs/2304.08612, as transcribed in the authors' scripts and in an independent replication of them
// (danielwang0452/DiscreteNumericalMethodsASC, hyperparameters.py).
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {OptimizerName} from '../shared/optimizer-state.js';

/** What is tuned. */
export interface Preset {
  optimizer: OptimizerName;
  learningRate: number;
  /** Dimensionless. */
  temperature: number;
}

/** The sizes of Table 2: categories x latent variables. */
export const SIZES = ['8x4', '4x24', '8x16', '16x12', '64x8', '10x30'] as const;
/** One of `SIZES`. */
export type Size = (typeof SIZES)[number];

const preset = (optimizer: OptimizerName, learningRate: number, temperature: number): Preset => ({
  optimizer,
  learningRate,
  temperature,
});

const STGS: Record<Size, Preset> = {
  '8x4': preset('adam', 3e-4, 0.5),
  '4x24': preset('radam', 5e-4, 0.3),
  '8x16': preset('radam', 5e-4, 0.5),
  '16x12': preset('radam', 7e-4, 0.7),
  '64x8': preset('radam', 7e-4, 0.7),
  '10x30': preset('radam', 5e-4, 0.5),
};

const PRESETS: Record<EstimatorName, Record<Size, Preset>> = {
  straightThroughGumbelSoftmax: STGS,
  // The paper has no relaxed one; its settings here are those of the straight-through one.
  gumbelSoftmax: STGS,
  gumbelRao: {
    '8x4': preset('adam', 5e-4, 0.5),
    '4x24': preset('radam', 5e-4, 0.3),
    '8x16': preset('radam', 7e-4, 0.7),
    '16x12': preset('adam', 5e-4, 1),
    '64x8': preset('adam', 7e-4, 2),
    '10x30': preset('radam', 5e-4, 1),
  },
  gappedStraightThrough: {
    '8x4': preset('adam', 5e-4, 0.7),
    '4x24': preset('radam', 5e-4, 0.5),
    '8x16': preset('radam', 7e-4, 0.5),
    '16x12': preset('radam', 7e-4, 0.5),
    '64x8': preset('radam', 7e-4, 0.7),
    '10x30': preset('radam', 5e-4, 0.5),
  },
  straightThrough: {
    '8x4': preset('adam', 1e-3, 1.3),
    '4x24': preset('radam', 1e-3, 1.5),
    '8x16': preset('radam', 1e-3, 1.5),
    '16x12': preset('adam', 5e-4, 1.5),
    '64x8': preset('adam', 5e-4, 1.5),
    '10x30': preset('radam', 7e-4, 1.4), // 7e-3 where it was transcribed, ten times any other rate there
  },
  reinmax: {
    '8x4': preset('adam', 5e-4, 1.3),
    '4x24': preset('radam', 5e-4, 1.5),
    '8x16': preset('radam', 7e-4, 1.5),
    '16x12': preset('radam', 7e-4, 1.5),
    '64x8': preset('radam', 5e-4, 1.5),
    '10x30': preset('radam', 5e-4, 1.3),
  },
};

/** The tuned settings for a size of the paper; undefined for another size. */
export function presetFor(estimator: EstimatorName, size: string): Preset | undefined {
  return PRESETS[estimator][size as Size];
}

/** For a size that is not in the paper. */
export const OTHER_SIZES: Preset = {optimizer: 'radam', learningRate: 5e-4, temperature: 1};
