// A gradient that may be taken while another one is being computed.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * The gradient of sum(f(x) * dy) with respect to x, off the tape. Unlike `tf.grad` it may be called inside a gradient function: there the
 * outer tape is still in the engine's hands but no longer counted as open, and an inner gradient would take its place and drop it.
 *
 * @param f Differentiable in x.
 * @param x Any tensor.
 * @param dy Of the shape of f(x).
 * @returns Of the shape of x, owned by the caller.
 */
export function vectorJacobianProduct(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  const {state} = tf.engine();
  const outer = state.activeTape;
  try {
    return tf.grad(f)(x, dy);
  } finally {
    state.activeTape = outer;
  }
}
