// A part of one matrix product: blocks of both sides are packed into panels, and tiles run over the panels.
// SPDX-License-Identifier: Apache-2.0
import {pack} from './mat-mul-pack';
import {finishTile, TILE_COLUMNS, TILE_ROWS, tile} from './mat-mul-tile';
import {finishVector, vectorProduct} from './mat-mul-vector';

/** A panel of each side for so many k, 20 kB, stays in the first cache; the blocks, 256 and 100 kB, stay in the second. */
const BLOCK_K: i32 = 400;
const BLOCK_ROWS: i32 = 160;
const BLOCK_COLUMNS: i32 = 64;

/** Up to so many rows are faster one by one, without packing b. */
const FEW_ROWS: i32 = 3;

/** The scratch begins with a tile for the edge of c, a row of zeros and a panel's biases; then come the blocks of b and of a. */
const EDGE_STRIDE: usize = TILE_COLUMNS << 2;
const ZEROS: usize = <usize>TILE_ROWS * EDGE_STRIDE;
const BIASES: usize = ZEROS + EDGE_STRIDE;
const PACKED: usize = BIASES + EDGE_STRIDE;

/** Bytes of scratch that each worker needs for products of at most these sizes, a multiple of 64. */
export function matMulScratch(M: i32, K: i32, N: i32): i32 {
  const steps = min(K, BLOCK_K);
  const rows = panels(min(M, BLOCK_ROWS), TILE_ROWS) * TILE_ROWS;
  const columns = panels(min(N, BLOCK_COLUMNS), TILE_COLUMNS) * TILE_COLUMNS;
  return ((<i32>PACKED + (((rows + columns) * steps) << 2)) + 63) & ~63;
}

/** How many panels of `width` lines hold `length` lines. */
// @ts-ignore: decorator
@inline
export function panels(length: i32, width: i32): i32 {
  return (length + width - 1) / width;
}

/**
 * c = min(max(op(a) op(b) + bias, low), high), for some rows and columns of c.
 *
 * @param aStride Bytes from a row of a, as it lies in memory, to the next; bStride and cStride likewise.
 * @param bias Address of N numbers, or 0.
 */
