// Rows in groups, each group times a matrix of its own: the experts' layers of a mixture, in one op.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkGroups} from './group-sizes.js';
import {gradientOfMatrices, groupedProduct, isList} from './grouped-products.js';

/**
 * The product of each group of rows with its own matrix: rows of group e of the result = rows of group e of a times b[e].
 *
 * Differentiable in a and in b; the gradient of a matrix whose group has no rows is zeros. One kernel call where the backend has the kernels
 * `GroupedMatMul` and `GroupedMatMulGradB`, which `registerWasmTrainingKernels` brings to wasm; elsewhere one matMul a group.
 *
 * @param a float32 [rows, inner]. The rows of group 0, then those of group 1, and so on.
 * @param b float32 [groups, inner, columns], or a list of one [inner, columns] a group, for weights that are variables of their own.
 * @param groupSizes How many rows each group has; 0 is allowed.
 * @returns float32 [rows, columns], owned by the caller.
 * @throws ValueError if the shapes do not fit or groupSizes are not whole numbers of at least 0 that sum to the rows.
 * @example
 * // Two rows for the first matrix, none for the second and one for the third.
 * groupedMatMul(tf.ones([3, 4]), tf.ones([3, 4, 5]), [2, 0, 1]).shape; // => [3, 5]
 */
export function groupedMatMul(
  a: tf.Tensor2D,
  b: tf.Tensor3D | readonly tf.Tensor2D[],
  groupSizes: ArrayLike<number>,
): tf.Tensor2D {
  checkGroups('groupedMatMul', a, b, groupSizes);
  const sizes = Array.from(groupSizes); // what the caller does to the list later does not reach the gradient
  const isStacked = !isList(b);
  const op = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const tensors = args as tf.Tensor[];
    save(tensors);
    /** The operands as they were given: the left one, and the matrices. */
    const operands = ([left, ...right]: tf.Tensor[]) =>
      [left as tf.Tensor2D, isStacked ? (right[0] as tf.Tensor3D) : (right as tf.Tensor2D[])] as const;
    return {
      value: groupedProduct(...operands(tensors), sizes),
      gradFunc: (dy: tf.Tensor2D, saved: tf.Tensor[]) => {
        const [left, right] = operands(saved);
        const gradientOfA = groupedProduct(dy, right, sizes, {transposeB: true});
        return [gradientOfA, ...gradientOfMatrices(left, dy, sizes, isStacked)];
      },
    };
  });
  return op(a, ...(isStacked ? [b as tf.Tensor3D] : b)) as tf.Tensor2D;
}
