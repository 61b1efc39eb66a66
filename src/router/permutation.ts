// Which row of the experts' input belongs to which choice of which token: a permutation, found once a step by a counting sort.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import type {Assignment} from './types.js';

/** The rows of all experts one after the other, and within an expert by place. A plan is not changed after it is made. */
export interface RowPlan {
  /** T. */
  readonly numTokens: number;
  /** K. */
  readonly numChoices: number;
  /** A, how many choices have a place. */
  readonly numRows: number;
  /** How many rows each expert has, [E]; what `groupedMatMul` takes. */
  readonly groupSizes: readonly number[];
  /** The token of each row, [A]. */
  readonly tokenOfRow: Int32Array;
  /** The choice of each row, [A]: choice j of token t is t K + j. */
  readonly choiceOfRow: Int32Array;
  /** The row of each choice, [T K]; -1 where it has none. The inverse of `choiceOfRow`. */
  readonly rowOfChoice: Int32Array;
}

/**
 * Sorts the choices that have a place by expert and place. Reads the assignment from the backend, so that it must keep its tensors on the
 * host; on others use `dispatchToBuffers`, which needs no plan.
 *
 * @param assignment Experts and places, int32 [T, K]. The caller keeps it.
 * @throws ValueError if the backend keeps tensors on a device, if the shapes differ, and if an expert is not one of the assignment's or its
 *   places are not 0, 1, 2, ... once each.
 * @example
 * const assignment = {
 *   numExperts: 2,
 *   capacity: 2,
 *   experts: tf.tensor2d([[1], [0], [1]], [3, 1], 'int32'),
 *   positions: tf.tensor2d([[0], [0], [1]], [3, 1], 'int32'),
 * };
 * planRows(assignment).tokenOfRow; // => [1, 0, 2]
 */
export function planRows(assignment: Assignment): RowPlan {
  const {numExperts, experts, positions} = assignment;
  const owner = 'planRows';
  if (!isOnHost()) {
    throw new ValueError(
      `${owner}: the backend must keep its tensors on the host (cpu, wasm, tensorflow), but is ${show(tf.getBackend())}.`,
    );
  }
  checkShape(owner, 'experts', experts.shape, [null, null], '[tokens, choices]');
  checkShape(owner, 'positions', positions.shape, experts.shape, 'of experts');
  const [numTokens, numChoices] = experts.shape;
  const expertOf = hostRead(experts);
  const placeOf = hostRead(positions);

  const groupSizes = new Array<number>(numExperts).fill(0);
  let numRows = 0;
  for (const expert of expertOf) {
    if (expert === -1) continue;
    if (!(expert >= 0 && expert < numExperts)) {
      throw new ValueError(`${owner}: experts must be -1 or from 0 to ${numExperts - 1}, but got ${show(expert)}.`);
    }
    ++groupSizes[expert]!;
    ++numRows;
  }
  let row = 0;
  const firstRows = groupSizes.map(size => {
    row += size;
    return row - size;
  });

  const tokenOfRow = new Int32Array(numRows);
  const choiceOfRow = new Int32Array(numRows).fill(-1);
  const rowOfChoice = new Int32Array(expertOf.length).fill(-1);
  for (let choice = 0; choice < expertOf.length; ++choice) {
    const expert = expertOf[choice]!;
    if (expert === -1) continue;
    const place = placeOf[choice]!;
    const row = firstRows[expert]! + place;
    const isInside = place >= 0 && place < groupSizes[expert]!;
    if (!isInside || choiceOfRow[row] !== -1) {
      throw new ValueError(
        `${owner}: the positions of expert ${expert} must be 0 to ${groupSizes[expert]! - 1}, once each, ` +
          `but got ${place}${isInside ? ' twice' : ''}.`,
      );
    }
    choiceOfRow[row] = choice;
    tokenOfRow[row] = Math.floor(choice / numChoices);
    rowOfChoice[choice] = row;
  }
  return {numTokens, numChoices, numRows, groupSizes, tokenOfRow, choiceOfRow, rowOfChoice};
}
