// Checks of what dispatch and combine are given, shared by their several ways.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../errors.js';
import type {Assignment} from './types.js';

/** Refuses an assignment of two shapes, and other than one row of tokens for each of its rows. */
export function checkTokens(owner: string, tokens: tf.Tensor2D, {experts, positions}: Assignment): void {
  checkShape(owner, 'tokens', tokens.shape, [experts.shape[0], null], '[tokens, features]');
  checkShape(owner, 'positions', positions.shape, experts.shape, 'of experts');
}

/** Refuses an assignment of two shapes, and outputs that are not those of its experts and places. */
export function checkOutputs(owner: string, outputs: tf.Tensor3D, assignment: Assignment): void {
  const {numExperts, capacity, experts, positions} = assignment;
  checkShape(owner, 'outputs', outputs.shape, [numExperts, capacity, null], '[experts, places, units]');
  checkShape(owner, 'positions', positions.shape, experts.shape, 'of experts');
}

/** Refuses weights that are not one for each choice. */
export function checkWeights(
  owner: string,
  shape: [tokens: number, choices: number],
  weights: tf.Tensor2D,
  expertGradientWeights: tf.Tensor2D | undefined,
): void {
  checkShape(owner, 'weights', weights.shape, shape, '[tokens, choices]');
  if (!expertGradientWeights) return;
  checkShape(owner, 'expertGradientWeights', expertGradientWeights.shape, shape, '[tokens, choices]');
}
