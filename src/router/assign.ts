// Gives the choices of tokens their places with the experts, in the order of GShard (Lepikhin et al. 2021, https://arxiv.org/abs/2006.16668,
// Algorithm 1), of V-MoE's batch prioritised routing (Riquelme et al. 2021, https://arxiv.org/abs/2106.05974, section 4), at random, or by
// the weights. The experts and places come from integers alone: nothing here is on the tape.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkOneOf, checkShape, show, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {type RandomSource, unseeded} from '../random/random-source.js';
import {assignOnDevice} from './assign-on-device.js';
import {ASSIGNMENT_ORDERS, type AssignmentOrder, type AssignRequest} from './assign-request.js';
import type {Assignment} from './types.js';

/** Options of `assign`. */
export interface AssignOptions {
  /** C, the places of each expert, at least 1; see `expertCapacity`. Default: as many as needed, nothing is dropped. */
  capacity?: number;
  /** Which choices come first. Default `'position'`. */
  order?: AssignmentOrder;
  /** float32 [T, K]: the weights of the choices, for the orders `'probability'` and `'priority'`. Those of choices of no expert do not matter. */
  weights?: tf.Tensor2D;
  /** Source of noise for the order `'random'`, one uniform a token. Default: a fresh unseeded one. */
  random?: RandomSource;
}

const OWNER = 'assign';

/**
 * Gives each choice a place with its expert, in a queue of all choices, until the expert has none left.
 *
 * The queue, by `order`: `'position'`, all first choices in the order of the tokens, then all second choices, and so on (GShard).
 * `'priority'`, the same with the tokens by their largest weight, the largest first (batch prioritised routing). `'random'`, the same with
 * the tokens in a uniformly random order (the random token selection of DeepSpeed). In these three no second choice displaces a first one,
 * and the place of a token's first choice does not depend on K. `'probability'`, all choices by their weight, the largest first, so that
 * an expert keeps the C choices of largest weight (Megatron and DeepSpeed call it "probs"). Of equal ones the earlier token comes first.
 *
 * A choice of no expert takes no place: padding costs no capacity. What is dropped is dropped after the choice: count the load from
 * `indices`, not from the assignment (`expertCounts`).
 *
 * @param indices int32 [T, K]: the expert of each choice, first choices in column 0, -1 for none. The experts of a token are distinct.
 * @param numExperts E, at least 1.
 * @returns Experts and places, int32 [T, K] each, owned by the caller. Without a capacity, `capacity` is the number of choices of the
 *   most chosen expert (0 if there are none), and T where tensors are kept on a device, since counting would wait for it.
 * @throws ValueError for shapes, types and options that do not fit; on backends that keep tensors on the host also for an expert out of
 *   range or twice in a token and for a weight that is NaN. On others the choice of an expert out of range is dropped and NaN comes last.
 * @example
 * const indices = tf.tensor2d([[0], [1], [0], [0]], [4, 1], 'int32');
 * assign(indices, 2, {capacity: 2}).positions; // => [[0], [0], [1], [-1]]
 */
export function assign(
  indices: tf.Tensor2D,
  numExperts: number,
  {capacity, order = 'position', weights, random = unseeded()}: AssignOptions = {},
): Assignment {
  checkShape(OWNER, 'indices', indices.shape, [null, null], '[tokens, choices]');
  if (indices.dtype !== 'int32') {
    throw new ValueError(`${OWNER}: indices must be of dtype int32, but got ${indices.dtype}.`);
  }
  checkCount(OWNER, 'numExperts', numExperts, 1);
  checkOneOf(OWNER, 'order', order, ASSIGNMENT_ORDERS);
  const isEmpty = indices.size === 0;
  if (capacity !== undefined) checkCount(OWNER, 'capacity', capacity, isEmpty ? 0 : 1);
  if (weights) checkShape(OWNER, 'weights', weights.shape, indices.shape, 'of indices');
  else if (order === 'probability' || order === 'priority') {
    throw new ValueError(`${OWNER}: order ${show(order)} needs weights of the shape of indices, but got undefined.`);
  }
  if (isEmpty) {
    const none = () => tf.zeros(indices.shape, 'int32') as tf.Tensor2D;
    return {numExperts, capacity: capacity ?? 0, experts: none(), positions: none()};
  }
  const request = {capacity, order, weights, random};
  return isOnHost() ? assignOnHost(indices, numExperts, request) : assignOnDevice(indices, numExperts, request);
}

