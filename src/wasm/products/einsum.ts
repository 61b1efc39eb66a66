// Einsum for wasm, of one or two operands: transposes, sums, and one batched matrix product.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {callKernel, type Own, reshape, withIntermediates} from '../kernel-calls.js';

/** A tensor whose axes have labels. */
interface Term {
  tensor: tf.TensorInfo;
  labels: string[];
}

/** The labels of a product of two terms by their part in it. */
interface Parts {
  /** In both terms and in the result. */
  batch: string[];
  /** In both terms, summed over. */
  contracted: string[];
  /** In the left term and in the result. */
  left: string[];
  /** In the right term and in the result. */
  right: string[];
}

/**
 * The kernel function of Einsum, of equations such as 'bij,bjk->bik' with one or two operands, as tfjs knows them: with an arrow and
 * without an ellipsis. As with the cpu backend there is no gradient.
 *
 * Two operands of float32 become a matrix product; int32, which the product kernel lacks, and bool are multiplied and added up by the
 * kernels of those names. The result of int32 with float32 is float32; on cpu the type is that of the operand that is looked at last.
 *
 * @throws Error where tfjs cannot read the equation or the lengths differ, in its words. ValueError if the result repeats a label.
 */
export const einsumKernel: tf.KernelFunc = params => {
  const tensors = params.inputs as unknown as tf.TensorInfo[];
  const {equation} = params.attrs as {equation: string};
  const backend = params.backend as BackendWasm;
  const {allDims, idDims} = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
  const outLabels = [...equation.replace(/\s/g, '').split('->')[1]!];
  if (new Set(outLabels).size < outLabels.length) {
    throw new ValueError(`einsum: a label must not appear twice in the result, but got "${equation}".`);
  }

  const dtype = tensors.map(tensor => tensor.dtype).reduce(tf.upcastType);
  return withIntermediates(backend, own => {
    const terms = tensors.map((tensor, i): Term => {
      const labels = idDims[i]!.map(id => allDims[id]!);
      const elsewhere = new Set([
        ...outLabels,
        ...idDims.flatMap((ids, j) => (j === i ? [] : ids.map(id => allDims[id]!))),
      ]);
      const numbers = dtype === 'bool' ? 'int32' : dtype; // which is what sums of them are
      const cast = tensor.dtype === numbers ? tensor : own(callKernel('Cast', backend, {x: tensor}, {dtype: numbers}));
      return sumOver(
        backend,
        {tensor: cast, labels},
        labels.filter(label => !elsewhere.has(label)),
        own,
      );
    });
    const [left, right] = terms as [Term, Term?];
    const product = right ? multiply(backend, left, right, outLabels, own) : left;
    // A tensor of its own, also where nothing was to be done: what the intermediates share is freed by counts.
    return reshape(backend, ordered(backend, product, outLabels, own).tensor, shapeOf(product, outLabels));
  });
};

const lengthOf = ({tensor, labels}: Term, label: string) => tensor.shape[labels.indexOf(label)]!;
const shapeOf = (term: Term, labels: string[]) => labels.map(label => lengthOf(term, label));
const sizeOf = (term: Term, labels: string[]) => tf.util.sizeFromShape(shapeOf(term, labels));

/** The term summed over these labels. */
function sumOver(backend: BackendWasm, term: Term, summed: string[], own: Own): Term {
  if (summed.length === 0) return term;
  const axis = summed.map(label => term.labels.indexOf(label));
  const tensor = own(callKernel('Sum', backend, {x: term.tensor}, {axis, keepDims: false}));
  return {tensor, labels: term.labels.filter(label => !summed.includes(label))};
}

/** The term with its axes in the order of these labels, which are all of its own. */
function ordered(backend: BackendWasm, term: Term, labels: string[], own: Own): Term {
  const perm = labels.map(label => term.labels.indexOf(label));
  if (perm.every((from, to) => from === to)) return term;
  return {tensor: own(callKernel('Transpose', backend, {x: term.tensor}, {perm})), labels};
}

/** The product of two terms, each of whose labels is in the other or in the result. */
function multiply(backend: BackendWasm, a: Term, b: Term, outLabels: string[], own: Own): Term {
  // The operand whose own labels come first in the result is the left one, so that the product need not be transposed.
  const isOnlyIn = (term: Term, other: Term) => (label: string) =>
    term.labels.includes(label) && !other.labels.includes(label);
  const firstOfA = outLabels.findIndex(isOnlyIn(a, b));
  const firstOfB = outLabels.findIndex(isOnlyIn(b, a));
  const [left, right] = firstOfB >= 0 && (firstOfA < 0 || firstOfB < firstOfA) ? [b, a] : [a, b];
  const parts: Parts = {
    batch: outLabels.filter(label => left.labels.includes(label) && right.labels.includes(label)),
    contracted: left.labels.filter(label => !outLabels.includes(label)),
    left: outLabels.filter(isOnlyIn(left, right)),
    right: outLabels.filter(isOnlyIn(right, left)),
  };
  const isMatrixProduct = parts.contracted.length > 0 && left.tensor.dtype === 'float32';
  return (isMatrixProduct ? multiplyMatrices : multiplyNumbers)(backend, left, right, parts, own);
}

/** By one batched matrix product: [batch, left, contracted] with [batch, contracted, right], each transposed only where it must be. */
function multiplyMatrices(backend: BackendWasm, left: Term, right: Term, parts: Parts, own: Own): Term {
  const matrices = (term: Term, rows: string[], columns: string[]) => {
    const isTransposed = [...parts.batch, ...columns, ...rows].every((label, axis) => label === term.labels[axis]);
    const [first, second] = isTransposed ? [columns, rows] : [rows, columns];
    const {tensor} = ordered(backend, term, [...parts.batch, ...first, ...second], own);
    const shape = [parts.batch, first, second].map(labels => sizeOf(term, labels));
    return {tensor: own(reshape(backend, tensor, shape)), isTransposed};
  };
  const a = matrices(left, parts.left, parts.contracted);
  const b = matrices(right, parts.contracted, parts.right);
  const attrs = {transposeA: a.isTransposed, transposeB: b.isTransposed};
  const product = own(callKernel('BatchMatMul', backend, {a: a.tensor, b: b.tensor}, attrs));
  const shape = [...shapeOf(left, [...parts.batch, ...parts.left]), ...shapeOf(right, parts.right)];
  return {
    tensor: own(reshape(backend, product, shape)),
    labels: [...parts.batch, ...parts.left, ...parts.right],
  };
}

/** By multiplying every number with every number and adding up. */
function multiplyNumbers(backend: BackendWasm, left: Term, right: Term, parts: Parts, own: Own): Term {
  const labels = [...parts.batch, ...parts.left, ...parts.right, ...parts.contracted];
  const [a, b] = [left, right].map(term => {
    const {tensor} = ordered(
      backend,
      term,
      labels.filter(label => term.labels.includes(label)),
      own,
    );
    const shape = labels.map(label => (term.labels.includes(label) ? lengthOf(term, label) : 1));
    return own(reshape(backend, tensor, shape));
  }) as [tf.TensorInfo, tf.TensorInfo];
  const product = {tensor: own(callKernel('Multiply', backend, {a, b}, {})), labels};
  return sumOver(backend, product, parts.contracted, own);
}
