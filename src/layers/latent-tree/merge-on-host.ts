// Merging where tensors live in the memory of the process: few compositions instead of many, with the same gradient.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hostRead} from '../../ops/host-read.js';
import {forestGradients} from './forest-gradients.js';
import {type GrownForest, growForest} from './grow-forest.js';
import {noTrees} from './no-trees.js';
import type {MergedLeaves, MergeOptions, TreeWeights} from './types.js';

/**
 * Merges by compositions that are made once for each pair of neighbours, about 3 T a sentence in place of T (T - 1) / 2. For choices that
 * are one-hot, on cpu, wasm and tfjs-node. Values and gradients are those of `mergeOnTape`. See `MergeLeaves`.
 */
export function mergeOnHost(
  leaves: tf.Tensor3D,
  lengths: tf.Tensor1D,
  weights: TreeWeights,
  options: MergeOptions = {},
): MergedLeaves {
  return tf.tidy(() => {
    const [batch, numColumns, width] = leaves.shape;
    const units = width / 2;
    if (batch === 0) return noTrees(batch, numColumns, units);
    const counts = Int32Array.from(hostRead(lengths));
    let merges: Int32Array = new Int32Array(0);
    const op = tf.customGrad((...inputs) => {
      const save = inputs.pop() as tf.GradSaveFunc;
      const [x, kernel, bias, query] = inputs as tf.Tensor[] as [tf.Tensor3D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
      const grown = growForest(x, counts, {kernel, bias, query}, options);
      merges = listMerges(grown, batch, numColumns - 1);
      save([kernel, query]);
      return {
        value: tf.tensor2d(readRoots(grown, units), [batch, units]),
        gradFunc: (dRoots: tf.Tensor, saved: tf.Tensor[]) => {
          const [savedKernel, savedQuery] = saved as [tf.Tensor2D, tf.Tensor1D];
          const {hidden, cell, ...ofWeights} = forestGradients(
            grown,
            {kernel: savedKernel, query: savedQuery},
            hostRead(dRoots) as Float32Array,
            options.draws,
          );
          const ofLeaves = tf.tensor3d(spreadLeaves(hidden, cell, counts, numColumns, units), x.shape);
          return [ofLeaves, ofWeights.kernel, ofWeights.bias, ofWeights.query];
        },
      };
    });
    const hidden = op(leaves, weights.kernel, weights.bias, weights.query) as tf.Tensor2D;
    return {hidden, merges: tf.tensor2d(merges, [batch, numColumns - 1], 'int32')};
  });
}

/** The hidden vectors of the roots, zeros where there is none. */
function readRoots({forest, sentences}: GrownForest, units: number): Float32Array {
  const roots = new Float32Array(sentences.length * units);
  for (const [sentence, {nodes}] of sentences.entries()) {
    if (nodes.length === 0) continue;
    const from = nodes[0]! * units;
    roots.set(forest.hidden.subarray(from, from + units), sentence * units);
  }
  return roots;
}

/** The positions of the merges, -1 beyond a sentence's last. */
function listMerges({steps}: GrownForest, batch: number, columns: number): Int32Array {
  const list = new Int32Array(batch * columns).fill(-1);
  for (const [step, {merges}] of steps.entries()) {
    for (const {sentence, position} of merges) list[sentence * columns + step] = position;
  }
  return list;
}

/** The gradients of the leaves, which lie side by side, in the places of their sentences. */
function spreadLeaves(
  hidden: Float32Array,
  cell: Float32Array,
  counts: Int32Array,
  numColumns: number,
  units: number,
): Float32Array {
  const spread = new Float32Array(counts.length * numColumns * 2 * units);
  let node = 0;
  for (const [sentence, count] of counts.entries()) {
    for (let column = 0; column < count; ++column, ++node) {
      const to = (sentence * numColumns + column) * 2 * units;
      spread.set(hidden.subarray(node * units, (node + 1) * units), to);
      spread.set(cell.subarray(node * units, (node + 1) * units), to + units);
    }
  }
  return spread;
}
