// What merging gives where there is nothing to merge.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {MergedLeaves} from './types.js';

/** The result of a batch without sentences, or of sentences without leaves. */
export function noTrees(batch: number, length: number, units: number): MergedLeaves {
  const merges = tf.zeros([batch, Math.max(0, length - 1)], 'int32') as tf.Tensor2D;
  return {hidden: tf.zeros([batch, units]), merges};
}