export function product(
  a: usize, aStride: usize, transposeA: bool, b: usize, bStride: usize, transposeB: bool, c: usize, cStride: usize,
  rowBegin: i32, rowEnd: i32, columnBegin: i32, columnEnd: i32, K: i32, bias: usize, low: f32, high: f32, scratch: usize,
): void {
  const finish = bias != 0 || low > -Infinity || high < Infinity;
  if (rowEnd - rowBegin <= FEW_ROWS && (!transposeA || aStride == 4)) {
    for (let m = rowBegin; m < rowEnd; ++m) {
      const x = a + (transposeA ? <usize>m << 2 : <usize>m * aStride);
      const row = c + <usize>m * cStride;
      vectorProduct(x, b, bStride, transposeB, row, K, columnBegin, columnEnd);
      if (finish) finishVector(row, bias, 4, low, high, columnBegin, columnEnd);
    }
    return;
  }
  if (cStride == 4) {
    // One column: c' = b' a'.
    vectorProduct(b, a, aStride, !transposeA, c, K, rowBegin, rowEnd);
    if (finish) finishVector(c, bias, 0, low, high, rowBegin, rowEnd);
    return;
  }
  const zeros = scratch + ZEROS;
  const biases = scratch + BIASES;
  const packedB = scratch + PACKED;
  fillZeros(zeros);
  // Blocks of one size: a last block of a few k would cost a pass over c for little.
  const blockK = max(1, panels(K, max(1, panels(K, BLOCK_K))));
  const widest = panels(min(BLOCK_COLUMNS, columnEnd - columnBegin), TILE_COLUMNS) * TILE_COLUMNS;
  const packedA = packedB + (<usize>(widest * min(K, blockK)) << 2);
  for (let m = rowBegin; m < rowEnd; m += BLOCK_ROWS) {
    const rows = min(BLOCK_ROWS, rowEnd - m);
    let k = 0;
    do {
      const steps = min(blockK, K - k);
      const isFinished = finish && k + steps == K;
      const aBlock = a + (transposeA ? <usize>k * aStride + (<usize>m << 2) : <usize>m * aStride + (<usize>k << 2));
      pack(aBlock, aStride, !transposeA, packedA, rows, steps, TILE_ROWS);
      for (let n = columnBegin; n < columnEnd; n += BLOCK_COLUMNS) {
        const columns = min(BLOCK_COLUMNS, columnEnd - n);
        const bBlock = b + (transposeB ? <usize>n * bStride + (<usize>k << 2) : <usize>k * bStride + (<usize>n << 2));
        pack(bBlock, bStride, transposeB, packedB, columns, steps, TILE_COLUMNS);
        const cBlock = c + <usize>m * cStride + (<usize>n << 2);
        const whole = rows - (rows % TILE_ROWS);
        for (let j = 0; j < columns; j += TILE_COLUMNS) {
          const panelB = packedB + (<usize>(j * steps) << 2);
          const width = min(TILE_COLUMNS, columns - j);
          if (isFinished) {
            fillZeros(biases);
            if (bias) copyRectangle(bias + (<usize>(n + j) << 2), 0, biases, 0, 1, width);
          }
          const inside = width == TILE_COLUMNS ? whole : 0;
          let panelA = packedA;
          let target = cBlock + (<usize>j << 2);
          for (let i = 0; i < inside; i += TILE_ROWS) {
            if (k == 0) tile(panelA, panelB, steps, zeros, 0, target, cStride);
            else tile(panelA, panelB, steps, target, cStride, target, cStride);
            if (isFinished) finishTile(target, cStride, biases, low, high);
            panelA += <usize>(TILE_ROWS * steps) << 2;
            target += <usize>TILE_ROWS * cStride;
          }
          for (let i = inside; i < rows; i += TILE_ROWS) {
            const height = min(TILE_ROWS, rows - i);
            edgeTile(panelA, panelB, steps, k > 0, target, cStride, height, width, isFinished, low, high, scratch);
            panelA += <usize>(TILE_ROWS * steps) << 2;
            target += <usize>TILE_ROWS * cStride;
          }
        }
      }
      k += steps;
    } while (k < K);
  }
}

/** A tile of which only `height` rows and `width` columns belong to c: it is computed at the beginning of the scratch. */
function edgeTile(
  a: usize, b: usize, K: i32, isContinued: bool, c: usize, cStride: usize, height: i32, width: i32,
  isFinished: bool, low: f32, high: f32, scratch: usize,
): void {
  if (isContinued) {
    copyRectangle(c, cStride, scratch, EDGE_STRIDE, height, width);
    tile(a, b, K, scratch, EDGE_STRIDE, scratch, EDGE_STRIDE);
  } else {
    tile(a, b, K, scratch + ZEROS, 0, scratch, EDGE_STRIDE);
  }
  if (isFinished) finishTile(scratch, EDGE_STRIDE, scratch + BIASES, low, high);
  copyRectangle(scratch, EDGE_STRIDE, c, cStride, height, width);
}

/** Copies height by width numbers. For so few `memory.copy`, a call into the engine, is slow. */
function copyRectangle(from: usize, fromStride: usize, to: usize, toStride: usize, height: i32, width: i32): void {
  for (let row = 0; row < height; ++row) {
    for (let n: usize = 0; n < <usize>width << 2; n += 4) store<f32>(to + n, load<f32>(from + n));
    from += fromStride;
    to += toStride;
  }
}

/** Clears a row of a tile. */
function fillZeros(row: usize): void {
  v128.store(row, f32x4.splat(0));
  v128.store(row, f32x4.splat(0), 16);
}
