// The built-in experts of a mixture on their rows, all at once.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {groupedDense} from '../ops/grouped-dense.js';
import type {DenseStep, FeedForwardExpert} from './feed-forward-expert.js';

/**
 * Rows of group e of the result = experts[e] applied to rows of group e, each layer of all experts in one op.
 *
 * Differentiable in the rows and in all weights, where they are: nothing is stacked or copied. The gradient of an expert without rows is zeros.
 *
 * @param experts Built, of one architecture, 1 or more.
 * @param rows float32 [rows, features]. The rows of expert 0, then those of expert 1, and so on.
 * @param groupSizes How many rows each expert has; 0 is allowed.
 * @returns float32 [rows, units], owned by the caller.
 * @throws ValueError if the experts, rows and groupSizes do not fit.
 */
export function stackOutputs(
  experts: readonly FeedForwardExpert[],
  rows: tf.Tensor2D,
  groupSizes: ArrayLike<number>,
): tf.Tensor2D {
  const first = experts[0]!;
  const dense: DenseStep = (x, layer, part, isActivated) => {
    const weights = experts.map(expert => expert.weightsOf(layer, part));
    const kernels = weights.map(({kernel}) => kernel.read() as tf.Tensor2D);
    const biases = weights.flatMap(({bias}) => (bias ? [bias.read() as tf.Tensor1D] : []));
    const isRelu = isActivated && first.activation === 'relu'; // the only one that the op can apply itself
    const vectors = biases.length > 0 ? biases : undefined;
    const sum = groupedDense(x, kernels, vectors, groupSizes, isRelu ? 'relu' : 'linear');
    return isActivated && !isRelu ? first.activate(sum) : sum;
  };
  return tf.tidy(() => first.compose(rows, dense));
}

/**
 * buffers[e] through experts[e], each layer of all experts as one batched product: for backends on which every op is a launch, and a product of
 * matrices that stand in different tensors is not to be had.
 *
 * @param experts Built, of one architecture, 1 or more.
 * @param buffers float32 [experts, rows, features].
 * @returns float32 [experts, rows, units], owned by the caller.
 */
export function batchOutputs(experts: readonly FeedForwardExpert[], buffers: tf.Tensor3D): tf.Tensor3D {
  const first = experts[0]!;
  const dense: DenseStep = (x, layer, part, isActivated) => {
    const weights = experts.map(expert => expert.weightsOf(layer, part));
    const kernels = tf.stack(weights.map(({kernel}) => kernel.read())) as tf.Tensor3D; // [E, in, out]
    const biases = weights.flatMap(({bias}) => (bias ? [bias.read()] : []));
    const product = tf.matMul(x as tf.Tensor, kernels);
    const sum = biases.length > 0 ? tf.add(product, tf.expandDims(tf.stack(biases), 1)) : product;
    return isActivated ? first.activate(sum as tf.Tensor2D) : (sum as tf.Tensor2D);
  };
  // `compose` maps the last axis, whatever stands before it.
  return tf.tidy(() => first.compose(buffers as tf.Tensor as tf.Tensor2D, dense) as tf.Tensor as tf.Tensor3D);
}
