// One step of Adam or RAdam where the backend has a kernel for it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runKernel} from './fused-kernel.js';

/** The kernel's name. */
const KERNEL = 'AdamUpdate';

/** The numbers of a step. */
export interface AdamUpdateAttributes {
  /** Decay of the first moment. */
  decay1: number;
  /** Decay of the second moment. */
  decay2: number;
  /** What the second moment is multiplied by before its root is taken. */
  scale: number;
  /** Added to the root. */
  epsilon: number;
  /** What the direction is multiplied by before it is subtracted from the value. */
  size: number;
  /** Whether the direction is the first moment over the root of the second, or the first moment alone. */
  isAdaptive: boolean;
}

/** Whether the active backend can make such a step for these tensors, which must be float32 and of one shape. */
export function canUpdateAdam(...tensors: tf.Tensor[]): boolean {
  const {shape} = tensors[0]!;
  return hasKernel(KERNEL) && tensors.every(x => x.dtype === 'float32' && tf.util.arraysEqual(x.shape, shape));
}

/**
 * Makes a step, where `canUpdateAdam`: first = decay1 first + (1 - decay1) gradient, second = decay2 second + (1 - decay2) gradient^2, and
 * value = value - size first / (sqrt(scale second) + epsilon), or value - size first. Tensors that share memory with a variable keep
 * their values.
 *
 * @param value The variable.
 * @param first Its first moment, float32 of the variable's shape; as all four.
 * @param second Its second moment.
 * @param gradient Its gradient.
 */
export function updateAdam(
  value: tf.Variable,
  first: tf.Variable,
  second: tf.Variable,
  gradient: tf.Tensor,
  attributes: AdamUpdateAttributes,
): void {
  const updated = runKernel(KERNEL, {value, first, second, gradient}, attributes);
  for (const [i, variable] of [value, first, second].entries()) variable.assign(updated[i]!);
  tf.dispose(updated);
}
