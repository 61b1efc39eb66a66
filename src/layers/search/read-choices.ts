// Which operations a choice names, where the host can know.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {hostRead, isOnHost} from '../../ops/host-read.js';

/**
 * Reads which operation each edge chose.
 *
 * @param choice float32 [edges, operations].
 * @param known The choices, where they were known before the tensor was made: what a device computes is not waited for.
 * @returns The operation's index on each edge; undefined for rows that are not one-hot, and where a device keeps them.
 */
export function readChoices(choice: tf.Tensor2D, known: readonly number[] | undefined): readonly number[] | undefined {
  if (!isOnHost()) return known;
  const [numEdges, numOperations] = choice.shape;
  const values = Array.from(hostRead(choice));
  const rows = Array.from({length: numEdges}, (_, e) => values.slice(e * numOperations, (e + 1) * numOperations));
  const isOneHot = values.every(value => value === 0 || value === 1) && rows.every(row => sum(row) === 1);
  return isOneHot ? rows.map(row => row.indexOf(1)) : undefined;
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
