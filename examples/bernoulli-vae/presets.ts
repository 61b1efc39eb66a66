// The settings of Table 6 in Liu et al. 2023, https://arxiv.org/abs/2304.08612: ReinMax by its authors' scripts, the others by those of
// Shi et al. 2022 (thjashin/rodeo), from which the table takes their figures.
// SPDX-License-Identifier: Apache-2.0
import {type EstimatorName, SCORE_ESTIMATORS, type ScoreEntry} from 'tfjs-moe/estimators';
import type {ImageDataset} from '../data/image-datasets.js';
import {controlLearningRate} from '../sampled-vae/controls.js';
import {isScore, type MethodName} from '../sampled-vae/methods.js';
import type {Preset} from '../sampled-vae/program.js';

/** The table has these at K = 3; RELAX is there too, with one hard draw and two relaxed ones. The others start with the fewest draws. */
const NUM_SAMPLES: Partial<Record<MethodName, number>> = {arms: 3};

/** How many hard draws a method takes where the user names no number: two at least, unless it takes one only. */
export function defaultNumSamples(method: MethodName): number {
  if (!isScore(method)) return 2;
  const {minimum, fixed}: ScoreEntry['numSamples'] = SCORE_ESTIMATORS[method].numSamples;
  return NUM_SAMPLES[method] ?? (fixed ? minimum : Math.max(2, minimum));
}

/**
 * Where the paper has none, the temperatures of a pathwise estimator are those of its table 8 at 8x4, and optimizer and learning rate are
 * ReinMax's.
 */
const TEMPERATURES: Record<EstimatorName, number> = {
  reinmax: 1.1,
  straightThrough: 1.3,
  straightThroughGumbelSoftmax: 0.5,
  gumbelSoftmax: 0.5,
  gumbelRao: 0.5,
  gappedStraightThrough: 0.7,
};

/** Settings for a method; the figures of the table are for 2 or 3 draws. */
export function presetFor(method: MethodName, dataset: ImageDataset, numSamples: number): Preset {
  if (isScore(method)) {
    const learningRate = dataset === 'fashion-mnist' ? 3e-4 : 1e-3;
    return {
      optimizer: 'adam',
      learningRate,
      temperature: null,
      controlLearningRate: controlLearningRate(method, learningRate),
    };
  }
  const isFaster = method === 'reinmax' && dataset === 'omniglot' && numSamples === 3;
  return {
    optimizer: 'radam',
    learningRate: isFaster ? 5e-4 : 3e-4,
    temperature: isFaster ? 1.2 : TEMPERATURES[method],
    controlLearningRate: null,
  };
}
