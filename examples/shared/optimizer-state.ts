// Optimizers of the programs by name, and their state for a checkpoint.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {RAdamOptimizer, radam} from 'tfjs-moe/training';
import {adamTensors, restoreAdam} from './adam-state.js';
import type {NamedTensor} from './checkpoint.js';

/** The optimizers that a program offers. */
export const OPTIMIZERS = ['adam', 'radam', 'momentum'] as const;
/** One of `OPTIMIZERS`. */
export type OptimizerName = (typeof OPTIMIZERS)[number];

const MOMENTUM = 0.9;

/** Makes an optimizer, with the constants that PyTorch has by default; the momentum is 0.9. */
export function makeOptimizer(name: OptimizerName, learningRate: number): tf.Optimizer {
  if (name === 'adam') return tf.train.adam(learningRate, 0.9, 0.999, 1e-8);
  if (name === 'radam') return radam(learningRate);
  return tf.train.momentum(learningRate, MOMENTUM);
}

// instanceof is of no use: to tfjs every optimizer is an instance of every class of optimizers.
const isAdam = (optimizer: tf.Optimizer): optimizer is tf.AdamOptimizer =>
  optimizer.getClassName() === tf.AdamOptimizer.className;
const isRAdam = (optimizer: tf.Optimizer) => optimizer.getClassName() === RAdamOptimizer.className;

/** Everything that a step changes in the optimizer; the caller owns the tensors. */
export async function optimizerTensors(optimizer: tf.Optimizer): Promise<NamedTensor[]> {
  if (isAdam(optimizer)) return adamTensors(optimizer);
  const isOwn = isRAdam(optimizer); // elsewhere the count of steps, the first, is made for the caller
  const weights = await optimizer.getWeights();
  return weights.map(({name, tensor}, i) => ({name, tensor: isOwn || i > 0 ? tf.clone(tensor) : tensor}));
}

/** Takes what optimizerTensors gave. The caller keeps the tensors and may dispose them. */
export async function restoreOptimizer(optimizer: tf.Optimizer, tensors: NamedTensor[]): Promise<void> {
  if (isAdam(optimizer)) await restoreAdam(optimizer, tensors);
  else await optimizer.setWeights(tensors);
}
