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

/** Refuses anything but one tensor of a shape for each group; a null stands for any length, the same in all. */
export function checkOneAGroup(
  owner: string,
  field: string,
  tensors: readonly tf.TensorInfo[],
  groupSizes: ArrayLike<number>,
  expected: readonly (number | null)[],
  meaning: string,
): void {
  const E = groupSizes.length;
  if (E === 0 || tensors.length !== E) {
    throw new ValueError(
      `${owner}: ${field} must be a list of one tensor for each of the groups, 1 or more, but got ${tensors.length} for ${E}.`,
    );
  }
  tensors.forEach(({shape}, e) => {
    checkShape(owner, `${field}[${e}]`, shape, e === 0 ? expected : tensors[0]!.shape, meaning);
  });
}

/**
 * Refuses anything but a [rows, K], b [groups, K, N] (or [groups, N, K] where transposed) or a list of its matrices, and sizes of these
 * groups that sum to the rows.
 */
export function checkGroups(
  owner: string,
  a: tf.TensorInfo,
  b: tf.TensorInfo | readonly tf.TensorInfo[],
  groupSizes: ArrayLike<number>,
  transposeB = false,
): void {
  checkShape(owner, 'a', a.shape, [null, null], '[rows, inner]');
  const [rows, K] = a.shape as [number, number];
  const [sides, meaning] = transposeB ? [[null, K], 'columns, inner'] : [[K, null], 'inner, columns'];
  if ('shape' in b) checkShape(owner, 'b', b.shape, [groupSizes.length, ...sides], `[groups, ${meaning}]`);
  else checkOneAGroup(owner, 'b', b, groupSizes, sides, `[${meaning}]`);
  checkGroupSizes(owner, groupSizes, rows);
}
