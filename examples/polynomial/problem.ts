// The problem: how far random bits are from a target that they cannot reach. Its expectation has a closed form, against which every
// estimator can be held. Liu et al. 2023, https://arxiv.org/abs/2304.08612, "polynomial programming".
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** What bit l, counted from 1, is compared with: one number for all, or (l - 1/2) / latents. */
export type Target = number | 'linear';

/** What is minimised: E sum_l |D_l - c_l|^p / latents over the probabilities of independent bits D. */
export interface Problem {
  /** Above 0. */
  p: number;
  /** How many bits. */
  latents: number;
  target: Target;
}

/** The c of each bit. */
export function targetsOf({latents, target}: Problem): number[] {
  return Array.from({length: latents}, (_, bit) => (target === 'linear' ? (bit + 0.5) / latents : target));
}

/** The loss of each bit where it is 0 and where it is 1. */
export function lossesOf(problem: Problem): {atZero: number[]; atOne: number[]} {
  const targets = targetsOf(problem);
  return {
    atZero: targets.map(target => Math.abs(target) ** problem.p),
    atOne: targets.map(target => Math.abs(1 - target) ** problem.p),
  };
}

/** The expected loss, given the probability of each bit to be 1. */
export function expectedLoss(problem: Problem, probabilities: ArrayLike<number>): number {
  const {atZero, atOne} = lossesOf(problem);
  const losses = atZero.map((zero, bit) => zero + probabilities[bit]! * (atOne[bit]! - zero));
  return losses.reduce((sum, loss) => sum + loss, 0) / problem.latents;
}

/** The expected loss of fair bits, near which every run starts. */
export function startLoss(problem: Problem): number {
  return expectedLoss(problem, new Array<number>(problem.latents).fill(0.5));
}

/** The least that can be reached: each bit surely what costs less. */
export function optimalLoss(problem: Problem): number {
  const {atZero, atOne} = lossesOf(problem);
  return expectedLoss(
    problem,
    atZero.map((zero, bit) => Number(atOne[bit]! < zero)),
  );
}

/** The objective, bits [batch, latents] to the loss of each example [batch]. The tensor inside it is the caller's to dispose. */
export function createObjective(problem: Problem): {lossOfEach(bits: tf.Tensor): tf.Tensor1D; targets: tf.Tensor1D} {
  const targets = tf.tensor1d(targetsOf(problem));
  const lossOfEach = (bits: tf.Tensor) => tf.mean(tf.pow(tf.abs(tf.sub(bits, targets)), problem.p), 1) as tf.Tensor1D;
  return {lossOfEach, targets};
}
