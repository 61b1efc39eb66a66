// Numbers compared, selected and bounded, as the gradients of clipped and rectified units do it.
// SPDX-License-Identifier: Apache-2.0

// The operations of `compare`.
const GREATER = 0;
const GREATER_EQUAL = 1;
const LESS = 2;
const LESS_EQUAL = 3;
const EQUAL = 4;

/**
 * to[i] = a[i] compared with b[i], a byte of 0 or 1, over [begin, end). float32; an operand of which `isSingle` is one number for all.
 * `operation`: 0 >, 1 >=, 2 <, 3 <=, 4 ==, 5 !=.
 */
export function compare(
  a: usize,
  b: usize,
  to: usize,
  isSingleA: bool,
  isSingleB: bool,
  operation: i32,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  const one = i8x16.splat(1);
  const singleA = v128.load32_splat(a);
  const singleB = v128.load32_splat(b);
  let i = begin;
  for (; i + 16 <= end; i += 16) {
    const atA = a + ((<usize>i) << 2);
    const atB = b + ((<usize>i) << 2);
    const p = test(isSingleA ? singleA : v128.load(atA), isSingleB ? singleB : v128.load(atB), operation);
    const q = test(isSingleA ? singleA : v128.load(atA, 16), isSingleB ? singleB : v128.load(atB, 16), operation);
    const r = test(isSingleA ? singleA : v128.load(atA, 32), isSingleB ? singleB : v128.load(atB, 32), operation);
    const s = test(isSingleA ? singleA : v128.load(atA, 48), isSingleB ? singleB : v128.load(atB, 48), operation);
    const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(p, q), i16x8.narrow_i32x4_s(r, s));
    v128.store(to + <usize>i, v128.and(bytes, one));
  }
  for (; i < end; ++i) {
    const x = isSingleA ? singleA : v128.load32_zero(a + ((<usize>i) << 2));
    const y = isSingleB ? singleB : v128.load32_zero(b + ((<usize>i) << 2));
    store<u8>(to + <usize>i, <u8>(i32x4.extract_lane(test(x, y, operation), 0) & 1));
  }
}

/** All bits set where the comparison holds. */
// @ts-ignore: decorator
@inline
function test(x: v128, y: v128, operation: i32): v128 {
  if (operation == GREATER) return f32x4.gt(x, y);
  if (operation == GREATER_EQUAL) return f32x4.ge(x, y);
  if (operation == LESS) return f32x4.lt(x, y);
  if (operation == LESS_EQUAL) return f32x4.le(x, y);
  if (operation == EQUAL) return f32x4.eq(x, y);
  return f32x4.ne(x, y);
}

/** to[i] = the larger or the smaller of a[i] and b[i], NaN where either is, over [begin, end). float32; `isSingle` as above. */
export function extreme(
  a: usize,
  b: usize,
  to: usize,
  isSingleA: bool,
  isSingleB: bool,
  isLarger: bool,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  const singleA = v128.load32_splat(a);
  const singleB = v128.load32_splat(b);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const x = isSingleA ? singleA : v128.load(a + ((<usize>i) << 2));
    const y = isSingleB ? singleB : v128.load(b + ((<usize>i) << 2));
    v128.store(to + ((<usize>i) << 2), isLarger ? f32x4.max(x, y) : f32x4.min(x, y));
  }
  for (; i < end; ++i) {
    const x = isSingleA ? singleA : v128.load32_zero(a + ((<usize>i) << 2));
    const y = isSingleB ? singleB : v128.load32_zero(b + ((<usize>i) << 2));
    v128.store32_lane(to + ((<usize>i) << 2), isLarger ? f32x4.max(x, y) : f32x4.min(x, y), 0);
  }
}

/** to[i] = condition[i] ? yes[i] : no[i], numbers of four bytes by bytes of 0 or not, over [begin, end). */
export function select(
  condition: usize,
  yes: usize,
  no: usize,
  to: usize,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  const zero = i32x4.splat(0);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = (<usize>i) << 2;
    const bytes = v128.load32_zero(condition + <usize>i);
    const isNo = i32x4.eq(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)), zero);
    v128.store(to + at, v128.bitselect(v128.load(no + at), v128.load(yes + at), isNo));
  }
  for (; i < end; ++i) {
    const at = (<usize>i) << 2;
    store<i32>(to + at, load<i32>((load<u8>(condition + <usize>i) ? yes : no) + at));
  }
}

/** to[i] = whether both, or either, of a[i] and b[i] are true, bytes of 0 or 1 from bytes of 0 or not, over [begin, end). */
export function logical(a: usize, b: usize, to: usize, isEither: bool, begin: i32, end: i32, _worker: i32): void {
  const zero = i8x16.splat(0);
  const one = i8x16.splat(1);
  let i = <usize>begin;
  const stop = <usize>end;
  for (; i + 16 <= stop; i += 16) {
    const x = i8x16.ne(v128.load(a + i), zero);
    const y = i8x16.ne(v128.load(b + i), zero);
    v128.store(to + i, v128.and(isEither ? v128.or(x, y) : v128.and(x, y), one));
  }
  for (; i < stop; ++i) {
    const x = load<u8>(a + i) != 0;
    const y = load<u8>(b + i) != 0;
    store<u8>(to + i, <u8>(isEither ? x || y : x && y));
  }
}
