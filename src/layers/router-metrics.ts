// What a router did in training: expert load, entropy, imbalance, dead experts, dropped choices, confidence.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {DiscreteRouter} from './discrete-router.js';
import type {GumbelMoE} from './gumbel-moe.js';
import {readStatistics} from './router-statistics.js';

/** A summary of the valid training tokens since the last reset. */
export interface RouterMetrics {
  /** How many tokens were routed. */
  tokens: number;
  /** The share of all choices that went to each expert; sums to 1. Zeros where no token was routed. */
  load: number[];
  /** Mean entropy of a token's probabilities, in nats: 0 is certain, ln(numExperts) is undecided. */
  entropy: number;
  /** Maximum violation: the largest load over the balanced one, less 1; 0 is balanced, numExperts - 1 is collapse on one expert. */
  maxViolation: number;
  /** How many experts no token chose. */
  deadExperts: number;
  /** The share of choices that found no place at their expert, from 0 to 1; 0 without a capacity. */
  droppedFraction: number;
  /** Mean probability of the chosen experts, from 0 to 1; 1 is certain, 1 / numExperts undecided. 0 where no token was routed. */
  routerConfidence: number;
}

const routerOf = (layer: DiscreteRouter | GumbelMoE): Pick<DiscreteRouter, 'statistics' | 'numExperts'> =>
  'router' in layer ? layer.router : layer;

/**
 * Summarises what a layer routed in training since `resetRouterMetrics`, or since it was built. Needs no auxiliary loss to be on, and
 * neither inference nor evaluation counts.
 *
 * @param layer A built router or Mixture-of-Experts.
 * @returns A promise, since on a GPU the sums must be fetched.
 * @throws ValueError where the layer is not built.
 */
export async function routerMetrics(layer: DiscreteRouter | GumbelMoE): Promise<RouterMetrics> {
  const {statistics, numExperts} = routerOf(layer);
  const {choices, tokens, entropy, dropped, confidence} = readStatistics(await statistics.read().data(), numExperts);
  const numChoices = choices.reduce((a, b) => a + b, 0);
  const perChoice = (sum: number) => (numChoices === 0 ? 0 : sum / numChoices);
  const load = choices.map(perChoice);
  return {
    tokens,
    load,
    entropy: tokens === 0 ? 0 : entropy / tokens,
    maxViolation: numChoices === 0 ? 0 : Math.max(...load) * numExperts - 1,
    deadExperts: choices.filter(count => count === 0).length,
    droppedFraction: perChoice(dropped),
    routerConfidence: perChoice(confidence),
  };
}

/**
 * Sets the sums behind `routerMetrics` to zero.
 *
 * @param layer A built router or Mixture-of-Experts.
 */
export function resetRouterMetrics(layer: DiscreteRouter | GumbelMoE): void {
  const {statistics} = routerOf(layer);
  tf.tidy(() => {
    statistics.write(tf.zeros(statistics.shape as number[]));
  });
}
