// The oracles of the score-function estimators: objectives, the gradient of their expectation by enumeration, and batches of estimates.
import * as tf from '@tensorflow/tfjs-core';
import type {Distribution, Objective, ScoreEstimator, ScoreOptions} from '../../src/estimators/score/types.js';
import {numbers} from './enumerate.js';
import {injected} from './injected.js';
import {meanAndError} from './statistics.js';

/** One example: its logits without the batch, what they mean, and an objective that is no sum over latents. */
export interface Problem {
  shape: number[];
  logits: number[];
  distribution: Distribution;
  objective: Objective;
}

const flat = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [x.shape[0]!, -1]);

/** sum (b - c)^2 + (w . b)^3 over three bits. */
export const CUBIC: Problem = {
  shape: [3],
  logits: [-1.2, 0.3, 0.9],
  distribution: 'binary',
  objective: b => {
    const square = tf.sum(tf.square(tf.sub(b, tf.tensor1d([0.2, 0.5, 0.9]))), -1);
    const dot = tf.sum(tf.mul(b, tf.tensor1d([0.6, -0.4, 0.8])), -1);
    return tf.add(square, tf.mul(dot, tf.square(dot))) as tf.Tensor1D;
  },
};

/** Its values at 000, 001, ..., 111: for instance at 011 .04 + .25 + .01 + (-.4 + .8)^3 = .364. */
export const CUBIC_VALUES = [1.1, 0.812, 1.036, 0.364, 1.916, 3.644, 1.708, 1.9];

/** The gradient of its expectation, in float64 from an independent program. */
export const CUBIC_GRADIENT = [0.3017228668, -0.1368767173, -0.0400956613];

/** sum (x - c)^2 + .7 sum sin(x W) of a sample with so many entries. */
function sine(size: number): Objective {
  const centre = numbers(81, size, 0, 1);
  const weights = numbers(82, size * 2, -2, 2);
  return x => {
    const square = tf.sum(tf.square(tf.sub(flat(x), tf.tensor1d(centre))), -1);
    const waves = tf.sin(tf.matMul(flat(x), tf.tensor2d(weights, [size, 2])));
    return tf.add(square, tf.mul(0.7, tf.sum(waves, -1))) as tf.Tensor1D;
  };
}

/** Two by two bits. */
export const SINE_BITS: Problem = {
  shape: [2, 2],
  logits: [-1.2, 0.3, 0.9, -0.4],
  distribution: 'binary',
  objective: sine(4),
};

/** Two choices of three categories. */
export const SINE_CATEGORIES: Problem = {
  shape: [2, 3],
  logits: [0.5, -1, 0.3, -0.2, 0.9, 0.1],
  distribution: 'categorical',
  objective: sine(6),
};

