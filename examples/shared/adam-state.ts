// Saves and restores Adam to the last bit.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {NamedTensor} from './checkpoint.js';

// Adam multiplies the powers of its decay rates up, step by step, in two variables that getWeights leaves out and that setWeights
// computes anew by pow: an error of rounding that grows with the steps, enough to flip a discrete choice that stood at its border.
interface AdamPowers {
  accBeta1: tf.Variable;
  accBeta2: tf.Variable;
}

/** The step count, the moments and the powers; the caller owns the tensors. */
export async function adamTensors(optimizer: tf.AdamOptimizer): Promise<NamedTensor[]> {
  const {accBeta1, accBeta2} = optimizer as unknown as AdamPowers;
  const weights = await optimizer.getWeights();
  const powers = [accBeta1, accBeta2].map((tensor, i) => ({name: `power/${i}`, tensor}));
  const [count, ...moments] = weights.map(({tensor}, i) => ({name: `weight/${i}`, tensor}));
  // The count was made for the caller; the others are the optimizer's own.
  return [count!, ...[...moments, ...powers].map(({name, tensor}) => ({name, tensor: tf.clone(tensor)}))];
}

/** Takes what adamTensors gave. The caller keeps the tensors and may dispose them. */
export async function restoreAdam(optimizer: tf.AdamOptimizer, tensors: NamedTensor[]): Promise<void> {
  const {accBeta1, accBeta2} = optimizer as unknown as AdamPowers;
  await optimizer.setWeights(tensors.slice(0, -2));
  const [power1, power2] = tensors.slice(-2);
  accBeta1.assign(power1!.tensor as tf.Tensor);
  accBeta2.assign(power2!.tensor as tf.Tensor);
}
