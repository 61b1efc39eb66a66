// The binary Tree-LSTM: two children become their parent (Tai et al. 2015, as Choi et al. 2018 have it).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../errors.js';
import {groupedDense} from './grouped-dense.js';

/** What a node knows: U numbers to show, and U to remember. */
export interface TreeLstmState {
  /** [..., U]. */
  hidden: tf.Tensor;
  /** [..., U]. */
  cell: tf.Tensor;
}

/**
 * The parent's state from the sums of its gates: with [i, fl, fr, u, o] = pre,
 * cell = leftCell sigmoid(fl + 1) + rightCell sigmoid(fr + 1) + tanh(u) sigmoid(i) and hidden = sigmoid(o) tanh(cell).
 *
 * The 1 lets a child through from the start, where biases are 0. Differentiable in all three.
 *
 * @param pre float32 [..., 5 U], in the order: input, left forget, right forget, update, output.
 * @param leftCell float32 [..., U], U >= 1.
 * @param rightCell float32 [..., U].
 * @returns Both [..., U], owned by the caller.
 * @throws ValueError if the shapes do not fit; nothing is broadcast.
 * @see Choi, Yoo and Lee, Learning to Compose Task-Specific Tree Structures, 2018. https://arxiv.org/abs/1707.02786
 * @example
 * treeLstmGates(tf.zeros([2, 15]), tf.ones([2, 3]), tf.ones([2, 3])).hidden.shape; // => [2, 3]
 */
export function treeLstmGates(pre: tf.Tensor, leftCell: tf.Tensor, rightCell: tf.Tensor): TreeLstmState {
  const owner = 'treeLstmGates';
  const leading = leadingAxes(owner, 'leftCell', leftCell.shape);
  const units = leftCell.shape[leading.length]!;
  checkShape(owner, 'rightCell', rightCell.shape, leftCell.shape, 'of leftCell [..., U]');
  checkShape(owner, 'pre', pre.shape, [...leading, 5 * units], '[..., 5 U]');
  return tf.tidy(() => {
    const [i, fl, fr, u, o] = tf.split(pre, 5, leading.length) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const left = tf.mul(leftCell, tf.sigmoid(tf.add(fl, 1)));
    const right = tf.mul(rightCell, tf.sigmoid(tf.add(fr, 1)));
    const cell = tf.add(tf.add(left, right), tf.mul(tf.tanh(u), tf.sigmoid(i)));
    return {hidden: tf.mul(tf.sigmoid(o), tf.tanh(cell)), cell};
  });
}

/**
 * Joins two nodes into their parent: `treeLstmGates` of [left hidden, right hidden] . kernel + bias. Differentiable in all four.
 *
 * @param left float32 [..., 2 U], U >= 1: hidden, then cell.
 * @param right float32 [..., 2 U].
 * @param kernel float32 [2 U, 5 U].
 * @param bias float32 [5 U].
 * @returns float32 [..., 2 U], owned by the caller: hidden, then cell.
 * @throws ValueError if the shapes do not fit; nothing is broadcast.
 * @example
 * composePair(tf.zeros([2, 6]), tf.zeros([2, 6]), tf.zeros([6, 15]), tf.zeros([15])).shape; // => [2, 6]
 */
export function composePair(left: tf.Tensor, right: tf.Tensor, kernel: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor {
  const owner = 'composePair';
  const leading = leadingAxes(owner, 'left', left.shape);
  const width = left.shape[leading.length]!;
  if (width % 2 !== 0) {
    throw new ValueError(
      `${owner}: left must have shape [..., 2 U], a hidden and a cell, but got ${show(left.shape)}.`,
    );
  }
  const units = width / 2;
  checkShape(owner, 'right', right.shape, left.shape, 'of left [..., 2 U]');
  checkShape(owner, 'kernel', kernel.shape, [width, 5 * units], '[2 U, 5 U]');
  checkShape(owner, 'bias', bias.shape, [5 * units], '[5 U]');
  return tf.tidy(() => {
    const numPairs = tf.util.sizeFromShape(leading);
    const [leftHidden, leftCell] = tf.split(tf.reshape<tf.Rank.R2>(left, [numPairs, width]), 2, 1) as tf.Tensor2D[];
    const [rightHidden, rightCell] = tf.split(tf.reshape<tf.Rank.R2>(right, [numPairs, width]), 2, 1) as tf.Tensor2D[];
    // One group: without a pair its gradients are zeros, where those of a matMul are whatever the memory held.
    const pairs = tf.concat2d([leftHidden!, rightHidden!], 1);
    const pre = groupedDense(pairs, [kernel], [bias], [numPairs], 'linear');
    const {hidden, cell} = treeLstmGates(pre, leftCell!, rightCell!);
    return tf.reshape(tf.concat([hidden, cell], 1), left.shape);
  });
}

/** The axes before the last; refuses a tensor without a last axis or with nothing on it. */
function leadingAxes(owner: string, field: string, shape: number[]): number[] {
  if (!shape[shape.length - 1]) {
    throw new ValueError(
      `${owner}: ${field} must have at least one unit on its last axis, but got the shape ${show(shape)}.`,
    );
  }
  return shape.slice(0, -1);
}
