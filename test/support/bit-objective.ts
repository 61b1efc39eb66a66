// A loss of bits that is neither separable nor quadratic, with what is known of it, and slow loops over it in float64.
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from 'tfjs-moe/estimators';
import type {Objective, ScoreEstimate} from '../../src/estimators/score/types.js';
import {numbers} from './enumerate.js';
import {injected} from './injected.js';

/** f(b) = |b - centre|^2 + (weights . b)^3. */
export interface BitObjective {
  centre: number[];
  weights: number[];
}

/** The one of reference vectors, for three bits. */
export const CUBIC: BitObjective = {centre: [0.2, 0.5, 0.9], weights: [0.6, -0.4, 0.8]};
export const LOGITS = [-1.2, 0.3, 0.9];
/** The gradient of the mean of CUBIC with respect to LOGITS, by enumeration of the 8 codes. */
export const TRUE_GRADIENT = [0.3017228668, -0.1368767173, -0.0400956613];

/** Another one of as many bits as wished. */
export function randomObjective(seed: number, numBits: number): BitObjective {
  const values = numbers(seed, 2 * numBits, -0.8, 0.8);
  return {centre: values.slice(0, numBits), weights: values.slice(numBits)};
}

/** As the estimators take it; the bits of an example may have any shape. */
export function toObjective({centre, weights}: BitObjective): Objective {
  return sample => {
    const bits = tf.reshape(sample, [sample.shape[0]!, -1]);
    const cube = tf.pow(tf.sum(tf.mul(bits, weights), 1), tf.scalar(3));
    return tf.add(tf.sum(tf.square(tf.sub(bits, centre)), 1), cube) as tf.Tensor1D;
  };
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, d) => sum + value * b[d]!, 0);

/** One example's draws, with the values and gradients of the loss, and the probabilities. */
export interface SlowDraws {
  bits: number[][];
  values: number[];
  gradients: number[][];
  probs: number[];
}

export function slowDraws({centre, weights}: BitObjective, bits: number[][], logits: readonly number[]): SlowDraws {
  return {
    bits,
    values: bits.map(b => b.reduce((sum, value, d) => sum + (value - centre[d]!) ** 2, 0) + dot(weights, b) ** 3),
    gradients: bits.map(b => b.map((value, d) => 2 * (value - centre[d]!) + 3 * dot(weights, b) ** 2 * weights[d]!)),
    probs: logits.map(logit => 1 / (1 + Math.exp(-logit))),
  };
}

/** The mean over k of [signal_k - mean_{j != k} baseline_j] (b_k - p). */
export function slowLeaveOneOut({bits, probs}: SlowDraws, signals: number[], baselines: number[] = signals): number[] {
  const estimate = new Array<number>(probs.length).fill(0);
  bits.forEach((b, k) => {
    const others = baselines.filter((_, j) => j !== k);
    const difference = signals[k]! - others.reduce((sum, value) => sum + value, 0) / others.length;
    b.forEach((value, d) => {
      estimate[d]! += (difference * (value - probs[d]!)) / bits.length;
    });
  });
  return estimate;
}

/** Uniforms from which these bits are drawn [samples][examples][bits], for logits of a few units. */
export const uniformsOf = (bits: number[][][]) => injected(bits.flat(2).map(bit => (bit === 1 ? 1 - 1e-6 : 1e-6)));

/** What is drawn for each example of logits [batch, bits], sample after sample: a bit is 1 where u > 1 - p. */
export function drawnBy(
  random: RandomSource,
  numSamples: number,
  objective: BitObjective,
  logits: tf.Tensor2D,
): SlowDraws[] {
  const rows = logits.arraySync();
  const samples = Array.from({length: numSamples}, () => {
    const uniforms = random.uniform(logits.size); // one call a sample: a source may skip numbers between calls
    const isOne = (logit: number, i: number) => uniforms[i]! > 1 / (1 + Math.exp(logit));
    return rows.map((row, example) => row.map((logit, d) => (isOne(logit, example * row.length + d) ? 1 : 0)));
  });
  return rows.map((row, example) =>
    slowDraws(
      objective,
      samples.map(sample => sample[example]!),
      row,
    ),
  );
}

/** The estimate [batch, ...] of each example: the loss is a mean over the batch. */
export function estimates(call: (logits: tf.Tensor) => ScoreEstimate, logits: tf.Tensor): tf.Tensor {
  return tf.mul(tf.grad(x => call(x).loss)(logits), logits.shape[0]!);
}

const CODES = Array.from({length: 8}, (_, code) => [code >> 2, (code >> 1) & 1, code & 1]);
const PAIRS = CODES.flatMap(a => CODES.map(b => [a, b] as const));

/** Mean and variance of an estimate from two draws at LOGITS, by enumeration of the 64 pairs of codes: no Monte Carlo error. */
export function momentsOf(call: (logits: tf.Tensor, random: RandomSource) => ScoreEstimate): {
  mean: number[];
  variance: number[];
} {
  const logits = tf.tile(tf.tensor2d([LOGITS]), [PAIRS.length, 1]);
  const random = uniformsOf([PAIRS.map(([a]) => a), PAIRS.map(([, b]) => b)]);
  const values = estimates(x => call(x, random), logits).dataSync();
  const probs = LOGITS.map(logit => 1 / (1 + Math.exp(-logit)));
  const probability = (code: number[]) =>
    code.reduce((product, bit, d) => product * (bit === 1 ? probs[d]! : 1 - probs[d]!), 1);
  const weights = PAIRS.map(([a, b]) => probability(a) * probability(b));
  const expectation = (of: (value: number) => number) =>
    LOGITS.map((_, d) => weights.reduce((sum, weight, pair) => sum + weight * of(values[3 * pair + d]!), 0));
  const mean = expectation(value => value);
  return {mean, variance: expectation(value => value ** 2).map((square, d) => square - mean[d]! ** 2)};
}

/** The variance of an estimate at LOGITS, summed over the bits, from so many examples. */
export function measuredVariance(call: (logits: tf.Tensor) => ScoreEstimate, numExamples: number): number {
  const logits = tf.tile(tf.tensor2d([LOGITS]), [numExamples, 1]);
  return tf.sum(tf.moments(estimates(call, logits), 0).variance).dataSync()[0]!;
}
