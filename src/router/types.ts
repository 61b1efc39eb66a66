// What routers, assignments and their users hand to each other.
// SPDX-License-Identifier: Apache-2.0
//
// Letters of the shapes: T tokens, E experts, K choices a token, C places an expert, D features.
import type * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from '../random/random-source.js';

/** Options that every router takes. */
export interface RouterOptions {
  /** K, how many experts a token chooses, from 1 to E. Default: the router's own, 1 for most. */
  topK?: number;
  /** Whether to draw and to add noise; without it a router is deterministic. Default false. */
  training?: boolean;
  /** Source of noise in training. Default: a fresh unseeded one. */
  random?: RandomSource;
  /** [T], any dtype: 1 or true for real tokens, 0 or false for padding, which chooses nothing. Default: all are real. */
  mask?: tf.Tensor1D;
}

/** What a layer tells its router beyond the options that every router takes. */
export interface RouterContext extends RouterOptions {
  /** float32 [T, D]: the tokens behind the logits. */
  tokens?: tf.Tensor2D;
  /** float32 [E]: what is added to the scores where the experts are chosen, and only there. */
  bias?: tf.Tensor1D;
  /** float32 [T, E]: from which a router that learns its noise has the noise's deviation. */
  noiseLogits?: tf.Tensor2D;
  /** Dimensionless, of a router that has one. */
  temperature?: number;
  /** C, how many tokens an expert may take, for routers whose experts choose. */
  capacity?: number;
}

/** Where the tokens want to go. The caller owns the tensors. (A type and no interface, so that `tf.tidy` takes it.) */
export type Routing = {
  /** int32 [T, K]: the expert of each choice, the first choice first; -1 where there is none. No gradient. */
  indices: tf.Tensor2D;
  /** float32 [T, K]: what the chosen expert's output is multiplied with, 0 where there is none. Carries the router's gradient. */
  weights: tf.Tensor2D;
  /** float32 [T, E]: the scores as probabilities, for losses and metrics, with their gradient. */
  probs: tf.Tensor2D;
  /**
   * float32 [T, K], without gradient: what the gradient of the expert's output is multiplied with, where that is not `weights`. The
   * value of a choice and its expert's gradient differ in SparseMixer.
   */
  expertGradientWeights?: tf.Tensor2D;
  /**
   * float32 [T, E]: the weight with which an expert that was not chosen would have counted, 0 for a chosen one. Given by routers whose gradient
   * asks for the outputs of all experts, or for a substitute of them; it changes the gradient alone and never the output.
   */
  unchosen?: tf.Tensor2D;
  /** float32 [T]: the weight of the token itself in the sum, from a router that mixes it in (BASE). */
  residualWeights?: tf.Tensor1D;
  /** Which choices have a place, from routers whose experts choose; where it is absent, `assign` decides. */
  assignment?: Assignment;
};

/** A router by tokens' choice: logits [T, E] to a routing. */
export type Router = (logits: tf.Tensor2D, options?: RouterContext) => Routing;

/** Which choices have a place, and where. The caller owns the tensors. */
export type Assignment = {
  /** E. */
  numExperts: number;
  /** C: no position is C or more. On backends that keep tensors on the host a dropless assignment has the largest expert's number of tokens. */
  capacity: number;
  /** int32 [T, K]: the expert of each choice, -1 where there is none or it was dropped. */
  experts: tf.Tensor2D;
  /** int32 [T, K]: the place of each choice among its expert's, from 0 on without gaps; -1 where `experts` is. */
  positions: tf.Tensor2D;
};
