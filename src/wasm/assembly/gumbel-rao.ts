// The gradient of Gumbel-Rao: a mean over conditional noise that is made as it is needed, so that memory does not depend on its amount.
// SPDX-License-Identifier: Apache-2.0

import {expOf, expOfNegative, logOf} from './exp-log';
import {fillExponentials} from './exponentials';

/** Four rows are computed at a time; a lane that has no row of its own repeats the last one. */
const LANES: i32 = 4;

/** exp of more than this is left to `rest` below: 1 + x of such an x is x in float32, and the largest x is within it. */
const LARGEST: f32 = 60;

/** The bytes that a worker needs beside the tensors, for tiles of so many groups of four rows. A multiple of 16. */
export function gumbelRaoScratch(columns: i32, groups: i32): i32 {
  // Five arrays of the tile, of which the noise has room for what else its blocks hold; one of a group; and the draws.
  return (5 * groups + 1) * columns * 16 + groups * 16 + 128;
}

/** Four numbers of four rows. */
// @ts-ignore: decorator
@inline
function gather(a: usize, b: usize, c: usize, d: usize): v128 {
  let x = v128.load32_zero(a);
  x = v128.load32_lane(b, x, 1);
  x = v128.load32_lane(c, x, 2);
  return v128.load32_lane(d, x, 3);
}

/** What does not change from sample to sample, for one group. `drawn` takes the offset in bytes of the drawn category of each row. */
function prepare(
  logits: usize, hard: usize, g: usize, columns: i32, firstRow: i32, lastRow: i32, isOne: bool,
  slope: usize, factor: usize, rest: usize, drawn: usize,
): void {
  const rowBytes = (<usize>columns) << 2;
  const a = (<usize>firstRow) * rowBytes;
  const b = (<usize>min(firstRow + 1, lastRow)) * rowBytes;
  const c = (<usize>min(firstRow + 2, lastRow)) * rowBytes;
  const d = (<usize>min(firstRow + 3, lastRow)) * rowBytes;
  let largest = f32x4.splat(-Infinity);
  for (let i: usize = 0; i < rowBytes; i += 4) {
    largest = f32x4.max(largest, gather(logits + a + i, logits + b + i, logits + c + i, logits + d + i));
  }
  let total = f32x4.splat(0);
  for (let i: usize = 0; i < rowBytes; i += 4) {
    const logit = gather(logits + a + i, logits + b + i, logits + c + i, logits + d + i);
    total = f32x4.add(total, expOfNegative(f32x4.sub(logit, largest)));
  }
  store<i32>(drawn, drawnOffset(hard + a, rowBytes));
  store<i32>(drawn, drawnOffset(hard + b, rowBytes), 4);
  store<i32>(drawn, drawnOffset(hard + c, rowBytes), 8);
  store<i32>(drawn, drawnOffset(hard + d, rowBytes), 12);
  const atDrawn = gatherDrawn(g + a, g + b, g + c, g + d, drawn);
  const logTotal = logOf(total);
  const limit = f32x4.splat(LARGEST);
  for (let i: usize = 0; i < rowBytes; i += 4) {
    const logit = gather(logits + a + i, logits + b + i, logits + c + i, logits + d + i);
    const surprise = f32x4.add(f32x4.sub(largest, logit), logTotal); // log(1 / p)
    const bounded = f32x4.min(surprise, limit);
    const missing = f32x4.sub(surprise, bounded);
    const inverse = expOf(bounded);
    // At temperature 1 what is beyond the limit weighs less than 1e-14, and a masked category nothing.
    const beyond = v128.and(f32x4.gt(missing, f32x4.splat(0)), i32x4.splat(isOne ? -1 : 0));
    v128.store(factor + (i << 2), v128.bitselect(f32x4.splat(Infinity), inverse, beyond));
    v128.store(rest + (i << 2), missing);
    const slopes = f32x4.sub(gather(g + a + i, g + b + i, g + c + i, g + d + i), atDrawn);
    v128.store(slope + (i << 2), slopes);
  }
  for (let lane: usize = 0; lane < 16; lane += 4) {
    const at = ((<usize>load<i32>(drawn + lane)) << 2) + lane;
    store<f32>(factor + at, 0);
    store<f32>(rest + at, 0);
  }
}

/** The offset in bytes of the one in a one-hot row. */
function drawnOffset(row: usize, rowBytes: usize): i32 {
  let i: usize = 0;
  while (i < rowBytes - 4 && load<f32>(row + i) != 1) i += 4;
  return <i32>i;
}

/** The numbers of four rows at their drawn categories. */
// @ts-ignore: decorator
@inline
function gatherDrawn(a: usize, b: usize, c: usize, d: usize, drawn: usize): v128 {
  return gather(
    a + (<usize>load<i32>(drawn)), b + (<usize>load<i32>(drawn, 4)), c + (<usize>load<i32>(drawn, 8)),
    d + (<usize>load<i32>(drawn, 12)),
  );
}

