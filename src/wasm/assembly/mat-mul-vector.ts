// A vector times a matrix, which is read once and in its own order: packing it would cost more than the product.
// SPDX-License-Identifier: Apache-2.0
import {sumLanes} from './lanes';

/**
 * c[n] = sum over k of x[k] b[k, n], for n from `begin` to `end`; x and c are contiguous.
 *
 * @param bStride Bytes from a row of b to the next.
 * @param transposeB Whether b lies in memory as [N, K] and not as [K, N].
 */
export function vectorProduct(
  x: usize, b: usize, bStride: usize, transposeB: bool, c: usize, K: i32, begin: i32, end: i32,
): void {
  if (transposeB) dotProducts(x, b + <usize>begin * bStride, bStride, c + (<usize>begin << 2), K, end - begin);
  else sumOfRows(x, b + (<usize>begin << 2), bStride, c + (<usize>begin << 2), K, end - begin);
}

/** c[n] = sum over k of x[k] b[k, n], four rows of b at a time. */
function sumOfRows(x: usize, b: usize, bStride: usize, c: usize, K: i32, N: i32): void {
  memory.fill(c, 0, <usize>N << 2);
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    const b1 = b + bStride;
    const b2 = b1 + bStride;
    const b3 = b2 + bStride;
    const x0 = load<f32>(x);
    const x1 = load<f32>(x, 4);
    const x2 = load<f32>(x, 8);
    const x3 = load<f32>(x, 12);
    let n: usize = 0;
    const whole = <usize>(N & ~3) << 2;
    for (; n < whole; n += 16) {
      let sum = f32x4.add(v128.load(c + n), f32x4.mul(f32x4.splat(x0), v128.load(b + n)));
      sum = f32x4.add(sum, f32x4.mul(f32x4.splat(x1), v128.load(b1 + n)));
      sum = f32x4.add(sum, f32x4.mul(f32x4.splat(x2), v128.load(b2 + n)));
      v128.store(c + n, f32x4.add(sum, f32x4.mul(f32x4.splat(x3), v128.load(b3 + n))));
    }
    for (; n < <usize>N << 2; n += 4) {
      const sum = load<f32>(c + n) + x0 * load<f32>(b + n) + x1 * load<f32>(b1 + n) + x2 * load<f32>(b2 + n);
      store<f32>(c + n, sum + x3 * load<f32>(b3 + n));
    }
    x += 16;
    b = b3 + bStride;
  }
  for (; k < K; ++k) {
    const x0 = load<f32>(x);
    for (let n: usize = 0; n < <usize>N << 2; n += 4) store<f32>(c + n, load<f32>(c + n) + x0 * load<f32>(b + n));
    x += 4;
    b += bStride;
  }
}

/** c[n] = sum over k of x[k] b[n, k], four rows of b at a time. */
function dotProducts(x: usize, b: usize, bStride: usize, c: usize, K: i32, N: i32): void {
  const whole = <usize>(K & ~3) << 2;
  const bytes = <usize>K << 2;
  let n = 0;
  for (; n + 4 <= N; n += 4) {
    const b1 = b + bStride;
    const b2 = b1 + bStride;
    const b3 = b2 + bStride;
    let sum0 = f32x4.splat(0);
    let sum1 = sum0;
    let sum2 = sum0;
    let sum3 = sum0;
    let k: usize = 0;
    for (; k < whole; k += 16) {
      const xs = v128.load(x + k);
      sum0 = f32x4.add(sum0, f32x4.mul(xs, v128.load(b + k)));
      sum1 = f32x4.add(sum1, f32x4.mul(xs, v128.load(b1 + k)));
      sum2 = f32x4.add(sum2, f32x4.mul(xs, v128.load(b2 + k)));
      sum3 = f32x4.add(sum3, f32x4.mul(xs, v128.load(b3 + k)));
    }
    store<f32>(c, sumLanes(sum0) + rest(x, b, k, bytes));
    store<f32>(c, sumLanes(sum1) + rest(x, b1, k, bytes), 4);
    store<f32>(c, sumLanes(sum2) + rest(x, b2, k, bytes), 8);
    store<f32>(c, sumLanes(sum3) + rest(x, b3, k, bytes), 12);
    b = b3 + bStride;
    c += 16;
  }
  for (; n < N; ++n) {
    let sum = f32x4.splat(0);
    for (let k: usize = 0; k < whole; k += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(x + k), v128.load(b + k)));
    store<f32>(c, sumLanes(sum) + rest(x, b, whole, bytes));
    b += bStride;
    c += 4;
  }
}

/** The dot product of what is left of a row after its vectors of four. */
function rest(x: usize, b: usize, from: usize, to: usize): f32 {
  let sum: f32 = 0;
  for (let k = from; k < to; k += 4) sum += load<f32>(x + k) * load<f32>(b + k);
  return sum;
}

/** c[n] = min(max(c[n] + bias, low), high); `biasStep` bytes lead from one bias to the next, 0 if there is one for all; no bias at 0. */
export function finishVector(c: usize, bias: usize, biasStep: usize, low: f32, high: f32, begin: i32, end: i32): void {
  for (let n = begin; n < end; ++n) {
    const at = c + (<usize>n << 2);
    const value = bias ? load<f32>(at) + load<f32>(bias + <usize>n * biasStep) : load<f32>(at);
    store<f32>(at, min(max(value, low), high));
  }
}
