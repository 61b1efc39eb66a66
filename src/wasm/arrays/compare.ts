// Comparisons, Maximum and Minimum, Select and the logical kernels for wasm, which the gradients of clipped units call: sixteen numbers at a
// time where the stock kernels, which are kept for what is broadcast, do one.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {callKernel, type KernelParams, withIntermediates} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 16;

/** In the order of their numbers in the binary. */
const OPERATIONS = ['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'];

const sameShape = (x: tf.TensorInfo, y: tf.TensorInfo) => tf.util.arraysEqual(x.shape, y.shape);
const isSingle = (x: tf.TensorInfo) => tf.util.sizeFromShape(x.shape) === 1;

/** What the body writes its result with. */
interface Call {
  backend: BackendWasm;
  binary: OwnKernels;
}

/** Runs the body where there are the binary and something to do, and the stock kernel elsewhere. */
function orStock(
  stock: tf.KernelConfig,
  isFit: (params: KernelParams) => boolean,
  body: (params: KernelParams, call: Call) => tf.TensorInfo,
): tf.KernelFunc {
  return params => {
    const backend = params.backend as BackendWasm;
    const binary = ownKernels(backend);
    return binary && isFit(params) ? body(params, {backend, binary}) : stock.kernelFunc(params);
  };
}

/** Two operands of float32 of the same shape, or one of them a single number. */
function isPair({inputs}: KernelParams): boolean {
  const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
  return a.dtype === 'float32' && b.dtype === 'float32' && (sameShape(a, b) || isSingle(a) || isSingle(b));
}

/** Writes, for each pair of numbers, what a function of the binary makes of it. */
function pairUp(
  name: 'compare' | 'extreme',
  dtype: 'bool' | 'float32',
  operation: number,
): (params: KernelParams, call: Call) => tf.TensorInfo {
  return ({inputs}, {backend, binary}) => {
    const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const out = backend.makeOutput(shape, dtype);
    const single = [a, b].map(x => Number(isSingle(x)));
    const args = [binary.address(a), binary.address(b), binary.address(out), ...single, operation];
    binary.split(name, args, tf.util.sizeFromShape(shape), MINIMUM_NUMBERS);
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
 * well; here bool is selected without the binary too. And it reads operands of two dtypes as if both had that of the first one; here the
 * result has the wider of the two, as on cpu. Where one has no numbers, tf.where leaves the shapes different: nothing is read or written
 * then, where the stock kernel writes a number for each of the condition.
 *
 * @throws ValueError if the shapes do not match.
 */
export function selectWith(stock: tf.KernelConfig): tf.KernelFunc {
  const numbers = orStock(
    stock,
    ({inputs}) => {
      const {condition, t} = inputs as unknown as Choice;
      return condition.dtype === 'bool' && ['float32', 'int32'].includes(t.dtype) && sameShape(condition, t);
    },
    ({inputs}, {backend, binary}) => {
      const {condition, t, e} = inputs as unknown as Choice;
      const out = backend.makeOutput(t.shape, t.dtype);
      const args = [condition, t, e, out].map(binary.address);
      binary.split('select', args, tf.util.sizeFromShape(t.shape), MINIMUM_NUMBERS);
      return out;
    },
  );
  return params => {
    const backend = params.backend as BackendWasm;
    const {condition, t, e} = params.inputs as unknown as Choice;
    const dtype = tf.upcastType(t.dtype, e.dtype);
    const shapes = [condition.shape, t.shape, e.shape];
    const isByRows = condition.shape.length === 1;
    if (shapes.some(shape => tf.util.sizeFromShape(shape) === 0)) {
      return backend.makeOutput(
        shapes.slice(isByRows ? 1 : 0).reduce(tf.broadcast_util.assertAndGetBroadcastShape),
        dtype,
      );
    }
    if (!sameShape(t, e) || !(isByRows ? condition.shape[0] === t.shape[0] : sameShape(condition, t))) {
      throw new ValueError(
        `Select: the choices must have one shape, and the condition theirs or one number for each row, but got the shapes ` +
          `[${t.shape}], [${e.shape}] and [${condition.shape}].`,
      );
    }
    return withIntermediates(backend, own => {
      const [yes, no] = [t, e].map(x => (x.dtype === dtype ? x : own(callKernel('Cast', backend, {x}, {dtype})))) as [
        tf.TensorInfo,
        tf.TensorInfo,
      ];
      if (dtype === 'bool') return selectBool(backend, {condition, t: yes, e: no});
      return numbers({...params, inputs: {condition, t: yes, e: no}}) as tf.TensorInfo;
    });
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
    ({inputs}, {backend, binary}) => {
      const {a, b} = inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
      const out = backend.makeOutput(a.shape, 'bool');
      const args = [...[a, b, out].map(binary.address), Number(stock.kernelName === 'LogicalOr')];
      binary.split('logical', args, tf.util.sizeFromShape(a.shape), MINIMUM_NUMBERS);
      return out;
    },
  );
