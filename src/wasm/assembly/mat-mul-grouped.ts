// Matrix products of consecutive groups of rows, each group with a matrix of its own.
// SPDX-License-Identifier: Apache-2.0
import {matMulScratch, panels, product} from './mat-mul-product';
import {TILE_COLUMNS, TILE_ROWS} from './mat-mul-tile';

// A group in a table of groups: three int32, how many rows it has, the address of its matrix, and that of its bias or 0.
export const GROUP_MATRIX: usize = 4;
export const GROUP_BIAS: usize = 8;
export const GROUP_BYTES: usize = 12;

/**
 * c[rows of group e] = max(a[rows of group e] op(matrix e) + bias e, low), a being [rows, K], op(matrix e) [K, N] and c [rows, N].
 *
 * A part is a panel of up to 5 rows of one group: group e has ceil(its rows / 5), and the parts are counted over the groups in order.
 *
 * @param groups Address of a table of groups; the biases are N numbers each.
 * @param scratch Address of matMulScratch(rows, K, N) bytes for each worker.
 */
export function groupedMatMul(
  a: usize, c: usize, groups: usize, rows: i32, K: i32, N: i32, transposeB: bool, low: f32, scratch: usize,
  begin: i32, end: i32, worker: i32,
): void {
  const aStride = <usize>K << 2;
  const cStride = <usize>N << 2;
  const bStride = transposeB ? aStride : cStride;
  const own = scratch + <usize>worker * matMulScratch(rows, K, N);
  let before = 0;
  for (; before < end; groups += GROUP_BYTES) {
    const size = load<i32>(groups);
    const from = max(begin - before, 0) * TILE_ROWS;
    const to = min(size, (end - before) * TILE_ROWS);
    if (from < to) {
      const b = load<usize>(groups, GROUP_MATRIX);
      const bias = load<usize>(groups, GROUP_BIAS);
      product(a, aStride, false, b, bStride, transposeB, c, cStride, from, to, 0, N, K, bias, low, Infinity, own);
    }
    before += panels(size, TILE_ROWS);
    a += <usize>size * aStride;
    c += <usize>size * cStride;
  }
}

/**
 * matrix e = a[rows of group e]' dy[rows of group e], the matrices being [K, N]; zeros for a group without rows.
 *
 * A part is a panel of 5 rows of one matrix, or, if `splitsColumns`, of 8 columns: there are ceil(K / 5) or ceil(N / 8) to a group.
 *
 * @param groups Address of a table of groups, whose matrices are written.
 * @param scratch Address of matMulScratch(K, rows, N) bytes for each worker.
 */
export function groupedMatMulGradB(
  a: usize, dy: usize, groups: usize, rows: i32, K: i32, N: i32, splitsColumns: bool, scratch: usize,
  begin: i32, end: i32, worker: i32,
): void {
  const aStride = <usize>K << 2;
  const cStride = <usize>N << 2;
  const width = splitsColumns ? TILE_COLUMNS : TILE_ROWS;
  const length = splitsColumns ? N : K;
  const parts = panels(length, width);
  const own = scratch + <usize>worker * matMulScratch(K, rows, N);
  for (let before = 0; before < end; before += parts) {
    const size = load<i32>(groups);
    const from = max(begin - before, 0) * width;
    const to = min(length, (end - before) * width);
    if (from < to) {
      const matrix = load<usize>(groups, GROUP_MATRIX);
      product(
        a, aStride, true, dy, cStride, false, matrix, cStride, splitsColumns ? 0 : from, splitsColumns ? K : to,
        splitsColumns ? from : 0, splitsColumns ? to : N, size, 0, -Infinity, Infinity, own,
      );
    }
    groups += GROUP_BYTES;
    a += <usize>size * aStride;
    dy += <usize>size * cStride;
  }
}
