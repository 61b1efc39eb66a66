// What a cell computes: each node the sum of what its edges' operations make of the nodes before.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import {type OperationOutput, sumOfChosen} from '../../ops/sum-of-chosen.js';
import type {UnsampledOutput} from '../search-cell-args.js';
import {applyOperation, type CellOperations} from './edge-operations.js';
import {cellEdges, liveNodes} from './topology.js';

/** A call of a cell. */
export interface CellCall {
  cell: CellOperations;
  /** float32 [edges, operations]; carries the gradient. */
  choice: tf.Tensor2D;
  training: boolean;
  /** Whether the choice needs its gradient. */
  isSearching: boolean;
}

/**
 * The output of a cell whose choices are known: only what was chosen is evaluated, and of that only what the output depends on.
 *
 * @param input [batch, ...], with one example at least.
 * @param choices The operation's index on each edge.
 * @param unsampled See `SearchCellArgs`; of no account where the choice needs no gradient.
 */
export function runChosen(
  input: tf.Tensor,
  {cell, choice, training, isSearching}: CellCall,
  choices: readonly number[],
  unsampled: UnsampledOutput,
): tf.Tensor {
  const {operations, shapes} = cell;
  const isAll = isSearching && unsampled === 'computed';
  const isOpen = operations.map((candidates, e) => isAll || !candidates[choices[e]!]!.isNone);
  const live = liveNodes(shapes.length, isOpen);
  const nodes = [input];
  for (let to = 1; to < shapes.length; ++to) {
    if (!live[to]) continue; // nothing depends on it: its gradient would be zeros
    const chosen: OperationOutput[] = [];
    const others: OperationOutput[] = [];
    for (const [edge, {from, to: target}] of cellEdges(shapes.length).entries()) {
      if (target !== to) continue;
      operations[edge]!.forEach((candidate, operation) => {
        if (operation === choices[edge]) {
          const output = candidate.isNone ? undefined : applyOperation(candidate, nodes[from]!, training);
          chosen.push({edge, operation, output});
        } else if (isAll) {
          others.push({edge, operation, output: offTape(() => applyOperation(candidate, nodes[from]!, training))});
        }
      });
    }
    const shape = [input.shape[0]!, ...(shapes[to]!.slice(1) as number[])];
    nodes[to] = sumOfChosen(isSearching ? choice : undefined, chosen, {
      shape,
      others,
      unseen: unsampled === 'ones' ? 'ones' : 'zeros',
    });
  }
  return nodes[shapes.length - 1]!;
}

/**
 * The output of a cell whose choices are relaxed, or kept by a device: every operation is evaluated, and weighed by the choice.
 */
export function runWeighted(input: tf.Tensor, {cell, choice, training}: CellCall): tf.Tensor {
  const {operations, shapes} = cell;
  const nodes = [input];
  for (let to = 1; to < shapes.length; ++to) {
    const terms: tf.Tensor[] = [];
    for (const [edge, {from, to: target}] of cellEdges(shapes.length).entries()) {
      if (target !== to) continue;
      operations[edge]!.forEach((candidate, operation) => {
        const output = applyOperation(candidate, nodes[from]!, training);
        if (output === undefined) return;
        const weight = tf.reshape(tf.slice2d(choice, [edge, operation], [1, 1]), []);
        terms.push(tf.mul(weight, output));
      });
    }
    nodes[to] = terms.length > 0 ? sumOf(terms) : tf.zeros([input.shape[0]!, ...(shapes[to]!.slice(1) as number[])]);
  }
  return nodes[shapes.length - 1]!;
}

/** A value without gradient; a copy, since an operation may hand on its input. */
function offTape(fn: () => tf.Tensor | undefined): tf.Tensor | undefined {
  let isEmpty = false;
  const value = noGradient(() => {
    const output = fn();
    isEmpty = output === undefined;
    return output === undefined ? tf.scalar(0) : tf.clone(output);
  });
  return isEmpty ? undefined : value;
}
