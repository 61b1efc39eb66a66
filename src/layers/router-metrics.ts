// What a router did in training: expert load, entropy, imbalance, dead experts.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {DiscreteRouter} from './discrete-router.js';
import type {GumbelMoE} from './gumbel-moe.js';

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
  /** How many experts got no token. */
  deadExperts: number;
}

const routerOf = (layer: DiscreteRouter | GumbelMoE): DiscreteRouter => ('router' in layer ? layer.router : layer);

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
  const sums = Array.from(await statistics.read().data());
  const counts = sums.slice(0, numExperts);
  const [tokens, entropy] = sums.slice(numExperts) as [number, number];
  const choices = counts.reduce((a, b) => a + b, 0);
  const load = counts.map(count => (choices === 0 ? 0 : count / choices));
  return {
    tokens,
    load,
    entropy: tokens === 0 ? 0 : entropy / tokens,
    maxViolation: choices === 0 ? 0 : Math.max(...load) * numExperts - 1,
    deadExperts: counts.filter(count => count === 0).length,
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
