// Comparisons, Maximum and Minimum, Select and the logical kernels for wasm, which the gradients of clipped units call: sixteen numbers at a
// time where the stock kernels, which are kept for what is broadcast, do one.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {type OwnKernels, ownKernels} from '../own-kernels.js';

/** Fewer numbers than these are not worth a second thread. */
const NUMBERS_PER_WORKER = 1 << 16;

/** In the order of their numbers in the binary. */
const OPERATIONS = ['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'];

const sameShape = (x: tf.TensorInfo, y: tf.TensorInfo) => tf.util.arraysEqual(x.shape, y.shape);
const isSingle = (x: tf.TensorInfo) => tf.util.sizeFromShape(x.shape) === 1;

/** What the body writes its result with. */
interface Call {
  backend: BackendWasm;
  own: OwnKernels;
}

/** Runs the body where there are the binary and something to do, and the stock kernel elsewhere. */
function orStock(
  stock: tf.KernelConfig,
  isFit: (params: Parameters<tf.KernelFunc>[0]) => boolean,
  body: (params: Parameters<tf.KernelFunc>[0], call: Call) => tf.TensorInfo,
): tf.KernelFunc {
  return params => {
    const backend = params.backend as BackendWasm;
    const own = ownKernels(backend);
    return own && isFit(params) ? body(params, {backend, own}) : stock.kernelFunc(params);
  };
}

/** Two operands of float32 of the same shape, or one of them a single number. */
function isPair({inputs}: Parameters<tf.KernelFunc>[0]): boolean {
  const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
  return a.dtype === 'float32' && b.dtype === 'float32' && (sameShape(a, b) || isSingle(a) || isSingle(b));
}

/** Writes, for each pair of numbers, what a function of the binary makes of it. */
function pairUp(
  name: 'compare' | 'extreme',
  dtype: 'bool' | 'float32',
  operation: number,
): (params: Parameters<tf.KernelFunc>[0], call: Call) => tf.TensorInfo {
  return ({inputs}, {backend, own}) => {
    const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const out = backend.makeOutput(shape, dtype);
    const isAlike = sameShape(a, b);
    const single = [!isAlike && isSingle(a), !isAlike && isSingle(b)].map(Number);
    const args = [own.address(a), own.address(b), own.address(out), ...single, operation];
    own.split(name, args, tf.util.sizeFromShape(shape), NUMBERS_PER_WORKER);
    return out;
  };
}

/** The kernel function that stands in for the stock kernel of a comparison. */
export const compareWith = (stock: tf.KernelConfig): tf.KernelFunc =>
  orStock(stock, isPair, pairUp('compare', 'bool', OPERATIONS.indexOf(stock.kernelName)));

/** The kernel function that stands in for the stock Maximum or Minimum. */
export const extremeWith = (stock: tf.KernelConfig): tf.KernelFunc =>
  orStock(stock, isPair, pairUp('extreme', 'float32', Number(stock.kernelName === 'Maximum')));

/**
 * The kernel function that stands in for the stock Select. That takes bool for numbers of four bytes, and writes them behind the result as
 * well; here bool is selected without the binary too.
 */
export function selectWith(stock: tf.KernelConfig): tf.KernelFunc {
  const numbers = orStock(
    stock,
    ({inputs}) => {
      const {condition, t, e} = inputs as unknown as Choice;
      const isKnown = condition.dtype === 'bool' && t.dtype === e.dtype && ['float32', 'int32'].includes(t.dtype);
      return isKnown && sameShape(condition, t) && sameShape(t, e);
    },
    ({inputs}, {backend, own}) => {
      const {condition, t, e} = inputs as unknown as Choice;
      const out = backend.makeOutput(t.shape, t.dtype);
      const args = [condition, t, e, out].map(own.address);
      own.split('select', args, tf.util.sizeFromShape(t.shape), NUMBERS_PER_WORKER);
      return out;
    },
  );
  return params => {
    const choice = params.inputs as unknown as Choice;
    return choice.t.dtype === 'bool' ? selectBool(params.backend as BackendWasm, choice) : numbers(params);
  };
}

interface Choice {
  condition: tf.TensorInfo;
  t: tf.TensorInfo;
  e: tf.TensorInfo;
}

/** Selects bool, each byte or, by a condition of rank 1, each row. */
function selectBool(backend: BackendWasm, {condition, t, e}: Choice): tf.TensorInfo {
  const out = backend.makeOutput(t.shape, 'bool');
  const [isChosen, yes, no, to] = [condition, t, e, out].map(x => backend.typedArrayFromHeap(x)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const rowLength = to.length / isChosen.length;
  for (let i = 0; i < to.length; ++i) to[i] = (isChosen[Math.floor(i / rowLength)] ? yes : no)[i]!;
  return out;
}

/** The kernel function that stands in for the stock LogicalAnd or LogicalOr. */
export const logicalWith = (stock: tf.KernelConfig): tf.KernelFunc =>
  orStock(
    stock,
    ({inputs}) => {
      const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
      return a.dtype === 'bool' && b.dtype === 'bool' && sameShape(a, b);
    },
    ({inputs}, {backend, own}) => {
      const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
      const out = backend.makeOutput(a.shape, 'bool');
      const args = [...[a, b, out].map(own.address), Number(stock.kernelName === 'LogicalOr')];
      own.split('logical', args, tf.util.sizeFromShape(a.shape), NUMBERS_PER_WORKER);
      return out;
    },
  );
