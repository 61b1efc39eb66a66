// How many places an expert has: the capacity of GShard (Lepikhin et al. 2021, https://arxiv.org/abs/2006.16668) and of the Switch
// Transformer (Fedus, Zoph and Shazeer 2022, https://arxiv.org/abs/2101.03961, eq. 3), for K choices a token.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, checkRange, ValueError} from '../errors.js';

/** Options of `expertCapacity`. */
export interface CapacityOptions {
  /** K, how many experts a token chooses, from 1 to E. Default 1. */
  topK?: number;
  /** The places of all experts as a multiple of the choices of all tokens; 1 is just enough for perfect balance. At least 0. */
  capacityFactor: number;
  /** Fewer places than these an expert never has, unless there are fewer tokens. Default 0. */
  minCapacity?: number;
}

/** A product of three factors and a quotient are off by at most 2^-51 of their value; a factor that was itself computed by a little more. */
const DUST = 1e-12;

/**
 * The number of places of each expert: C = min(T, max(minCapacity, ceil(capacityFactor * K * T / E))).
 *
 * No more than T, since a token takes at most one place of an expert. What exceeds a whole number by a rounding error alone
 * (1.1 * 100 = 110.00000000000001) makes no further place.
 *
 * Other programs, with T = 100, E = 8, K = 2 and a factor of 1.25, where this gives 32: V-MoE, Megatron, Tutel and DeepSpeed's top-k count
 * K as well and give 32 (V-MoE rounds up to a multiple of 4); MegaBlocks and FastMoE round down, 31. Those that do not count K are
 * matched by leaving `topK` at 1, or by a factor divided by K, which gives 16 here: flaxformer and TensorFlow Model Garden round
 * to the nearest (16), DeepSpeed's top-1 up (16), praxis down and then up to a multiple of 4 (16); Switch, keras-io, Hugging Face and Mesh
 * TensorFlow round down (15). A minimum of 4 is the default of flaxformer, DeepSpeed and Mesh TensorFlow; here it is asked for.
 *
 * @param numTokens T, a whole number of at least 0; padding counts if the capacity is to depend on the shape alone.
 * @param numExperts E, at least 1.
 * @returns C, a whole number from 1 to T; 0 for 0 tokens.
 * @throws ValueError for arguments out of range, and where there are tokens but no places.
 * @example
 * expertCapacity(100, 8, {topK: 2, capacityFactor: 1.25}); // => 32
 */
export function expertCapacity(
  numTokens: number,
  numExperts: number,
  {topK = 1, capacityFactor, minCapacity = 0}: CapacityOptions,
): number {
  const owner = 'expertCapacity';
  checkCount(owner, 'numTokens', numTokens, 0);
  checkCount(owner, 'numExperts', numExperts, 1);
  checkCount(owner, 'topK', topK, 1);
  if (topK > numExperts) throw new ValueError(`${owner}: topK (=${topK}) must not exceed numExperts (=${numExperts}).`);
  checkRange(owner, 'capacityFactor', capacityFactor, 0);
  checkCount(owner, 'minCapacity', minCapacity, 0);
  const places = (capacityFactor * topK * numTokens) / numExperts;
  const capacity = Math.min(numTokens, Math.max(minCapacity, Math.ceil(places * (1 - DUST))));
  if (capacity === 0 && numTokens > 0) {
    throw new ValueError(
      `${owner}: capacityFactor (=${capacityFactor}) and minCapacity (=${minCapacity}) leave no place for ${numTokens} tokens. ` +
        'Give a positive capacityFactor, or no capacity at all, which drops nothing.',
    );
  }
  return capacity;
}
