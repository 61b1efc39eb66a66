// The estimators of both families of the library under one signature: draws, each with the gradient that it gives.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {
  ESTIMATORS,
  type Estimator,
  type EstimatorName,
  getEstimator,
  type RandomSource,
  SCORE_ESTIMATORS,
  type ScoreEstimator,
} from 'tfjs-moe/estimators';

/** The loss of each row: [n, 3] to [n]. */
export type Loss = (x: tf.Tensor) => tf.Tensor1D;

/** n single estimates. A type alias, which `tf.tidy` takes for a result; it takes no interface. */
export type Draws = {
  /** [n, 3], row after row: the draw, or the relaxed point. */
  samples: Float32Array;
  /** [n, 3]: the estimated gradient of the expected loss for the logits. */
  gradients: Float32Array;
};

/** What a method may use; those that have no use for a setting leave it. */
export interface DrawOptions {
  temperature: number;
  /** Of Gumbel-Rao. */
  numSamples: number;
  random: RandomSource;
}

/** An estimator of the lab. */
export interface Method {
  /** The function of the library. */
  name: string;
  title: string;
  /** Whether its draws are one-hot. */
  isHard: boolean;
  /** Of style.css. */
  series: `--series-${number}`;
  /** Where the site describes it, from the playground's page. */
  page: string;
  /** Draws once for each row of logits [n, 3]. */
  draw(loss: Loss, logits: tf.Tensor2D, options: DrawOptions): Draws;
}

/** The score-function estimators for categories that need neither a state nor the loss's derivative. */
const SCORE_NAMES = ['reinforce', 'leaveOneOut'] as const;

/** All of them, in the order of the table. */
export const METHODS: readonly Method[] = [
  ...(Object.keys(ESTIMATORS) as EstimatorName[]).map(name => ({
    ...describe(name, ESTIMATORS[name].title),
    isHard: ESTIMATORS[name].hard,
    draw: (loss: Loss, logits: tf.Tensor2D, {numSamples, ...options}: DrawOptions) =>
      drawPathwise(getEstimator(name === 'gumbelRao' ? {name, numSamples} : name), loss, logits, options),
  })),
  ...SCORE_NAMES.map(name => ({
    ...describe(name, SCORE_ESTIMATORS[name].title),
    isHard: true,
    draw: (loss: Loss, logits: tf.Tensor2D, {random}: DrawOptions) =>
      drawScore(SCORE_ESTIMATORS[name].estimate, loss, logits, random),
  })),
].map((method, i) => ({...method, series: `--series-${i + 1}` as const}));

function describe(name: string, title: string) {
  return {name, title, page: `../functions/index.${name}.html`};
}

/** The rows do not know of each other, so that the gradient of their sum is each row's own. */
function drawPathwise(
  estimate: Estimator,
  loss: Loss,
  logits: tf.Tensor2D,
  options: Omit<DrawOptions, 'numSamples'>,
): Draws {
  return tf.tidy(() => {
    let samples: Float32Array = new Float32Array();
    const gradient = tf.grad(theta => {
      const {sample} = estimate(theta, options);
      samples = sample.dataSync<'float32'>(); // the lab runs on the cpu backend, where this waits for nothing
      return tf.sum(loss(sample));
    })(logits);
    return {samples, gradients: gradient.dataSync<'float32'>()};
  });
}

/** `loss` is a mean over the rows. Of several draws for one estimate the first is shown. */
function drawScore(estimate: ScoreEstimator, loss: Loss, logits: tf.Tensor2D, random: RandomSource): Draws {
  return tf.tidy(() => {
    let samples: Float32Array | undefined;
    const objective = (sample: tf.Tensor) => {
      samples ??= sample.dataSync<'float32'>();
      return loss(sample);
    };
    const gradient = tf.grad(theta => tf.mul(logits.shape[0], estimate(objective, theta, {random}).loss))(logits);
    return {samples: samples ?? new Float32Array(), gradients: gradient.dataSync<'float32'>()};
  });
}
