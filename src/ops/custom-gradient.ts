// One typed wrapper over tf.customGrad for a function of one tensor.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** The value of a function and its gradient: `gradient` takes dL/dvalue and the saved tensors, and returns dL/dx. */
export interface ValueAndGradient {
  /** A tensor made here: returning the input itself would skip the gradient. */
  value: tf.Tensor;
  /** Called after the tensors of the forward pass are gone, so that it may use saved ones only. */
  gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor;
}

/**
 * Applies a function of x with its own gradient. Ops inside are not taped and need no gradient of their own.
 *
 * @param x The input.
 * @param fn Computes value and gradient; `save` takes, once, all tensors that the gradient needs.
 */
export function customGradient(
  x: tf.Tensor,
  fn: (x: tf.Tensor, save: (tensors: tf.Tensor[]) => void) => ValueAndGradient,
): tf.Tensor {
  const op = tf.customGrad((input, save) => {
    const {value, gradient} = fn(input as tf.Tensor, save as (tensors: tf.Tensor[]) => void);
    return {value, gradFunc: gradient};
  });
  return op(x);
}