/** Adds s * (slope - <s, slope>) of one sample to the sums of four rows, whose noise begins at a, b, c and d. */
// @ts-ignore: decorator
@inline
function addSample(
  a: usize, b: usize, c: usize, d: usize, drawn: usize, rowBytes: usize, temperature: f32, isOne: bool,
  slope: usize, factor: usize, rest: usize, weights: usize, sums: usize,
): void {
  const groupBytes = rowBytes << 2;
  const one = f32x4.splat(1);
  const scale = f32x4.div(one, gatherDrawn(a, b, c, d, drawn));
  let total = f32x4.splat(0);
  let weighted = f32x4.splat(0);
  for (let i: usize = 0; i < groupBytes; i += 16) {
    const exponential = gather(a, b, c, d);
    a += 4;
    b += 4;
    c += 4;
    d += 4;
    const odds = f32x4.add(one, f32x4.mul(f32x4.mul(exponential, scale), v128.load(factor + i)));
    const weight = isOne
      ? f32x4.div(one, odds)
      : expOfNegative(
          f32x4.div(f32x4.neg(f32x4.add(logOf(odds), v128.load(rest + i))), f32x4.splat(temperature)),
        );
    v128.store(weights + i, weight);
    total = f32x4.add(total, weight);
    weighted = f32x4.add(weighted, f32x4.mul(weight, v128.load(slope + i)));
  }
  const inverse = f32x4.div(one, total);
  const mean = f32x4.mul(weighted, inverse);
  for (let i: usize = 0; i < groupBytes; i += 16) {
    const share = f32x4.mul(v128.load(weights + i), inverse);
    const part = f32x4.mul(share, f32x4.sub(v128.load(slope + i), mean));
    v128.store(sums + i, f32x4.add(v128.load(sums + i), part));
  }
}

/**
 * The mean over samples k of s * (g - <s, g>) / temperature for each row, with s = softmax(c / temperature) of the perturbed logits c.
 *
 * With E the exponential variables of a sample, E_i that of the drawn category, and p = softmax(logits), c is up to a constant of the row 0
 * at i and -log(1 + x_j), x_j = E_j / (E_i p_j), elsewhere; so s is (1 + x_j)^(-1 / temperature) over its sum. Sample k takes uniforms
 * [k rows columns, (k + 1) rows columns) from the block `position` on.
 *
 * @param hard One-hot rows.
 * @param scratch gumbelRaoScratch(columns, groups) bytes a worker, aligned to 16.
 * @param groups Rows of a tile, in fours. The range [begin, end) counts tiles.
 */
export function gumbelRaoGradient(
  logits: usize, hard: usize, g: usize, out: usize, scratch: usize, columns: i32, rows: i32, groups: i32, numSamples: i32,
  temperature: f32, key0: u32, key1: u32, positionLow: u32, positionHigh: u32, begin: i32, end: i32, worker: i32,
): void {
  const position = ((<u64>positionHigh) << 32) | (<u64>positionLow);
  const size = (<u64>rows) * (<u64>columns);
  const rowBytes = (<usize>columns) << 2;
  const groupBytes = rowBytes * LANES;
  scratch += (<usize>worker) * (<usize>gumbelRaoScratch(columns, groups));
  // By groups, and within them by categories, four lanes each.
  const slope = scratch; // g - <hard, g>
  const factor = slope + (<usize>groups) * groupBytes; // 1 / p, as far as LARGEST allows; 0 at the drawn category
  const rest = factor + (<usize>groups) * groupBytes; // what is missing of log(1 / p)
  const sums = rest + (<usize>groups) * groupBytes;
  const weights = sums + (<usize>groups) * groupBytes; // of one group
  const drawn = weights + groupBytes;
  const noise = drawn + (<usize>groups) * 16;
  const isOne = temperature == 1;

  for (let tile = begin; tile < end; ++tile) {
    const firstRow = tile * groups * LANES;
    const numRows = min(rows - firstRow, groups * LANES);
    const numGroups = (numRows + LANES - 1) / LANES;
    for (let group = 0; group < numGroups; ++group) {
      prepare(
        logits, hard, g, columns, firstRow + group * LANES, rows - 1, isOne,
        slope + (<usize>group) * groupBytes, factor + (<usize>group) * groupBytes, rest + (<usize>group) * groupBytes,
        drawn + (<usize>group) * 16,
      );
    }
    memory.fill(sums, 0, (<usize>numGroups) * groupBytes);

    for (let k = 0; k < numSamples; ++k) {
      const start = (<u64>k) * size + (<u64>firstRow) * (<u64>columns);
      const before = <i32>(start & 3);
      fillExponentials(noise, key0, key1, position + (start >> 2), (before + numRows * columns + 3) >> 2);
      let at = noise + ((<usize>before) << 2);
      for (let group = 0; group < numGroups; ++group) {
        const offset = (<usize>group) * groupBytes;
        const last = numRows - 1 - group * LANES;
        const a = at;
        const b = at + rowBytes * (<usize>min(1, last));
        const c = at + rowBytes * (<usize>min(2, last));
        const d = at + rowBytes * (<usize>min(3, last));
        addSample(
          a, b, c, d, drawn + (<usize>group) * 16, rowBytes, temperature, isOne,
          slope + offset, factor + offset, rest + offset, weights, sums + offset,
        );
        at += groupBytes;
      }
    }

    const divisor = f32x4.splat((<f32>numSamples) * temperature);
    for (let row = 0; row < numRows; ++row) {
      const lane = sums + (<usize>(row / LANES)) * groupBytes + ((<usize>(row % LANES)) << 2);
      const target = out + (<usize>(firstRow + row)) * rowBytes;
      for (let i: usize = 0; i < rowBytes; i += 4) {
        v128.store32_lane(target + i, f32x4.div(v128.load32_zero(lane + (i << 2)), divisor), 0);
      }
    }
  }
}
