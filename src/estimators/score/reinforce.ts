// REINFORCE with a running mean of the loss as its baseline.
// Williams 1992, https://doi.org/10.1007/BF00992696
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkRange} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import {averageDraws} from './average-draws.js';
import {checkState} from './check-state.js';
import {drawHard, sampleMean} from './draw.js';
import {evaluate, perExample} from './objective.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions, ScoreState} from './types.js';

/** Options of `createReinforceState`. */
export interface ReinforceStateOptions {
  /** How much of the baseline stays at an update, from 0 (it is the last batch's mean) to 1 (it stays 0). Default 0.9. */
  decay?: number;
}

/** The baseline: a running mean of the loss, which starts at 0. Make one by `createReinforceState`. */
export class ReinforceState implements ScoreState {
  /** The baseline, a scalar that no optimizer trains. */
  readonly variables: readonly [tf.Variable];
  readonly #decay: number;

  /** As `createReinforceState`. */
  constructor({decay = 0.9}: ReinforceStateOptions = {}) {
    checkRange('createReinforceState', 'decay', decay, 0, 1);
    this.#decay = decay;
    this.variables = [tf.tidy(() => tf.variable(tf.scalar(0), false))];
  }

  /** Moves the baseline towards the mean of the losses. Call it after the baseline's use, or the estimate depends on its own draw. */
  update(values: readonly tf.Tensor1D[]): void {
    const [baseline] = this.variables;
    tf.tidy(() => {
      const mean = noGradient(() => tf.mean(tf.stack([...values])));
      baseline.assign(noGradient(() => tf.add(tf.mul(this.#decay, baseline), tf.mul(1 - this.#decay, mean))));
    });
  }

  /** Frees the variables. */
  dispose(): void {
    for (const variable of this.variables) variable.dispose();
  }
}

/**
 * Makes the running mean that `reinforce` takes as its baseline.
 *
 * @param options.decay From 0 to 1. Default 0.9.
 * @throws ValueError for a decay out of range.
 */
export function createReinforceState(options: ReinforceStateOptions = {}): ReinforceState {
  return new ReinforceState(options);
}

/** What `reinforce` can work with. */
export const REINFORCE_SUPPORT = {
  distributions: ['categorical', 'binary'],
  numSamples: {minimum: 1},
} as const satisfies ScoreSupport;

/**
 * REINFORCE: the loss above a baseline times the score of the draw. Unbiased for any objective, differentiable or not.
 *
 * With p the mean of the sample D: the mean over draws of (f(D) - baseline) (D - p). The baseline is 0 without a state, and with one the
 * running mean of earlier calls' losses, which this call's draws have no part in.
 *
 * @param objective The loss of each example; evaluated at `numSamples` hard draws.
 * @param logits float32 [batch, ..., categories], or [batch, ..., bits] of log-odds.
 * @param options.distribution Default: 'categorical'.
 * @param options.numSamples At least 1. Default 1.
 * @param options.random Source of noise, sample after sample: one uniform a row of categories, or a bit.
 * @param options.state From `createReinforceState`. Updated after its use with the mean over batch and draws.
 * @returns loss and value, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, another estimator's state, and an objective of another shape.
 */
export function reinforce(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'reinforce';
  const {distribution, numSamples, random} = resolveScoreOptions(owner, logits, options, REINFORCE_SUPPORT);
  const state = checkState(owner, options.state, ReinforceState, 'createReinforceState');
  return tf.tidy(() => {
    const draws = Array.from({length: numSamples}, () => drawHard(owner, logits, distribution, random));
    const values = draws.map(draw => evaluate(owner, objective, draw, 'hard'));
    const estimate = noGradient(() => {
      const probs = sampleMean(logits, distribution);
      const terms = draws.map((draw, k) => {
        const advantage = state ? tf.sub(values[k]!, state.variables[0]) : values[k]!;
        return tf.mul(perExample(advantage, draw), tf.sub(draw, probs));
      });
      return tf.div(sumOf(terms), numSamples);
    });
    state?.update(values);
    return averageDraws(values, logits, estimate);
  });
}