/** The assignment by a loop over the values read from the backend: O(T K + E), and a sort for the orders that ask for one. */
export function assignOnHost(indices: tf.Tensor2D, numExperts: number, request: AssignRequest): Assignment {
  const [numTokens, topK] = indices.shape;
  const choices = hostRead(indices);
  checkChoices(choices, topK, numExperts);
  const counts = new Int32Array(numExperts);
  const experts = new Int32Array(choices.length).fill(-1);
  const positions = new Int32Array(choices.length).fill(-1);
  const places = request.capacity ?? numTokens;
  for (const choice of queue(choices, numTokens, topK, request)) {
    const expert = choices[choice]!;
    if (expert < 0) continue;
    const place = counts[expert]!++;
    if (place >= places) continue;
    experts[choice] = expert;
    positions[choice] = place;
  }
  return {
    numExperts,
    capacity: request.capacity ?? counts.reduce((a, b) => Math.max(a, b)),
    experts: tf.tensor2d(experts, indices.shape, 'int32'),
    positions: tf.tensor2d(positions, indices.shape, 'int32'),
  };
}

/** The choices, numbered token by token, in the order in which they take their places. */
function queue(
  choices: ArrayLike<number>,
  numTokens: number,
  topK: number,
  {order, weights, random}: AssignRequest,
): Int32Array {
  if (order === 'probability') return byFallingKey(weightsOfChoices(choices, topK, weights!));
  let tokens: Int32Array | undefined;
  // In float32 as on a device; that equal ones come by token is a bias of the order of 2^-24.
  if (order === 'random') tokens = byFallingKey(Float32Array.from(random.uniform(numTokens)));
  if (order === 'priority') tokens = byFallingKey(largestOfEach(weightsOfChoices(choices, topK, weights!), topK));
  const line = new Int32Array(numTokens * topK);
  for (let k = 0, next = 0; k < topK; ++k) {
    for (let i = 0; i < numTokens; ++i) line[next++] = (tokens ? tokens[i]! : i) * topK + k;
  }
  return line;
}

/** The numbers of the keys, the largest key first, of equal ones the lowest number. */
function byFallingKey(keys: Float32Array): Int32Array {
  return Int32Array.from(keys.keys()).sort((a, b) => keys[b]! - keys[a]! || a - b); // NaN, of two infinities, is falsy as well
}

/** The weights, with -Infinity for choices of no expert. */
function weightsOfChoices(choices: ArrayLike<number>, topK: number, weights: tf.Tensor2D): Float32Array {
  return Float32Array.from(hostRead(weights), (weight, choice) => {
    if (choices[choice]! < 0) return Number.NEGATIVE_INFINITY;
    if (Number.isNaN(weight)) {
      const token = Math.floor(choice / topK);
      throw new ValueError(
        `${OWNER}: weights of token ${token} must be numbers, but got NaN. Look for a diverged model.`,
      );
    }
    return weight;
  });
}

/** The largest of each `length` values in a row. */
function largestOfEach(values: Float32Array, length: number): Float32Array {
  return Float32Array.from({length: values.length / length}, (_, row) =>
    values.subarray(row * length, (row + 1) * length).reduce((a, b) => Math.max(a, b)),
  );
}

/** Refuses an expert that does not exist and one that a token chose twice. */
function checkChoices(choices: ArrayLike<number>, topK: number, numExperts: number): void {
  for (let choice = 0; choice < choices.length; ++choice) {
    const expert = choices[choice]!;
    const token = Math.floor(choice / topK);
    if (expert < -1 || expert >= numExperts) {
      throw new ValueError(
        `${OWNER}: indices must be experts from 0 to ${numExperts - 1}, or -1 for none, but token ${token} has ${expert}.`,
      );
    }
    for (let earlier = token * topK; earlier < choice; ++earlier) {
      if (expert >= 0 && choices[earlier] === expert) {
        throw new ValueError(`${OWNER}: indices of a token must be distinct, but token ${token} has ${expert} twice.`);
      }
    }
  }
}
