// Random numbers: uniforms of Philox4x32-10, equal to those of src/random, and Gumbel noise made of uniforms.
// SPDX-License-Identifier: Apache-2.0

const MULTIPLIER_0: u64 = 0xd2511f53;
const MULTIPLIER_1: u64 = 0xcd9e8d57;
const WEYL_0: u32 = 0x9e3779b9;
const WEYL_1: u32 = 0xbb67ae85;

/** A word as a number in (0, 1), in the middle of its interval; both steps are exact. */
// @ts-ignore: decorator
@inline
function toUniform(word: u32): f64 {
  return ((<f64>word) + 0.5) * 2.3283064365386963e-10; // 2^-32
}

/**
 * Writes the uniforms of the blocks [begin, end), four float64 each.
 *
 * @param position The number of block 0, in its lower and upper word.
 */
export function fillUniforms(
  target: usize, key0: u32, key1: u32, positionLow: u32, positionHigh: u32, begin: i32, end: i32, _worker: i32,
): void {
  const position = ((<u64>positionHigh) << 32) | (<u64>positionLow);
  target += (<usize>begin) << 5;
  for (let block = begin; block < end; ++block) {
    const counter = position + (<u64>block);
    let x0 = <u32>counter, x1 = <u32>(counter >> 32), x2: u32 = 0, x3: u32 = 0;
    let k0 = key0, k1 = key1;
    for (let round = 0; round < 10; ++round) {
      const product0 = MULTIPLIER_0 * (<u64>x0);
      const product1 = MULTIPLIER_1 * (<u64>x2);
      x0 = (<u32>(product1 >> 32)) ^ x1 ^ k0;
      x2 = (<u32>(product0 >> 32)) ^ x3 ^ k1;
      x1 = <u32>product1;
      x3 = <u32>product0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    store<f64>(target, toUniform(x0));
    store<f64>(target, toUniform(x1), 8);
    store<f64>(target, toUniform(x2), 16);
    store<f64>(target, toUniform(x3), 24);
    target += 32;
  }
}

// @ts-ignore: decorator
@inline
function multiplyAdd(x: v128, y: v128, z: f64): v128 {
  return f64x2.add(f64x2.mul(x, y), f64x2.splat(z));
}

/**
 * The natural logarithms of two normal positive numbers. With x = m 2^e, m from 0.7 to 1.41, and s = (m - 1) / (m + 1) it is
 * e log 2 + 2 artanh s, by the series of artanh: s^2 is below 0.03, so that what is left out is below 4e-14 of it,
 * a millionth of what float32 can tell.
 */
// @ts-ignore: decorator
@inline
function logarithm(x: v128): v128 {
  // The bits of sqrt(1/2): what lies below it goes with the next lower power of two.
  const half = i64x2.splat(0x3fe6a09e667f3bcd);
  const shifted = i64x2.sub(x, half);
  const power = i64x2.shr_s(shifted, 52);
  const m = i64x2.sub(x, i64x2.shl(power, 52));
  const e = f64x2.convert_low_i32x4_s(i8x16.shuffle(power, power, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11));
  const one = f64x2.splat(1);
  const s = f64x2.div(f64x2.sub(m, one), f64x2.add(m, one));
  const z = f64x2.mul(s, s);
  let series = f64x2.splat(2.0 / 15.0);
  series = multiplyAdd(series, z, 2.0 / 13.0);
  series = multiplyAdd(series, z, 2.0 / 11.0);
  series = multiplyAdd(series, z, 2.0 / 9.0);
  series = multiplyAdd(series, z, 2.0 / 7.0);
  series = multiplyAdd(series, z, 2.0 / 5.0);
  series = multiplyAdd(series, z, 2.0 / 3.0);
  series = multiplyAdd(series, z, 2.0);
  return f64x2.add(f64x2.mul(e, f64x2.splat(0.6931471805599453)), f64x2.mul(series, s));
}

/** Two Gumbel variables, float32 in the lower half. */
// @ts-ignore: decorator
@inline
function gumbelPair(uniforms: v128): v128 {
  const exponential = f64x2.neg(logarithm(uniforms));
  return f32x4.demote_f64x2_zero(f64x2.neg(logarithm(exponential)));
}

/**
 * Writes -log(-log u) as float32 for each of `count` float64 uniforms.
 *
 * @returns Whether all of them are from 2^-1000 to 1 - 2^-53; if not, what is written means nothing.
 */
export function gumbelNoise(uniforms: usize, noise: usize, count: i32): bool {
  let areGood = i64x2.splat(-1);
  const smallest = f64x2.splat(9.332636185032189e-302);
  const one = f64x2.splat(1);
  for (let rest = count; rest > 0; rest -= 2) {
    const isPair = rest > 1;
    const pair = isPair ? v128.load(uniforms) : v128.load64_splat(uniforms);
    areGood = v128.and(areGood, v128.and(f64x2.ge(pair, smallest), f64x2.lt(pair, one)));
    const two = gumbelPair(pair);
    if (isPair) v128.store64_lane(noise, two, 0);
    else v128.store32_lane(noise, two, 0);
    uniforms += 16;
    noise += 8;
  }
  return i64x2.all_true(areGood);
}
