// GroupedMatMul for wasm: one call of our binary for the products of all groups of rows, each group with a matrix of its own.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, ValueError} from '../../errors.js';
import {checkGroupSizes, checkGroups} from '../../ops/group-sizes.js';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';
import {leastShare, TILE_COLUMNS, TILE_ROWS} from './own-mat-mul.js';

/** The kernel functions' attributes. */
interface Attributes {
  groupSizes: ArrayLike<number>;
  transposeB?: boolean;
}

/**
 * The product of each group of rows with its own matrix: rows of group e of the result = rows of group e of a times op(b[e]).
 *
 * Inputs: a float32 [rows, K], its groups one after the other; b float32 [E, K, N], or [E, N, K] with the attribute `transposeB`. The
 * attribute `groupSizes` holds E whole numbers that sum to the rows. Result: float32 [rows, N].
 */
export const groupedMatMulKernel: tf.KernelFunc = params => {
  const {a, b} = params.inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
  const {groupSizes, transposeB = false} = params.attrs as unknown as Attributes;
  const backend = params.backend as BackendWasm;
  checkGroups('GroupedMatMul', a, b, groupSizes, transposeB);
  const [rows, K] = a.shape as [number, number];
  const N = b.shape[transposeB ? 1 : 2]!;
  return callGrouped('GroupedMatMul', 'groupedMatMul', backend, a, b, groupSizes, [rows, N], binary => ({
    parts: Array.from(groupSizes).reduce((sum, size) => sum + Math.ceil(size / TILE_ROWS), 0),
    scratch: binary.exports.matMulScratch(rows, K, N),
    args: [rows, K, N, Number(transposeB)],
    multiplications: rows * K * N,
  }));
};

/**
 * The gradient of `GroupedMatMul` with respect to its matrices: result[e] = (rows of group e of a)' (rows of group e of dy).
 *
 * Inputs: a float32 [rows, K] and dy float32 [rows, N]. The attribute `groupSizes` holds E whole numbers that sum to the rows. Result:
 * float32 [E, K, N], zeros for a group without rows.
 */
export const groupedMatMulGradBKernel: tf.KernelFunc = params => {
  const {a, dy} = params.inputs as {a: tf.TensorInfo; dy: tf.TensorInfo};
  const {groupSizes} = params.attrs as unknown as Attributes;
  const backend = params.backend as BackendWasm;
  checkShape('GroupedMatMulGradB', 'a', a.shape, [null, null], '[rows, inner]');
  const [rows, K] = a.shape as [number, number];
  checkShape('GroupedMatMulGradB', 'dy', dy.shape, [rows, null], '[rows, columns]');
  const N = dy.shape[1]!;
  checkGroupSizes('GroupedMatMulGradB', groupSizes, rows);
  const splitsColumns = K < N; // every worker packs the whole other side, which should be the smaller one
  return callGrouped(
    'GroupedMatMulGradB',
    'groupedMatMulGradB',
    backend,
    a,
    dy,
    groupSizes,
    [groupSizes.length, K, N],
    binary => ({
      parts: groupSizes.length * (splitsColumns ? Math.ceil(N / TILE_COLUMNS) : Math.ceil(K / TILE_ROWS)),
      scratch: binary.exports.matMulScratch(K, rows, N),
      args: [rows, K, N, Number(splitsColumns)],
      multiplications: rows * K * N,
    }),
  );
};

/** How a call is made. */
interface Plan {
  /** The parts into which it can be split. */
  parts: number;
  /** Bytes of scratch for each worker. */
  scratch: number;
  /** The arguments between the group sizes and the scratch. */
  args: number[];
  multiplications: number;
}

/** Calls a grouped function of the binary, with the group sizes in the backend's memory. */
function callGrouped(
  owner: string,
  name: 'groupedMatMul' | 'groupedMatMulGradB',
  backend: BackendWasm,
  left: tf.TensorInfo,
  right: tf.TensorInfo,
  groupSizes: ArrayLike<number>,
  shape: number[],
  plan: (binary: OwnKernels) => Plan,
): tf.TensorInfo {
  for (const {dtype} of [left, right]) {
    if (dtype !== 'float32') throw new ValueError(`${owner}: the operands must be float32, but one is ${dtype}.`);
  }
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  if (tf.util.sizeFromShape(shape) === 0) return backend.makeOutput(shape, 'float32');
  const {parts, scratch, args, multiplications} = plan(binary);
  return withIntermediates(backend, own => {
    const sizes = own(backend.makeOutput([groupSizes.length], 'int32', undefined, Int32Array.from(groupSizes)));
    return withOutput(backend, shape, 'float32', out => {
      const addresses = [left, right, out, sizes].map(binary.address);
      const minimum = leastShare(binary, parts, multiplications);
      binary.withScratch(binary.numWorkers * scratch, scratchAddress =>
        binary.split(name, [...addresses, ...args, scratchAddress], parts, minimum),
      );
    });
  });
}