/** One outcome of an example: the sample, its probability, and uniforms that draw it. */
export interface Outcome {
  sample: number[];
  probability: number;
  uniforms: number[];
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The mean of the sample, in float64. */
export function meanOf({logits, shape, distribution}: Problem): number[] {
  if (distribution === 'binary') return logits.map(sigmoid);
  const width = shape[shape.length - 1]!;
  return logits.map((logit, i) => {
    const row = logits.slice(i - (i % width), i - (i % width) + width);
    return Math.exp(logit) / row.reduce((sum, other) => sum + Math.exp(other), 0);
  });
}

/** Every outcome, the last latent fastest. A uniform lies in the middle of those that draw its outcome. */
export function outcomes(problem: Problem): Outcome[] {
  const probs = meanOf(problem);
  const width = problem.distribution === 'binary' ? 1 : problem.shape[problem.shape.length - 1]!;
  let all: Outcome[] = [{sample: [], probability: 1, uniforms: []}];
  for (let start = 0; start < probs.length; start += width) {
    const choices = width === 1 ? bitOutcomes(probs[start]!) : categoryOutcomes(probs.slice(start, start + width));
    all = all.flatMap(before => choices.map(choice => joined(before, choice)));
  }
  return all;
}

const bitOutcomes = (p: number): Outcome[] => [
  {sample: [0], probability: 1 - p, uniforms: [(1 - p) / 2]},
  {sample: [1], probability: p, uniforms: [1 - p / 2]},
];

const categoryOutcomes = (probs: number[]): Outcome[] =>
  probs.map((p, i) => ({
    sample: probs.map((_, j) => (j === i ? 1 : 0)),
    probability: p,
    uniforms: [probs.slice(0, i).reduce((a, b) => a + b, 0) + p / 2],
  }));

const joined = (a: Outcome, b: Outcome): Outcome => ({
  sample: [...a.sample, ...b.sample],
  probability: a.probability * b.probability,
  uniforms: [...a.uniforms, ...b.uniforms],
});

/** The gradient of E[objective] with respect to the logits: the sum of q(D) f(D) (D - p). In float64 from the losses on. */
export function exactScoreGradient(problem: Problem): number[] {
  const all = outcomes(problem);
  const probs = meanOf(problem);
  const losses = lossesAt(
    problem,
    all.map(({sample}) => sample),
  );
  return probs.map((p, i) =>
    all.reduce((sum, {sample, probability}, n) => sum + probability * losses[n]! * (sample[i]! - p), 0),
  );
}

/** The objective at a list of samples. */
export function lossesAt({objective, shape}: Problem, samples: number[][]): number[] {
  return tf.tidy(() => Array.from(objective(tf.tensor(samples.flat(), [samples.length, ...shape]), 'hard').dataSync()));
}

/** The logits of an example, once a row. */
export function rowsOf({logits, shape}: Problem, numRows: number): tf.Tensor {
  return tf.tile(tf.reshape(tf.tensor1d(logits), [1, ...shape]), [numRows, ...shape.map(() => 1)]);
}

/** The estimate for each of many rows with the same logits. */
export function estimatesOf(
  estimate: ScoreEstimator,
  problem: Problem,
  numRows: number,
  options: ScoreOptions = {},
): number[][] {
  return tf.tidy(() => {
    const {distribution, objective} = problem;
    const ofLoss = (x: tf.Tensor) => estimate(objective, x, {distribution, ...options}).loss;
    const values = tf.mul(tf.grad(ofLoss)(rowsOf(problem, numRows)), numRows).dataSync();
    const width = problem.logits.length;
    return Array.from({length: numRows}, (_, row) => Array.from(values.slice(row * width, (row + 1) * width)));
  });
}

/**
 * The estimator's expectation with no Monte Carlo error, by every tuple of `numSamples` independent outcomes: one row each. For
 * estimators that draw sample after sample, one uniform a bit or row of categories, and nothing else.
 */
export function expectedEstimate(
  estimate: ScoreEstimator,
  problem: Problem,
  numSamples: number,
  options: ScoreOptions = {},
): number[] {
  const all = outcomes(problem);
  let tuples: Outcome[][] = [[]];
  for (let k = 0; k < numSamples; ++k) tuples = tuples.flatMap(tuple => all.map(outcome => [...tuple, outcome]));
  const uniforms = Array.from({length: numSamples}, (_, k) => tuples.flatMap(tuple => tuple[k]!.uniforms)).flat();
  const rows = estimatesOf(estimate, problem, tuples.length, {numSamples, random: injected(uniforms), ...options});
  const weights = tuples.map(tuple => tuple.reduce((product, {probability}) => product * probability, 1));
  return problem.logits.map((_, i) => rows.reduce((sum, row, n) => sum + weights[n]! * row[i]!, 0));
}

/** How many standard errors the mean of each column is off; where nothing varies, an error of float32 counts as none. */
export function standardErrorsOff(rows: number[][], expected: number[]): number[] {
  return expected.map((truth, i) => {
    const {mean, error} = meanAndError(rows.map(row => row[i]!));
    return Math.abs(mean - truth) / (error + 1e-6);
  });
}
