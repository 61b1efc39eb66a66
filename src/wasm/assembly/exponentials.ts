// Exponential variables, -log u of the uniforms of Philox4x32-10, four float32 at a time.
// SPDX-License-Identifier: Apache-2.0

import {exponentOf, logOfParts, remainderOf} from './exp-log';

const MULTIPLIER_0: i32 = 0xd2511f53;
const MULTIPLIER_1: i32 = 0xcd9e8d57;
const WEYL_0: i32 = 0x9e3779b9;
const WEYL_1: i32 = 0xbb67ae85;

/** The lower words of four products. */
// @ts-ignore: decorator
@inline
function lowWords(first: v128, second: v128): v128 {
  return v128.shuffle<i32>(first, second, 0, 2, 4, 6);
}

/** The upper words. */
// @ts-ignore: decorator
@inline
function highWords(first: v128, second: v128): v128 {
  return v128.shuffle<i32>(first, second, 1, 3, 5, 7);
}

/**
 * -log u of u = (word + 1/2) / 2^32. Where u is next to 1 the logarithm is taken of 1 - (1 - u), whose parentheses float32 holds: next to
 * 1 itself it tells only every 256th word from the next.
 */
// @ts-ignore: decorator
@inline
function exponentialOf(word: v128): v128 {
  const isUpper = i32x4.lt_s(word, i32x4.splat(0));
  const nearest = i32x4.min_u(word, v128.not(word)); // to 0 or to 2^32
  const distance = f32x4.mul(
    f32x4.add(f32x4.convert_i32x4_s(nearest), f32x4.splat(0.5)),
    f32x4.splat(2.3283064365386963e-10), // 2^-32
  );
  const u = v128.bitselect(f32x4.sub(f32x4.splat(1), distance), distance, isUpper);
  const e = exponentOf(u);
  const isNearOne = i32x4.eq(e, i32x4.splat(0));
  return f32x4.neg(logOfParts(e, v128.bitselect(f32x4.neg(distance), remainderOf(u, e), isNearOne)));
}

/**
 * Writes the exponential variables of `count` blocks rounded up to a multiple of four, four float32 each.
 *
 * @param position The number of the first block.
 */
export function fillExponentials(target: usize, key0: u32, key1: u32, position: u64, count: i32): void {
  for (let block = 0; block < count; block += 4) {
    const counter = position + (<u64>block);
    const low = i32x4.splat(<i32>counter);
    // Four blocks at a time, a word of each in the lanes of a vector.
    let x0 = i32x4.add(low, i32x4(0, 1, 2, 3));
    let x1 = i32x4.sub(i32x4.splat(<i32>(counter >> 32)), i32x4.lt_u(x0, low));
    let x2 = i32x4.splat(0);
    let x3 = i32x4.splat(0);
    let k0 = i32x4.splat(key0);
    let k1 = i32x4.splat(key1);
    for (let round = 0; round < 10; ++round) {
      const first0 = i64x2.extmul_low_i32x4_u(x0, i32x4.splat(MULTIPLIER_0));
      const second0 = i64x2.extmul_high_i32x4_u(x0, i32x4.splat(MULTIPLIER_0));
      const first1 = i64x2.extmul_low_i32x4_u(x2, i32x4.splat(MULTIPLIER_1));
      const second1 = i64x2.extmul_high_i32x4_u(x2, i32x4.splat(MULTIPLIER_1));
      x0 = v128.xor(v128.xor(highWords(first1, second1), x1), k0);
      x2 = v128.xor(v128.xor(highWords(first0, second0), x3), k1);
      x1 = lowWords(first1, second1);
      x3 = lowWords(first0, second0);
      k0 = i32x4.add(k0, i32x4.splat(WEYL_0));
      k1 = i32x4.add(k1, i32x4.splat(WEYL_1));
    }
    const e0 = exponentialOf(x0), e1 = exponentialOf(x1), e2 = exponentialOf(x2), e3 = exponentialOf(x3);
    const low01 = v128.shuffle<i32>(e0, e1, 0, 4, 1, 5), high01 = v128.shuffle<i32>(e0, e1, 2, 6, 3, 7);
    const low23 = v128.shuffle<i32>(e2, e3, 0, 4, 1, 5), high23 = v128.shuffle<i32>(e2, e3, 2, 6, 3, 7);
    v128.store(target, v128.shuffle<i64>(low01, low23, 0, 2));
    v128.store(target, v128.shuffle<i64>(low01, low23, 1, 3), 16);
    v128.store(target, v128.shuffle<i64>(high01, high23, 0, 2), 32);
    v128.store(target, v128.shuffle<i64>(high01, high23, 1, 3), 48);
    target += 64;
  }
}
