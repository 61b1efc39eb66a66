// How a step of each estimator looks: the loss whose gradient with respect to the logits is the estimate.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorName,
  getEstimator,
  type RandomSource,
  SCORE_ESTIMATOR_ALIASES,
  SCORE_ESTIMATORS,
  type ScoreEntry,
  type ScoreEstimatorName,
} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {createObjective, lossesOf, type Problem} from './problem.js';

/** An estimator by its name, with its temperature. */
export interface MethodChoice {
  estimator: string;
  /** Dimensionless; null for an estimator that has none. */
  temperature: number | null;
}

/** An estimator as the user names it. */
export interface NamedMethod {
  estimator: string;
  /** Absent where none is named. */
  temperature?: number;
}

/** What a step computes. */
export interface Step {
  /** The training loss: the mean over the batch of the loss at the samples. */
  loss: tf.Scalar;
  /** What is minimised. */
  minimised: tf.Scalar;
  /** How often the loss of an example was evaluated. */
  evaluations: number;
}

/** An estimator, ready to train one problem. */
export interface Method {
  /** What it keeps from step to step. */
  variables: readonly tf.Variable[];
  /** Samples and evaluates; on a tape. `theta` is [latents, 2]. */
  evaluate(theta: tf.Tensor, random: RandomSource): Step;
  dispose(): void;
}

/** The gradient of the expectation itself, by its closed form. */
const EXACT = 'exact';

/** All names, for the help. */
export const METHOD_NAMES: readonly string[] = [EXACT, ...Object.keys(ESTIMATORS), ...Object.keys(SCORE_ESTIMATORS)];

const ALIASES: Record<string, string> = {...ESTIMATOR_ALIASES, ...SCORE_ESTIMATOR_ALIASES};

const isPathwise = (name: string): name is EstimatorName => Object.hasOwn(ESTIMATORS, name);
const isScore = (name: string): name is ScoreEstimatorName => Object.hasOwn(SCORE_ESTIMATORS, name);

/** Reads `name` or `name:temperature`. @throws Error in words that complete an error of the command line. */
export function parseMethod(text: string): NamedMethod {
  const [alias = '', temperature, ...rest] = text.split(':');
  const name = Object.hasOwn(ALIASES, alias) ? ALIASES[alias]! : alias;
  if (!METHOD_NAMES.includes(name)) throw new Error(`There is no "${name}"; the names are ${METHOD_NAMES.join(', ')}.`);
  if (temperature === undefined) return {estimator: name};
  if (!isPathwise(name)) throw new Error(`${name} has no temperature.`);
  const value = Number(temperature);
  if (
    temperature.trim() === '' ||
    rest.length > 0 ||
    !(Math.fround(value) > 0 && Number.isFinite(Math.fround(value)))
  ) {
    throw new Error(`A temperature is a number above 0, as in ${name}:0.5.`);
  }
  return {estimator: name, temperature: value};
}

/** The estimator with the temperature that it has: 1 where none is named. @throws ValueError for a temperature where there is none. */
export function chooseMethod({estimator, temperature}: NamedMethod): MethodChoice {
  if (isPathwise(estimator)) return {estimator, temperature: temperature ?? 1};
  if (temperature === undefined) return {estimator, temperature: null};
  throw new ValueError(`--temperature: ${estimator} has none, but got ${temperature}.`);
}

/** The estimator in prose. */
export function titleOf({estimator, temperature}: MethodChoice): string {
  if (isScore(estimator)) return SCORE_ESTIMATORS[estimator].title;
  if (!isPathwise(estimator)) return 'Exact gradient';
  return `${ESTIMATORS[estimator].title}${temperature === 1 ? '' : `, \u03c4 = ${temperature}`}`;
}

/** Makes a method ready for a problem. @param seed Of what an estimator learns. */
export function createMethod(
  {estimator, temperature}: MethodChoice,
  problem: Problem,
  batchSize: number,
  seed: number,
): Method {
  if (isPathwise(estimator)) return pathwise(estimator, temperature!, problem, batchSize);
  return isScore(estimator) ? score(estimator, problem, batchSize, seed) : exact(problem);
}

function exact(problem: Problem): Method {
  const {atZero, atOne} = lossesOf(problem);
  const zero = tf.tensor1d(atZero);
  const gain = tf.tensor1d(atOne.map((one, bit) => one - atZero[bit]!));
  return {
    variables: [],
    evaluate(theta) {
      const probabilities = tf.sigmoid(logOdds(theta));
      const loss = tf.mean(tf.add(zero, tf.mul(probabilities, gain))) as tf.Scalar;
      return {loss, minimised: loss, evaluations: 0};
    },
    dispose: () => tf.dispose([zero, gain]),
  };
}

function pathwise(name: EstimatorName, temperature: number, problem: Problem, batchSize: number): Method {
  const estimate = getEstimator(name);
  const {lossOfEach, targets} = createObjective(problem);
  const zeros = tf.zeros([batchSize, problem.latents, 2]);
  const first = tf.tensor2d([1, 0], [2, 1]);
  return {
    variables: [],
    evaluate(theta, random) {
      // A sum, whose gradient is a sum over the batch in one kernel; that of tf.tile adds the copies up one by one.
      const {sample} = estimate(tf.add(theta, zeros), {temperature, random});
      const rows = tf.reshape(sample, [-1, 2]) as tf.Tensor2D;
      const bits = tf.reshape(tf.matMul(rows, first), [batchSize, problem.latents]);
      const loss = tf.mean(lossOfEach(bits)) as tf.Scalar;
      return {loss, minimised: loss, evaluations: 1};
    },
    dispose: () => tf.dispose([targets, zeros, first]),
  };
}

function score(name: ScoreEstimatorName, problem: Problem, batchSize: number, seed: number): Method {
  const {estimate, createState}: ScoreEntry = SCORE_ESTIMATORS[name];
  const {lossOfEach, targets} = createObjective(problem);
  const zeros = tf.zeros([batchSize, problem.latents]);
  const state = createState?.({latentSize: problem.latents, seed});
  return {
    variables: state?.variables ?? [],
    evaluate(theta, random) {
      let evaluations = 0;
      const objective = (bits: tf.Tensor) => {
        ++evaluations;
        return lossOfEach(bits);
      };
      const logits = tf.add(logOdds(theta), zeros);
      const {loss, value, controlLoss} = estimate(objective, logits, {
        distribution: 'binary',
        random,
        ...(state && {state}),
      });
      const minimised = controlLoss ? (tf.add(loss, controlLoss) as tf.Scalar) : loss;
      return {loss: tf.mean(value) as tf.Scalar, minimised, evaluations};
    },
    dispose: () => {
      tf.dispose([targets, zeros]);
      state?.dispose();
    },
  };
}

/** theta_1 - theta_2 of each bit: the log-odds of 1. */
function logOdds(theta: tf.Tensor): tf.Tensor1D {
  return tf.sum(tf.mul(theta, tf.tensor1d([1, -1])), 1) as tf.Tensor1D;
}
