// The sum of what chosen operations give, with the gradient of the one-hot choice.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {sumOf} from './sum-of.js';

/** An operation on an edge, with what it gave: undefined for zeros that nothing computed. */
export interface OperationOutput {
  /** Row of the choice. */
  edge: number;
  /** Column of the choice. */
  operation: number;
  output: tf.Tensor | undefined;
}

/** What else `sumOfChosen` is told. */
export interface SumOfChosenOptions {
  /** Shape of the sum. */
  shape: number[];
  /** Operations that were evaluated and not chosen, on the edges of the chosen ones. Their outputs get no gradient. */
  others?: readonly OperationOutput[];
  /** What the operations that were not evaluated stand for in the gradient of the choice: an output of zeros, or one of ones. */
  unseen: 'zeros' | 'ones';
}

/**
 * sum over edges e of output_(e, chosen), as sum over e and o of choice_(e, o) output_(e, o).
 *
 * The gradient of choice_(e, o) is <dy, output_(e, o)>, of an operation that was not evaluated 0 or sum(dy); that of a chosen output is dy,
 * since the choice there is 1. No product with the choice is computed. Second derivatives are not supported.
 *
 * @param choice float32 [edges, operations], one-hot on the edges that are named; carries the gradient. Undefined where it needs none, which spares
 *   the products.
 * @param chosen One operation an edge, for some of the edges.
 * @returns float32 [...shape], owned by the caller.
 */
export function sumOfChosen(
  choice: tf.Tensor2D | undefined,
  chosen: readonly OperationOutput[],
  {shape, others = [], unseen}: SumOfChosenOptions,
): tf.Tensor {
  const summed = chosen.filter(({output}) => output !== undefined);
  if (choice === undefined)
    return addUp(
      summed.map(({output}) => output!),
      shape,
    );
  const seen = [...summed, ...others.filter(({output}) => output !== undefined)];
  const selector = selectorOf(choice.shape, [...chosen, ...others], seen, unseen);
  const op = tf.customGrad((...args) => {
    const outputs = args.slice(1, -1) as tf.Tensor[];
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    save(seen.map(({output}, i) => outputs[i] ?? output!));
    return {
      value: addUp(outputs, shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        choiceGradient(dy, saved, choice.shape, selector),
        ...outputs.map(() => tf.clone(dy)),
      ],
    };
  });
  return op(choice, ...summed.map(({output}) => output!));
}

/** A tensor of its own: the sum of any number of others. */
function addUp(outputs: tf.Tensor[], shape: number[]): tf.Tensor {
  if (outputs.length === 0) return tf.zeros(shape);
  return outputs.length === 1 ? tf.clone(outputs[0]!) : sumOf(outputs);
}

/** Which entries of the choice each scalar of its gradient belongs to: rows of [scalars, edges * operations], the last one that of sum(dy). */
function selectorOf(
  [numEdges, numOperations]: [number, number],
  evaluated: readonly OperationOutput[],
  seen: readonly OperationOutput[],
  unseen: 'zeros' | 'ones',
): Float32Array[] {
  const empty = () => new Float32Array(numEdges * numOperations);
  const rows = seen.map(({edge, operation}) => {
    const row = empty();
    row[edge * numOperations + operation] = 1;
    return row;
  });
  if (unseen === 'zeros') return rows;
  const rest = empty();
  for (const {edge} of evaluated) rest.fill(1, edge * numOperations, (edge + 1) * numOperations);
  for (const {edge, operation} of evaluated) rest[edge * numOperations + operation] = 0;
  return [...rows, rest];
}

/** [edges, operations]: each scalar where it belongs, by one product instead of an op an entry. */
function choiceGradient(
  dy: tf.Tensor,
  seen: tf.Tensor[],
  shape: [number, number],
  selector: Float32Array[],
): tf.Tensor {
  if (selector.length === 0) return tf.zeros(shape);
  return tf.tidy(() => {
    const scalars = seen.map(output => tf.reshape(tf.sum(tf.mul(dy, output)), [1]) as tf.Tensor1D);
    if (selector.length > seen.length) scalars.push(tf.reshape(tf.sum(dy), [1]) as tf.Tensor1D);
    const row = tf.reshape(tf.concat1d(scalars), [1, selector.length]) as tf.Tensor2D;
    const where = tf.tensor2d(Float32Array.from(selector.flatMap(values => [...values])), [
      selector.length,
      shape[0] * shape[1],
    ]);
    return tf.reshape(tf.matMul(row, where), shape);
  });
}
