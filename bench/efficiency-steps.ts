// The two problems that the cost of an estimator is measured by, as in Liu et al. 2023, https://arxiv.org/abs/2304.08612, Table 4: the
// quadratic programme over 128 bits, and the discrete VAE of 30 variables of 10 categories.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {
  ESTIMATORS,
  type Estimator,
  gumbelRao,
  type RandomSource,
  SCORE_ESTIMATORS,
  type ScoreEntry,
  seeded,
} from 'tfjs-moe/estimators';
import {discreteVAE} from 'tfjs-moe/layers';
import {sumBinaryCrossentropy} from 'tfjs-moe/training';

/** Examples, bits, and what each bit is compared with. */
const QUADRATIC = {batch: 512, latents: 128, target: 0.45};
/** Examples, their width, and the code. */
const VAE = {batch: 100, inputUnits: 784, numLatents: 30, numCategories: 10};

/** A step of training by one estimator. */
export interface Step {
  title: string;
  run: () => void;
}

/** The steps of one problem, by short names of their estimators. Straight-through, which the others are compared with, is `st`. */
export type Steps = Record<string, Step>;

/** The pathwise estimators by short names, Gumbel-Rao once for each K. */
function pathwise(numSamples: readonly number[]): [key: string, title: string, estimate: Estimator][] {
  const {straightThrough, reinmax, straightThroughGumbelSoftmax, gumbelSoftmax, gappedStraightThrough} = ESTIMATORS;
  const short = {
    st: straightThrough,
    reinmax,
    stgs: straightThroughGumbelSoftmax,
    gs: gumbelSoftmax,
    gst: gappedStraightThrough,
  };
  return [
    ...Object.entries(short).map(([key, {title, estimate}]) => [key, title, estimate] as [string, string, Estimator]),
    ...numSamples.map((count): [string, string, Estimator] => [
      `gumbelRao${count}`,
      `${ESTIMATORS.gumbelRao.title}, K = ${count}`,
      (logits, options) => gumbelRao(logits, {...options, numSamples: count}),
    ]),
  ];
}

/** Forward and backward of the quadratic programme, with the gradient for its logits, by each estimator that can do it. */
export function quadraticSteps(numSamples: readonly number[]): Steps {
  const {latents} = QUADRATIC;
  const start = Float32Array.from(seeded(1).uniform(2 * latents), u => 0.02 * u - 0.01);
  const theta = tf.variable(tf.tensor2d(start, [latents, 2]));
  const steps: Steps = {};
  for (const [key, title, estimate] of pathwise(numSamples)) {
    steps[key] = {title, run: gradientStep(random => pathwiseLoss(estimate, theta, random), [theta])};
  }
  for (const [key, entry] of Object.entries(SCORE_ESTIMATORS) as [string, ScoreEntry][]) {
    if (!entry.distributions.includes('binary')) continue;
    const state = entry.createState?.({latentSize: latents, seed: 1});
    const options = {distribution: 'binary', ...(state && {state})} as const;
    const loss = (random: RandomSource) => {
      const logOdds = tf.sum(tf.mul(theta, [1, -1]), 1);
      const logits = tf.add(logOdds, tf.zeros([QUADRATIC.batch, latents]));
      const {loss, controlLoss} = entry.estimate(lossOfEach, logits, {...options, random});
      return controlLoss ? tf.add(loss, controlLoss) : loss;
    };
    const learned = (state?.variables ?? []).filter(({trainable}) => trainable);
    steps[key] = {title: entry.title, run: gradientStep(loss, [theta, ...learned])};
  }
  return steps;
}

/** The loss of each example: the mean over its bits of |bit - target|^2. */
function lossOfEach(bits: tf.Tensor): tf.Tensor1D {
  return tf.mean(tf.square(tf.sub(bits, QUADRATIC.target)), 1) as tf.Tensor1D;
}

/** The mean loss of a draw for each example, whose bits are the first categories. */
function pathwiseLoss(estimate: Estimator, theta: tf.Tensor, random: RandomSource): tf.Scalar {
  const logits = tf.add(theta, tf.zeros([QUADRATIC.batch, ...theta.shape]));
  const {sample} = estimate(logits, {random});
  return tf.mean(lossOfEach(tf.sum(tf.mul(sample, [1, 0]), 2)));
}

/** The gradient of a loss, with the noise of one stream from call to call. */
function gradientStep(loss: (random: RandomSource) => tf.Tensor, variables: tf.Variable[]): () => void {
  const random = seeded(2);
  return () =>
    tf.tidy(() => {
      tf.variableGrads(() => loss(random) as tf.Scalar, variables);
    });
}

/** A step of Adam on the bound of a VAE, by each pathwise estimator; they share the model and the optimizer. */
export function vaeSteps(numSamples: readonly number[]): Steps {
  const {batch, inputUnits, numLatents, numCategories} = VAE;
  let estimator: Estimator = ESTIMATORS.straightThrough.estimate;
  const {model} = discreteVAE({
    inputUnits,
    numLatents,
    numCategories,
    estimator: (logits, options) => estimator(logits, options),
    seed: 1,
  });
  const pixels = tf.tensor2d(Float32Array.from(seeded(2).uniform(batch * inputUnits)), [batch, inputUnits]);
  const optimizer = tf.train.adam(1e-4);
  const variables = model.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
  const run = () => {
    optimizer.minimize(
      () => {
        const reconstruction = tf.mean(
          sumBinaryCrossentropy(pixels, model.apply(pixels, {training: true}) as tf.Tensor),
        );
        return tf.addN([reconstruction, ...model.calculateLosses()]) as tf.Scalar;
      },
      false,
      variables,
    );
  };
  const steps = pathwise(numSamples).map(([key, title, estimate]): [string, Step] => [
    key,
    {
      title,
      run: () => {
        estimator = estimate;
        tf.tidy(run);
      },
    },
  ]);
  return Object.fromEntries(steps);
}
