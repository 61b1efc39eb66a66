// Checks of rows in groups.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkShape, show, ValueError} from '../errors.js';

/** Refuses group sizes that are not whole numbers of at least 0 that sum to the number of rows. */
export function checkGroupSizes(owner: string, groupSizes: ArrayLike<number>, rows: number): void {
  let sum = 0;
  for (let group = 0; group < groupSizes.length; ++group) {
    checkCount(owner, `groupSizes[${group}]`, groupSizes[group], 0);
    sum += groupSizes[group]!;
  }
  if (sum !== rows) {
    throw new ValueError(
      `${owner}: groupSizes must sum to the number of rows (=${rows}), but got ${show(Array.from(groupSizes))}, which sums to ${sum}.`,
    );
  }
}

/** Refuses anything but a [rows, K], b [groups, K, N] (or [groups, N, K] where transposed) and sizes of these groups that sum to the rows. */
export function checkGroups(
  owner: string,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  groupSizes: ArrayLike<number>,
  transposeB = false,
): void {
  checkShape(owner, 'a', a.shape, [null, null], '[rows, inner]');
  const [rows, K] = a.shape as [number, number];
  const E = groupSizes.length;
  if (transposeB) checkShape(owner, 'b', b.shape, [E, null, K], '[groups, columns, inner]');
  else checkShape(owner, 'b', b.shape, [E, K, null], '[groups, inner, columns]');
  checkGroupSizes(owner, groupSizes, rows);
}
