// The estimators of a run, both families in one form: a loss to minimise, and the bound that is reported.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorEntry,
  type EstimatorName,
  getEstimator,
  type RandomSource,
  SCORE_ESTIMATOR_ALIASES,
  SCORE_ESTIMATORS,
  type ScoreEntry,
  type ScoreEstimatorName,
} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {klToUniform} from 'tfjs-moe/training';
import {byCategory, type CodeShape, codeUnits, isBits, largestEntries} from './code.js';
import type {NegativeElbo} from './model.js';

/** An estimator of either family. */
export type MethodName = EstimatorName | ScoreEstimatorName;

/** What an update minimises and reports. */
export interface Estimate {
  /** On the tape; includes what trains the control variates. */
  minimised: tf.Scalar;
  /** float32 [batch]: -ELBO at the hard draws, their mean. No part of `minimised`. */
  value: tf.Tensor1D;
}

/** An estimator, ready to train. */
export interface Method {
  /** What it keeps from update to update. */
  variables: readonly tf.Variable[];
  /** Draws codes and evaluates. `logits`: [batch, units] of the code, on the tape; `x`: [batch, PIXELS]. */
  estimate(bound: NegativeElbo, logits: tf.Tensor2D, x: tf.Tensor2D, random: RandomSource): Estimate;
  dispose(): void;
}

/** What a method depends on. */
export interface MethodOptions {
  code: CodeShape;
  numSamples: number;
  temperature: number | null;
  /** Of gumbelRao. Default: the estimator's. */
  noiseSamples?: number | null;
  /** Of the first weights of a control variate. */
  seed: number;
  /** Values of an image. */
  contextSize: number;
}

/** All names; ReinMax first. */
export const METHOD_NAMES: readonly MethodName[] = [
  ...new Set<MethodName>([
    'reinmax',
    ...(Object.keys(ESTIMATORS) as EstimatorName[]),
    ...(Object.keys(SCORE_ESTIMATORS) as ScoreEstimatorName[]),
  ]),
];

/** Short names. */
export const METHOD_ALIASES: Readonly<Record<string, MethodName>> = {...ESTIMATOR_ALIASES, ...SCORE_ESTIMATOR_ALIASES};

/** Whether a method evaluates the objective itself, not only its gradient at a draw. */
export function isScore(name: MethodName): name is ScoreEstimatorName {
  return Object.hasOwn(SCORE_ESTIMATORS, name);
}

/** The method in prose. */
export function nameOf({method, noiseSamples}: {method: MethodName; noiseSamples?: number | null}): string {
  const {title} = isScore(method) ? SCORE_ESTIMATORS[method] : ESTIMATORS[method];
  return noiseSamples == null ? title : `${title} (${noiseSamples} noise samples)`;
}

/** The same with the number of hard draws. */
export function titleOf(settings: {method: MethodName; numSamples: number; noiseSamples?: number | null}): string {
  return `${nameOf(settings)}, K = ${settings.numSamples}`;
}

/** How often an update evaluates the bound of an image for its gradient, at hard and at relaxed codes. */
export function evaluationsOf(method: MethodName, numSamples: number): number {
  return numSamples + (isScore(method) ? SCORE_ESTIMATORS[method].numRelaxed : 0);
}

/** @throws ValueError for a number of draws that the method cannot work with. */
export function checkNumSamples(method: MethodName, numSamples: number): void {
  if (!isScore(method)) return;
  const {minimum, fixed, multipleOf = 1}: ScoreEntry['numSamples'] = SCORE_ESTIMATORS[method].numSamples;
  const isRight = fixed ? numSamples === minimum : numSamples >= minimum && numSamples % multipleOf === 0;
  if (isRight) return;
  const wanted = fixed
    ? `${minimum}`
    : `at least ${minimum}${multipleOf > 1 ? ` and a multiple of ${multipleOf}` : ''}`;
  throw new ValueError(`--num-samples: ${method} draws ${wanted}, but got ${numSamples}.`);
}

/** Makes a method ready for images of `contextSize` values. */
export function createMethod(name: MethodName, options: MethodOptions): Method {
  return isScore(name) ? score(name, options) : pathwise(name, options);
}

function score(name: ScoreEstimatorName, {code, numSamples, seed, contextSize}: MethodOptions): Method {
  const {estimate, createState}: ScoreEntry = SCORE_ESTIMATORS[name];
  const state = createState?.({latentSize: codeUnits(code), contextSize, seed});
  const distribution = isBits(code) ? 'binary' : 'categorical';
  return {
    variables: state?.variables ?? [],
    estimate({ofCodes}, logits, x, random) {
      const options = {distribution, numSamples, random, context: x, ...(state && {state})} as const;
      const objective = (codes: tf.Tensor) => ofCodes(tf.reshape(codes, logits.shape));
      const {loss, value, controlLoss} = estimate(objective, isBits(code) ? logits : byCategory(logits, code), options);
      return {minimised: controlLoss ? tf.add(loss, controlLoss) : loss, value};
    },
    dispose: () => state?.dispose(),
  };
}

/**
 * A bit is the first of two categories with the logits [h, 0]. What is minimised has the divergence from the prior in closed form; what is
 * reported has it at the draws, as it is with the other family.
 */
function pathwise(name: EstimatorName, {code, numSamples, temperature, noiseSamples}: MethodOptions): Method {
  const {hard}: EstimatorEntry = ESTIMATORS[name];
  const estimate = getEstimator(noiseSamples == null ? name : {name, numSamples: noiseSamples});
  const options = temperature === null ? {} : {temperature};
  return {
    variables: [],
    estimate({ofCodes, reconstruction, codeCost}, logits, _, random) {
      const categories = isBits(code) ? tf.stack([logits, tf.zeros(logits.shape)], 2) : byCategory(logits, code);
      const draws = Array.from({length: numSamples}, () => {
        const {sample} = estimate(categories, {...options, random});
        const entries = isBits(code) ? tf.slice(sample, [0, 0, 0], [-1, -1, 1]) : sample;
        const codes = tf.reshape(entries, logits.shape) as tf.Tensor2D;
        const minimised = reconstruction(codes);
        // A relaxed sample is reported at the code to which it is nearest, which is a draw.
        const value = hard ? tf.add(minimised, codeCost(codes)) : ofCodes(largestEntries(codes, code, 0.5));
        return {minimised, value};
      });
      const meanOf = (parts: tf.Tensor[]) => tf.div(tf.addN(parts), numSamples);
      const divergence = tf.sum(klToUniform(categories), 1);
      return {
        minimised: tf.mean(tf.add(meanOf(draws.map(({minimised}) => minimised)), divergence)),
        value: meanOf(draws.map(({value}) => value)) as tf.Tensor1D,
      };
    },
    dispose: () => {},
  };
}
