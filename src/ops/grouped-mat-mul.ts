// Rows in groups, each group times a matrix of its own: the experts' layers of a mixture, in one op.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runKernel} from './fused-kernel.js';
import {checkGroups} from './group-sizes.js';

/**
 * The product of each group of rows with its own matrix: rows of group e of the result = rows of group e of a times b[e].
 *
 * Differentiable in a and b. One kernel call where the backend has the kernels `GroupedMatMul` and `GroupedMatMulGradB`, which
 * `registerWasmTrainingKernels` brings to wasm; elsewhere one matMul a group.
 *
 * @param a float32 [rows, inner]. The rows of group 0, then those of group 1, and so on.
 * @param b float32 [groups, inner, columns].
 * @param groupSizes How many rows each group has; 0 is allowed.
 * @returns float32 [rows, columns], owned by the caller.
 * @throws ValueError if the shapes do not fit or groupSizes are not whole numbers of at least 0 that sum to the rows.
 * @example
 * // Two rows for the first matrix, none for the second and one for the third.
 * groupedMatMul(tf.ones([3, 4]), tf.ones([3, 4, 5]), [2, 0, 1]).shape; // => [3, 5]
 */
export function groupedMatMul(a: tf.Tensor2D, b: tf.Tensor3D, groupSizes: ArrayLike<number>): tf.Tensor2D {
  checkGroups('groupedMatMul', a, b, groupSizes);
  const sizes = Array.from(groupSizes); // what the caller does to the list later does not reach the gradient
  const op = tf.customGrad((x, w, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor, w as tf.Tensor]);
    return {
      value: product(x as tf.Tensor2D, w as tf.Tensor3D, sizes, false),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [left, right] = saved as [tf.Tensor2D, tf.Tensor3D];
        return [product(dy as tf.Tensor2D, right, sizes, true), gradientOfMatrices(left, dy as tf.Tensor2D, sizes)];
      },
    };
  });
  return op(a, b) as tf.Tensor2D;
}

/** Rows of group e times b[e], or times its transpose. */
function product(a: tf.Tensor2D, b: tf.Tensor3D, groupSizes: number[], transposeB: boolean): tf.Tensor2D {
  if (hasKernel('GroupedMatMul')) return runKernel('GroupedMatMul', {a, b}, {groupSizes, transposeB})[0] as tf.Tensor2D;
  return tf.tidy(() => {
    if (!isSummed(a, b)) return tf.zeros([a.shape[0], b.shape[transposeB ? 1 : 2]]);
    const parts = groups(groupSizes).map(([group, start, size]) =>
      tf.matMul<tf.Tensor2D>(tf.slice(a, [start, 0], [size, -1]), matrixOf(b, group), false, transposeB),
    );
    return tf.concat2d(parts, 0);
  });
}

/** (Rows of group e of a)' (rows of group e of dy) for each e, [groups, inner, columns]. */
function gradientOfMatrices(a: tf.Tensor2D, dy: tf.Tensor2D, groupSizes: number[]): tf.Tensor3D {
  if (hasKernel('GroupedMatMulGradB')) return runKernel('GroupedMatMulGradB', {a, dy}, {groupSizes})[0] as tf.Tensor3D;
  return tf.tidy(() => {
    const shape: [number, number, number] = [groupSizes.length, a.shape[1], dy.shape[1]];
    if (shape.includes(0)) return tf.zeros(shape);
    let start = 0;
    const parts = groupSizes.map(size => {
      const rows = <T extends tf.Tensor2D>(x: T) => tf.slice(x, [start, 0], [size, -1]);
      const part = size > 0 ? tf.matMul(rows(a), rows(dy), true, false) : tf.zeros<tf.Rank.R2>([shape[1], shape[2]]);
      start += size;
      return part;
    });
    return tf.stack(parts) as tf.Tensor3D;
  });
}

/** Number, first row and size of each group that has rows. */
function groups(groupSizes: number[]): [group: number, start: number, size: number][] {
  let start = 0;
  return groupSizes
    .map((size, group): [number, number, number] => {
      start += size;
      return [group, start - size, size];
    })
    .filter(([, , size]) => size > 0);
}

/** The matrix at a position of [groups, rows, columns]. */
function matrixOf(b: tf.Tensor3D, group: number): tf.Tensor2D {
  return tf.squeeze(tf.slice(b, [group, 0, 0], [1, -1, -1]), [0]);
}

/** Whether there is anything to sum: a product over an axis of length zero would be left to the memory's old content on some backends. */
function isSummed(a: tf.Tensor, b: tf.Tensor): boolean {
  return a.size > 0 && b.size > 0;
}
