// Batches of matrix products, divided into parts that threads can share.
// SPDX-License-Identifier: Apache-2.0
import {matMulScratch, panels, product} from './mat-mul-product';
import {TILE_COLUMNS, TILE_ROWS} from './mat-mul-tile';

/**
 * c[i] = min(max(op(a[pairs[i, 0]]) op(b[pairs[i, 1]]) + bias, low), high) for every matrix i of a batch, op(a) being [M, K] and op(b) [K, N].
 *
 * A part is a panel of 5 rows of one c, or, if `splitsColumns`, of 8 columns: there are ceil(M / 5) or ceil(N / 8) to a matrix. Each worker
 * packs the whole other side of its parts, so that the smaller side should be that one.
 *
 * @param pairs Address of int32 [batch, 2], which matrix of a and which of b; 0 for a batch of one.
 * @param bias Address of N numbers, or 0.
 * @param scratch Address of matMulScratch(M, K, N) bytes for each worker.
 */
export function matMul(
  a: usize, b: usize, c: usize, pairs: usize, M: i32, K: i32, N: i32, transposeA: bool, transposeB: bool, bias: usize,
  low: f32, high: f32, splitsColumns: bool, scratch: usize, begin: i32, end: i32, worker: i32,
): void {
  const aStride = <usize>(transposeA ? M : K) << 2;
  const bStride = <usize>(transposeB ? K : N) << 2;
  const cStride = <usize>N << 2;
  const sizeA = <usize>M * (<usize>K << 2);
  const sizeB = <usize>N * (<usize>K << 2);
  const sizeC = <usize>M * cStride;
  const width = splitsColumns ? TILE_COLUMNS : TILE_ROWS;
  const length = splitsColumns ? N : M;
  const parts = panels(length, width);
  const own = scratch + <usize>worker * matMulScratch(M, K, N);
  while (begin < end) {
    const i = begin / parts;
    const first = begin - i * parts;
    const last = min(parts, first + end - begin);
    const from = first * width;
    const to = min(length, last * width);
    const indexA = pairs ? load<i32>(pairs + (<usize>i << 3)) : 0;
    const indexB = pairs ? load<i32>(pairs + (<usize>i << 3), 4) : 0;
    product(
      a + <usize>indexA * sizeA, aStride, transposeA, b + <usize>indexB * sizeB, bStride, transposeB,
      c + <usize>i * sizeC, cStride, splitsColumns ? 0 : from, splitsColumns ? M : to, splitsColumns ? from : 0,
      splitsColumns ? to : N, K, bias, low, high, own,
    );
    begin += last - first;
  }
}
