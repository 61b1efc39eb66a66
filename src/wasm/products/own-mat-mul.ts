// A batch of matrix products by our own binary.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {withIntermediates, withOutput} from '../kernel-calls.js';
import type {OwnKernels} from '../own-kernels.js';
import type {Product} from './matrix-batch.js';

/** The rows and columns of the binary's tiles, the units in which products are split; src/wasm/assembly/mat-mul-tile.ts has them too. */
export const TILE_ROWS = 5;
export const TILE_COLUMNS = 8;

/** Multiplications of a thread's part, about 25 microseconds of them: fewer are done before another thread is awake. */
const MINIMUM_MULTIPLICATIONS = 2 ** 19;
/** More of them would even out the workers' speeds better, but each packs one side of the product anew. */
const PARTS_PER_WORKER = 2;

/** The least number of a product's `total` panels that one worker should be given at a time. */
export function leastShare({numWorkers}: OwnKernels, total: number, multiplications: number): number {
  const worthwhile = Math.ceil((total * MINIMUM_MULTIPLICATIONS) / multiplications);
  return Math.max(worthwhile, Math.floor(total / (PARTS_PER_WORKER * numWorkers)));
}

/** What is done to the sums of a product before they are stored. */
export interface Finish {
  /** Added to each row: float32 of as many numbers as the product has columns. */
  bias?: tf.TensorInfo;
  /** The limits of the result; none by default. */
  low?: number;
  high?: number;
}

/**
 * Multiplies [batch, M, K] by [batch, K, N], all sizes above zero but for K.
 *
 * @param binary The binary on this backend's memory.
 * @param pairs For each matrix of the result, the positions of its operands among those of a and of b.
 * @param finish What is done to the sums.
 * @returns float32 [pairs.length, M, N], owned by the caller.
 */
export function ownMatMul(
  backend: BackendWasm,
  binary: OwnKernels,
  {a, b, transposeA, transposeB}: Product,
  pairs: readonly (readonly [number, number])[],
  {bias, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY}: Finish = {},
): tf.TensorInfo {
  const [numA, rowsA, columnsA] = a.shape as [number, number, number];
  const [numB, rowsB, columnsB] = b.shape as [number, number, number];
  const [lines, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const N = transposeB ? rowsB : columnsB;
  const shape = [pairs.length, lines, N];
  // Many matrices times one are one taller matrix times it, which is packed once.
  const isOne = numB === 1 && !transposeA;
  const [batch, M] = isOne ? [1, numA * lines] : [pairs.length, lines];

  // Every worker packs the whole side that is not split, which should be the smaller one.
  const splitsColumns = M < N;
  const parts = batch * (splitsColumns ? Math.ceil(N / TILE_COLUMNS) : Math.ceil(M / TILE_ROWS));
  return withIntermediates(backend, own => {
    const table = batch > 1 && own(backend.makeOutput([batch, 2], 'int32', undefined, Int32Array.from(pairs.flat())));
    return withOutput(backend, shape, 'float32', out => {
      const operands = [a, b, out].map(binary.address);
      const sizes = [table ? binary.address(table) : 0, M, K, N, Number(transposeA), Number(transposeB)];
      const finish = [bias ? binary.address(bias) : 0, low, high];
      binary.withScratch(binary.numWorkers * binary.exports.matMulScratch(M, K, N), scratch => {
        const args = [...operands, ...sizes, ...finish, Number(splitsColumns), scratch];
        binary.split('matMul', args, parts, leastShare(binary, parts, batch * M * N * K));
      });
    });
  });
}
