// The settings of the experiments.
//
// gdas: that of the ReinMax paper (Liu et al. 2023, https://arxiv.org/abs/2304.08612), which is GDAS on the space of NAS-Bench-201 with another
// estimator (Dong and Yang 2020, https://arxiv.org/abs/2001.00326, and their program GDAS.py). Which temperature ReinMax had there is not
// published; here it is 1, the only one at which its guarantee holds.
//
// small: of our own, for one core. A fifth of the images, at half of their height and width, a narrow network of one cell a stage, and few epochs:
// with the published rates neither the weights nor the logits would get far in so few steps, so that both are larger. The choices wait for the
// weights: those of cells drawn evenly must have learned for some 80 epochs before their accuracies say anything of how good the cells are (see
// docs/guides/experiments.md). And the operations that were not drawn are computed: in a network of normalizations the gradient of a drawn
// operation alone is that of a scale on which the loss hardly depends.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {SettingName, Unsampled} from './settings.js';

/** What a setting decides where the user does not. */
export interface Preset {
  /** The side of the squares of pixels that become one. */
  shrink: number;
  unsampled: Unsampled;
  channels: number;
  cells: number;
  epochs: number;
  /** Epochs before the first step of the choices. */
  warmUp: number;
  batchSize: number;
  /** Of each half; null for all. Where there are fewer, all. */
  images: number | null;
  weightRate: number;
  choiceRate: number;
}

export const PRESETS: Record<SettingName, Preset> = {
  small: {
    shrink: 2,
    unsampled: 'computed',
    channels: 8,
    cells: 1,
    epochs: 140,
    warmUp: 80,
    batchSize: 64,
    images: 5000,
    weightRate: 0.1,
    choiceRate: 0.005,
  },
  gdas: {
    shrink: 1,
    unsampled: 'ones',
    channels: 16,
    cells: 5,
    epochs: 250,
    warmUp: 0,
    batchSize: 64,
    images: null,
    weightRate: 0.025,
    choiceRate: 3e-4,
  },
};

/** Of the weights: stochastic gradient descent with Nesterov's momentum, its rate falling to this one by half a cosine. */
export const WEIGHTS = {finalRate: 0.001, momentum: 0.9, decay: 5e-4};
/** Of the choices: Adam. */
export const CHOICES = {beta1: 0.5, beta2: 0.999, epsilon: 1e-8, decay: 1e-3};
/** That of NAS-Bench-201's GDAS.py; NATS-Bench's program has none. */
export const CLIP = 5;
/** Images of the second half on which the likeliest cell is measured after each epoch. */
export const VALIDATION = 1000;

/** The first temperature and the last. Those of the Gumbel estimators are published; the others have one throughout. */
export function temperaturesFor(estimator: EstimatorName): [first: number, last: number] {
  return PUBLISHED_TEMPERATURES[estimator] ?? [1, 1];
}

const GUMBEL: [number, number] = [10, 0.1];
const PUBLISHED_TEMPERATURES: Partial<Record<EstimatorName, [number, number]>> = {
  gumbelSoftmax: GUMBEL,
  straightThroughGumbelSoftmax: GUMBEL,
  gumbelRao: GUMBEL,
};

/** That of the setting; a relaxed sample is a mixture of all operations, which must all be computed. */
export function unsampledFor(estimator: EstimatorName, setting: SettingName): Unsampled {
  return estimator === 'gumbelSoftmax' ? 'computed' : PRESETS[setting].unsampled;
}
