// GroupedFinishGrad for wasm: the gradient of the biases and of relu behind the products of groups of rows, in one pass.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../../errors.js';
import {checkGroupSizes} from '../../ops/group-sizes.js';
import {withOutputs} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {checkFloats, withGroupTable} from './group-table.js';

/** Columns of a part; src/wasm/assembly/finish-gradient.ts has them too. */
const PANEL = 16;

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 15;

/**
 * The gradient of what `GroupedMatMul` does to its products.
 *
 * Inputs: dy float32 [rows, N] and, where there was relu, its result y of the same shape. The attribute `groupSizes` holds E whole numbers that
 * sum to the rows. Results: with y, dy where y > 0 and zeros elsewhere, float32 [rows, N]; then, with the attribute `hasBiases`, the sums
 * of that, or of dy, over the rows of each group, E of float32 [N], zeros for a group without rows.
 */
export const groupedFinishGradKernel: tf.KernelFunc = params => {
  const owner = 'GroupedFinishGrad';
  const {dy, y} = params.inputs as {dy: tf.TensorInfo; y?: tf.TensorInfo};
  const {groupSizes, hasBiases} = params.attrs as unknown as {groupSizes: ArrayLike<number>; hasBiases: boolean};
  const backend = params.backend as BackendWasm;
  checkFloats(owner, params.inputs);
  checkShape(owner, 'dy', dy.shape, [null, null], '[rows, columns]');
  const [rows, N] = dy.shape as [number, number];
  if (y) checkShape(owner, 'y', y.shape, [rows, N], '[rows, columns]');
  checkGroupSizes(owner, groupSizes, rows);
  return withOutputs(backend, own => {
    const masked = y && own(backend.makeOutput([rows, N], 'float32'));
    const sums = hasBiases ? Array.from(groupSizes, () => own(backend.makeOutput([N], 'float32'))) : undefined;
    const binary = ownKernels(backend)!; // the kernel is registered only where it can run
    const parts = groupSizes.length * Math.ceil(N / PANEL);
    withGroupTable(backend, binary, groupSizes, {biases: sums}, table => {
      const addresses = [binary.address(dy), ...(y && masked ? [y, masked].map(binary.address) : [0, 0]), table];
      const minimum = Math.ceil((parts * MINIMUM_NUMBERS) / (rows * N));
      binary.split('groupedFinishGradient', [...addresses, N], parts, minimum);
    });
    return [...(masked ? [masked] : []), ...(sums ?? [])];
  });
};
