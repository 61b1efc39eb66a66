// Matrix products of consecutive groups of rows, each group with a matrix of its own.
// SPDX-License-Identifier: Apache-2.0
import {matMulScratch, panels, product} from './mat-mul-product';
import {TILE_COLUMNS, TILE_ROWS} from './mat-mul-tile';

/**
 * c[rows of group e] = a[rows of group e] op(b[e]), a being [rows, K], op(b[e]) [K, N] and c [rows, N].
 *
 * A part is a panel of up to 5 rows of one group: group e has ceil(sizes[e] / 5), and the parts are counted over the groups in order.
 *
 * @param sizes Address of int32 [E]: how many rows each group has.
 * @param scratch Address of matMulScratch(rows, K, N) bytes for each worker.
 */
export function groupedMatMul(
  a: usize, b: usize, c: usize, sizes: usize, rows: i32, K: i32, N: i32, transposeB: bool, scratch: usize,
  begin: i32, end: i32, worker: i32,
): void {
  const aStride = <usize>K << 2;
  const cStride = <usize>N << 2;
  const own = scratch + <usize>worker * matMulScratch(rows, K, N);
  let before = 0;
  for (; before < end; sizes += 4) {
    const size = load<i32>(sizes);
    const parts = panels(size, TILE_ROWS);
    const from = max(begin - before, 0) * TILE_ROWS;
    const to = min(size, (end - before) * TILE_ROWS);
    if (from < to) {
      product(a, aStride, false, b, transposeB ? aStride : cStride, transposeB, c, cStride, from, to, 0, N, K, 0, -Infinity, Infinity, own);
    }
    before += parts;
    a += <usize>size * aStride;
    b += <usize>K * cStride;
    c += <usize>size * cStride;
  }
}

/**
 * c[e] = a[rows of group e]' dy[rows of group e], c being [E, K, N]; zeros for a group without rows.
 *
 * A part is a panel of 5 rows of one c[e], or, if `splitsColumns`, of 8 columns: there are ceil(K / 5) or ceil(N / 8) to a group.
 *
 * @param sizes Address of int32 [E]: how many rows each group has.
 * @param scratch Address of matMulScratch(K, rows, N) bytes for each worker.
 */
export function groupedMatMulGradB(
  a: usize, dy: usize, c: usize, sizes: usize, rows: i32, K: i32, N: i32, splitsColumns: bool, scratch: usize,
  begin: i32, end: i32, worker: i32,
): void {
  const aStride = <usize>K << 2;
  const cStride = <usize>N << 2;
  const width = splitsColumns ? TILE_COLUMNS : TILE_ROWS;
  const length = splitsColumns ? N : K;
  const parts = panels(length, width);
  const own = scratch + <usize>worker * matMulScratch(K, rows, N);
  for (let before = 0; before < end; before += parts) {
    const size = load<i32>(sizes);
    const from = max(begin - before, 0) * width;
    const to = min(length, (end - before) * width);
    if (from < to) {
      product(
        a, aStride, true, dy, cStride, false, c, cStride, splitsColumns ? 0 : from, splitsColumns ? K : to,
        splitsColumns ? from : 0, splitsColumns ? to : N, size, 0, -Infinity, Infinity, own,
      );
    }
    sizes += 4;
    a += <usize>size * aStride;
    dy += <usize>size * cStride;
    c += <usize>K * cStride;
  }
}
