// Dense layers on rows in groups, each group with weights of its own: a layer of all experts of a mixture, in one op.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, checkShape} from '../errors.js';
import {checkGroupSizes, checkOneAGroup} from './group-sizes.js';
import {gradientOfFinish, gradientOfMatrices, groupedProduct} from './grouped-products.js';

/** What a dense layer on groups can apply to its sums. */
export type GroupedActivation = 'linear' | 'relu';

/**
 * Rows of group e of the result = activation(rows of group e of x times kernels[e] + biases[e]).
 *
 * One custom gradient for x, all kernels and all biases; that of the weights of a group without rows is zeros. A fixed number of kernel calls
 * where the backend has the kernels `GroupedMatMul`, `GroupedMatMulGradB` and `GroupedFinishGrad`, which `registerWasmTrainingKernels` brings
 * to wasm; elsewhere one matMul for each group that has rows.
 *
 * @param x float32 [rows, in]. The rows of group 0, then those of group 1, and so on.
 * @param kernels float32 [in, out], one a group.
 * @param biases float32 [out], one a group, or undefined for none.
 * @param groupSizes How many rows each group has; 0 is allowed.
 * @param activation 'linear' for none, or 'relu'.
 * @returns float32 [rows, out], owned by the caller.
 * @throws ValueError if the shapes do not fit, groupSizes are not whole numbers of at least 0 that sum to the rows, or the activation is
 *   another.
 * @example
 * // Two rows for the first layer and one for the second.
 * const kernels = [tf.ones([4, 5]), tf.ones([4, 5])] as tf.Tensor2D[];
 * groupedDense(tf.ones([3, 4]), kernels, undefined, [2, 1], 'relu').shape; // => [3, 5]
 */
export function groupedDense(
  x: tf.Tensor2D,
  kernels: readonly tf.Tensor2D[],
  biases: readonly tf.Tensor1D[] | undefined,
  groupSizes: ArrayLike<number>,
  activation: GroupedActivation,
): tf.Tensor2D {
  const owner = 'groupedDense';
  checkShape(owner, 'x', x.shape, [null, null], '[rows, in]');
  checkOneAGroup(owner, 'kernels', kernels, groupSizes, [x.shape[1], null], '[in, out]');
  if (biases) checkOneAGroup(owner, 'biases', biases, groupSizes, [kernels[0]!.shape[1]], '[out]');
  checkGroupSizes(owner, groupSizes, x.shape[0]);
  checkOneOf(owner, 'activation', activation, ['linear', 'relu']);

  const sizes = Array.from(groupSizes); // what the caller does to the list later does not reach the gradient
  const numGroups = sizes.length;
  const isRelu = activation === 'relu';
  const op = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const [rows, ...weights] = args as [tf.Tensor2D, ...tf.Tensor[]];
    const matrices = weights.slice(0, numGroups) as tf.Tensor2D[];
    const vectors = biases && (weights.slice(numGroups) as tf.Tensor1D[]);
    const value = groupedProduct(rows, matrices, sizes, {isRelu, ...(vectors && {biases: vectors})});
    save([rows, ...matrices, ...(isRelu ? [value] : [])]);
    return {
      value,
      gradFunc: (dy: tf.Tensor2D, saved: tf.Tensor[]) => {
        const [left, ...rest] = saved as tf.Tensor2D[];
        const {masked, sums} = gradientOfFinish(dy, rest[numGroups], sizes, biases !== undefined);
        const gradientOfX = groupedProduct(masked, rest.slice(0, numGroups), sizes, {transposeB: true});
        const gradients = [gradientOfX, ...gradientOfMatrices(left!, masked, sizes, false), ...sums];
        if (masked !== dy) masked.dispose(); // not left to the tape, which frees nothing before its end
        return gradients;
      },
    };
  });
  return op(x, ...kernels, ...(biases ?? [])) as tf.Tensor2D;
}
