// What the ops on rows in groups compute: by the kernels of tfjs-moe/wasm where the backend has them, and group by group elsewhere.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runKernel} from './fused-kernel.js';

/** A matrix for each group, [groups, inner, columns] or a list of [inner, columns]. */
export type Matrices = tf.Tensor3D | readonly tf.Tensor2D[];

/** How a product is made. */
export interface GroupedProductOptions {
  /** Whether the matrices are transposed first. */
  transposeB?: boolean;
  /** Added to the rows of each group, [columns] each. */
  biases?: readonly tf.Tensor1D[];
  /** Whether what is negative becomes 0. */
  isRelu?: boolean;
}

/** Rows of group e of the result = rows of group e of a times matrix e, with its bias and relu. Not differentiable; nothing is checked. */
export function groupedProduct(
  a: tf.Tensor2D,
  b: Matrices,
  groupSizes: number[],
  {transposeB = false, biases, isRelu = false}: GroupedProductOptions = {},
): tf.Tensor2D {
  if (hasKernel('GroupedMatMul')) {
    const inputs = {a, ...(isList(b) ? named('b', b) : {b}), ...(biases && named('bias', biases))};
    return runKernel('GroupedMatMul', inputs, {groupSizes, transposeB, isRelu})[0] as tf.Tensor2D;
  }
  return tf.tidy(() => {
    const [rows, inner] = a.shape;
    const {shape} = isList(b) ? b[0]! : b;
    const columns = shape[shape.length - (transposeB ? 2 : 1)]!;
    if (rows * columns === 0) return tf.zeros([rows, columns]);
    const parts = groups(groupSizes).map(({start, size}, e) =>
      tf.tidy(() => {
        // No product over an axis of length zero: on some backends it is whatever the memory held.
        const product =
          size * inner === 0
            ? tf.zeros<tf.Rank.R2>([size, columns])
            : multiply(rowsOf(a, start, size), matrixOf(b, e), transposeB);
        return biases && size > 0 ? tf.add<tf.Tensor2D>(product, biases[e]!) : product;
      }),
    );
    const all = tf.concat2d(
      parts.filter(part => part.size > 0),
      0,
    );
    return isRelu ? tf.relu(all) : all;
  });
}

/**
 * (Rows of group e of a)' (rows of group e of dy) for each group e, zeros for one without rows: the gradient of the matrices.
 *
 * @returns One tensor [groups, inner, columns] if `isStacked`, else one of [inner, columns] a group.
 */
export function gradientOfMatrices(
  a: tf.Tensor2D,
  dy: tf.Tensor2D,
  groupSizes: number[],
  isStacked: boolean,
): tf.Tensor[] {
  if (hasKernel('GroupedMatMulGradB')) return runKernel('GroupedMatMulGradB', {a, dy}, {groupSizes, isStacked});
  return tf.tidy(() => {
    const shape: [number, number] = [a.shape[1], dy.shape[1]];
    const parts = groups(groupSizes).map(({start, size}) =>
      size * shape[0] * shape[1] === 0
        ? tf.zeros<tf.Rank.R2>(shape)
        : tf.tidy(() => tf.matMul<tf.Tensor2D>(tf.transpose(rowsOf(a, start, size)), rowsOf(dy, start, size))),
    );
    if (!isStacked) return parts;
    return [parts.length === 0 || shape.includes(0) ? tf.zeros([parts.length, ...shape]) : tf.stack(parts)];
  });
}

/**
 * The gradient of what stands behind a product: dy where relu let its input through and 0 elsewhere, and the sums of that over the rows of
 * each group, which are the gradients of the biases.
 *
 * @param y What relu gave; undefined where there was none.
 * @returns masked: [rows, columns], owned by the caller, or dy itself without relu; sums: one of [columns] a group, zeros for one without
 *   rows, or none without biases.
 */
export function gradientOfFinish(
  dy: tf.Tensor2D,
  y: tf.Tensor2D | undefined,
  groupSizes: number[],
  hasBiases: boolean,
): {masked: tf.Tensor2D; sums: tf.Tensor1D[]} {
  if (!y && !hasBiases) return {masked: dy, sums: []};
  if (hasKernel('GroupedFinishGrad')) {
    const outputs = runKernel('GroupedFinishGrad', {dy, ...(y && {y})}, {groupSizes, hasBiases});
    const masked = (y ? outputs.shift()! : dy) as tf.Tensor2D;
    return {masked, sums: outputs as tf.Tensor1D[]};
  }
  const masked = y ? tf.tidy(() => whereAboveZero(y, dy)) : dy;
  const columns = dy.shape[1];
  const sumOf = ({start, size}: Group): tf.Tensor1D =>
    size * columns === 0 ? tf.zeros([columns]) : tf.tidy(() => tf.sum(rowsOf(masked, start, size), 0));
  return {masked, sums: hasBiases ? groups(groupSizes).map(sumOf) : []};
}

/** Whether the matrices are a list. */
export function isList(matrices: Matrices): matrices is readonly tf.Tensor2D[] {
  return Array.isArray(matrices);
}

/** The inputs of a kernel, one a group. */
function named(name: string, tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(tensors.map((tensor, e) => [`${name}${e}`, tensor]));
}

/** x w, or x w'. Transposes stand alone, for stock wasm is slow at products that ask for them, and packs what stands on the right anew. */
function multiply(x: tf.Tensor2D, w: tf.Tensor2D, transposeW: boolean): tf.Tensor2D {
  return transposeW ? tf.transpose(tf.matMul<tf.Tensor2D>(w, tf.transpose(x))) : tf.matMul(x, w);
}

/** dy where y is above zero, and zeros elsewhere. */
function whereAboveZero(y: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  const zeros = tf.zeros<tf.Rank.R2>(dy.shape);
  return dy.size === 0 ? zeros : tf.where(tf.greater(y, 0), dy, zeros);
}

/** Where the rows of a group lie. */
interface Group {
  start: number;
  size: number;
}

function groups(groupSizes: number[]): Group[] {
  let start = 0;
  return groupSizes.map(size => {
    start += size;
    return {start: start - size, size};
  });
}

function rowsOf(x: tf.Tensor2D, start: number, size: number): tf.Tensor2D {
  return tf.slice(x, [start, 0], [size, -1]);
}

/** The matrix of a group. */
function matrixOf(b: Matrices, group: number): tf.Tensor2D {
  return isList(b) ? b[group]! : tf.squeeze(tf.slice(b, [group, 0, 0], [1, -1, -1]), [0]);
}
