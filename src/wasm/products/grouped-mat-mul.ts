// GroupedMatMul for wasm: one call of our binary for the products of all groups of rows, each group with a matrix of its own.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../../errors.js';
import {checkGroupSizes, checkGroups, checkOneAGroup} from '../../ops/group-sizes.js';
import {withOutput, withOutputs} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {checkFloats, inputsOfGroups, withGroupTable} from './group-table.js';
import {leastShare, TILE_COLUMNS, TILE_ROWS} from './own-mat-mul.js';

/**
 * The product of each group of rows with its own matrix: rows of group e of the result = rows of group e of a times op(b[e]), with the
 * group's bias added, and relu of that.
 *
 * Inputs: a float32 [rows, K], its groups one after the other; b float32 [E, K, N], or b0, b1, ... of [K, N] each, their last two axes
 * exchanged with the attribute `transposeB`; bias0, bias1, ... of [N] each, or none. The attribute `groupSizes` holds E whole numbers that
 * sum to the rows, `isRelu` asks for relu. Result: float32 [rows, N].
 */
export const groupedMatMulKernel: tf.KernelFunc = params => {
  const owner = 'GroupedMatMul';
  const {
    groupSizes,
    transposeB = false,
    isRelu = false,
  } = params.attrs as unknown as {groupSizes: ArrayLike<number>; transposeB?: boolean; isRelu?: boolean};
  const backend = params.backend as BackendWasm;
  const a = params.inputs.a!;
  const b = params.inputs.b ?? inputsOfGroups(params.inputs, 'b', groupSizes.length);
  const biases = inputsOfGroups(params.inputs, 'bias', groupSizes.length);
  checkFloats(owner, params.inputs);
  checkGroups(owner, a, b, groupSizes, transposeB);
  const [rows, K] = a.shape as [number, number];
  const {shape} = 'shape' in b ? b : b[0]!;
  const N = shape[shape.length - (transposeB ? 2 : 1)]!;
  const hasBiases = biases.length > 0;
  if (hasBiases) checkOneAGroup(owner, 'bias', biases, groupSizes, [N], '[columns]');
  if (rows * N === 0) return backend.makeOutput([rows, N], 'float32');

  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  const parts = Array.from(groupSizes).reduce((sum, size) => sum + Math.ceil(size / TILE_ROWS), 0);
  const minimum = leastShare(binary, parts, rows * K * N);
  return withOutput(backend, [rows, N], 'float32', out =>
    withGroupTable(backend, binary, groupSizes, {matrices: b, biases: hasBiases ? biases : undefined}, table => {
      const addresses = [a, out].map(binary.address);
      const numbers = [rows, K, N, Number(transposeB), isRelu ? 0 : Number.NEGATIVE_INFINITY];
      binary.withScratch(binary.numWorkers * binary.exports.matMulScratch(rows, K, N), scratch =>
        binary.split('groupedMatMul', [...addresses, table, ...numbers, scratch], parts, minimum),
      );
    }),
  );
};

/**
 * The gradient of `GroupedMatMul` with respect to its matrices: result[e] = (rows of group e of a)' (rows of group e of dy).
 *
 * Inputs: a float32 [rows, K] and dy float32 [rows, N]. The attribute `groupSizes` holds E whole numbers that sum to the rows. Results:
 * float32 [E, K, N] with the attribute `isStacked`, else E of [K, N]; zeros for a group without rows.
 */
export const groupedMatMulGradBKernel: tf.KernelFunc = params => {
  const owner = 'GroupedMatMulGradB';
  const {a, dy} = params.inputs as {a: tf.TensorInfo; dy: tf.TensorInfo};
  const {groupSizes, isStacked} = params.attrs as unknown as {groupSizes: ArrayLike<number>; isStacked: boolean};
  const backend = params.backend as BackendWasm;
  checkFloats(owner, params.inputs);
  checkShape(owner, 'a', a.shape, [null, null], '[rows, inner]');
  const [rows, K] = a.shape as [number, number];
  checkShape(owner, 'dy', dy.shape, [rows, null], '[rows, columns]');
  const N = dy.shape[1]!;
  checkGroupSizes(owner, groupSizes, rows);
  const E = groupSizes.length;
  return withOutputs(backend, own => {
    const results = isStacked
      ? [own(backend.makeOutput([E, K, N], 'float32'))]
      : Array.from(groupSizes, () => own(backend.makeOutput([K, N], 'float32')));
    if (E * K * N === 0) return results;
    const binary = ownKernels(backend)!;
    const splitsColumns = K < N; // every worker packs the whole other side, which should be the smaller one
    const parts = E * (splitsColumns ? Math.ceil(N / TILE_COLUMNS) : Math.ceil(K / TILE_ROWS));
    const minimum = leastShare(binary, parts, rows * K * N);
    withGroupTable(backend, binary, groupSizes, {matrices: isStacked ? results[0] : results}, table => {
      const addresses = [a, dy].map(binary.address);
      const numbers = [rows, K, N, Number(splitsColumns)];
      binary.withScratch(binary.numWorkers * binary.exports.matMulScratch(K, rows, N), scratch =>
        binary.split('groupedMatMulGradB', [...addresses, table, ...numbers, scratch], parts, minimum),
      );
    });
    return results;
  });
};
