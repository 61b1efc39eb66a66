// Sparse evaluation for inference: each row through its own experts only.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {hostRead} from '../ops/host-read.js';

/**
 * The sum of the outputs of each row's chosen experts. Reads the choice from the backend, so that it must keep its tensors on the host;
 * has no gradient. Experts without rows are not evaluated.
 *
 * @param tokens float32 [rows, features].
 * @param choice Ones at the chosen experts, [rows, experts]; a row of zeros gives zeros.
 * @param experts One for each column of `choice`.
 * @param units Width of the experts' outputs.
 * @param evaluate Applies an expert to some rows.
 * @returns float32 [rows, units].
 */
export function combineChosen(
  tokens: tf.Tensor2D,
  choice: tf.Tensor2D,
  experts: readonly tfl.layers.Layer[],
  units: number,
  evaluate: (expert: tfl.layers.Layer, rows: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor2D {
  const [numRows, numExperts] = choice.shape;
  const chosen = hostRead(choice);
  const rowsOf: number[][] = experts.map(() => []);
  let numSlots = 0; // the most choices of a row
  for (let row = 0; row < numRows; ++row) {
    let count = 0;
    for (let e = 0; e < numExperts; ++e) {
      if (chosen[row * numExperts + e] !== 0) {
        rowsOf[e]!.push(row);
        ++count;
      }
    }
    numSlots = Math.max(numSlots, count);
  }
  // Outputs are laid out expert by expert, and a row of zeros at the end for choices that a row does not have.
  const outputs: tf.Tensor2D[] = [];
  const positions = Array.from({length: numSlots}, () => new Int32Array(numRows).fill(-1));
  let position = 0;
  experts.forEach((expert, e) => {
    const rows = rowsOf[e]!;
    if (rows.length === 0) return;
    outputs.push(evaluate(expert, tf.gather(tokens, tf.tensor1d(rows, 'int32'))));
    for (const row of rows) positions.find(slot => slot[row] === -1)![row] = position++;
  });
  const stacked = tf.concat([...outputs, tf.zeros([1, units]) as tf.Tensor2D], 0);
  const parts = positions.map(slot =>
    tf.gather(
      stacked,
      tf.tensor1d(
        slot.map(p => (p === -1 ? position : p)),
        'int32',
      ),
    ),
  );
  return parts.length === 0 ? tf.zeros([numRows, units]) : (tf.addN(parts) as tf.Tensor2D);
}
