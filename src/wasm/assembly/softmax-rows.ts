// Functions of the rows of a matrix that go with softmax: each row is read once or twice and written once.
// SPDX-License-Identifier: Apache-2.0

import {sumLanes} from './lanes';

// @ts-ignore: decorator
@inline
function maxLanes(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** <x, y - shift> over `bytes` bytes. */
// @ts-ignore: decorator
@inline
function dot(x: usize, y: usize, shift: f32, bytes: usize): f32 {
  const four = bytes & ~15;
  let sums = f32x4.splat(0);
  let i: usize = 0;
  for (; i < four; i += 16) {
    const difference = f32x4.sub(v128.load(y + i), f32x4.splat(shift));
    sums = f32x4.add(sums, f32x4.mul(v128.load(x + i), difference));
  }
  let sum = sumLanes(sums);
  for (; i < bytes; i += 4) sum += load<f32>(x + i) * (load<f32>(y + i) - shift);
  return sum;
}

/**
 * out = q * (g - <q, g>) / temperature for each row of q.
 *
 * @param columns Numbers of a row.
 * @param gradientRows After how many rows g begins anew.
 */
export function softmaxGradient(
  q: usize, g: usize, out: usize, columns: i32, gradientRows: i32, temperature: f32, begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>columns) << 2;
  const four = bytes & ~15;
  q += (<usize>begin) * bytes;
  out += (<usize>begin) * bytes;
  let gradientRow = begin % gradientRows;
  for (let row = begin; row < end; ++row) {
    const gradient = g + (<usize>gradientRow) * bytes;
    const mean = dot(q, gradient, 0, bytes);
    let i: usize = 0;
    for (; i < four; i += 16) {
      const difference = f32x4.sub(v128.load(gradient + i), f32x4.splat(mean));
      v128.store(out + i, f32x4.div(f32x4.mul(v128.load(q + i), difference), f32x4.splat(temperature)));
    }
    for (; i < bytes; i += 4) {
      store<f32>(out + i, (load<f32>(q + i) * (load<f32>(gradient + i) - mean)) / temperature);
    }
    q += bytes;
    out += bytes;
    if (++gradientRow == gradientRows) gradientRow = 0;
  }
}

/**
 * The gradient of ReinMax for each row: with r = g - <d, g> for the drawn one-hot d,
 * out = q * (r - <q, r>) - (<q, r> (d - q) + p * (r - <p, r>)) / 2.
 */
export function reinmaxGradient(
  d: usize, p: usize, q: usize, g: usize, out: usize, columns: i32, begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>columns) << 2;
  const four = bytes & ~15;
  const offset = (<usize>begin) * bytes;
  d += offset;
  p += offset;
  q += offset;
  g += offset;
  out += offset;
  const half = f32x4.splat(0.5);
  for (let row = begin; row < end; ++row) {
    const drawn = dot(d, g, 0, bytes);
    const meanQ = dot(q, g, drawn, bytes);
    const meanP = p == q ? meanQ : dot(p, g, drawn, bytes);
    let i: usize = 0;
    for (; i < four; i += 16) {
      const r = f32x4.sub(v128.load(g + i), f32x4.splat(drawn));
      const qs = v128.load(q + i);
      const drift = f32x4.mul(f32x4.splat(meanQ), f32x4.sub(v128.load(d + i), qs));
      const other = f32x4.mul(v128.load(p + i), f32x4.sub(r, f32x4.splat(meanP)));
      const first = f32x4.mul(qs, f32x4.sub(r, f32x4.splat(meanQ)));
      v128.store(out + i, f32x4.sub(first, f32x4.mul(half, f32x4.add(drift, other))));
    }
    for (; i < bytes; i += 4) {
      const r = load<f32>(g + i) - drawn;
      const qs = load<f32>(q + i);
      const drift = meanQ * (load<f32>(d + i) - qs);
      const other = load<f32>(p + i) * (r - meanP);
      store<f32>(out + i, qs * (r - meanQ) - 0.5 * (drift + other));
    }
    d += bytes;
    p += bytes;
    q += bytes;
    g += bytes;
    out += bytes;
  }
}

/** out = (x - the largest of its row) / temperature; NaN where a row holds NaN. */
export function relativeRows(
  x: usize, out: usize, columns: i32, temperature: f32, begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>columns) << 2;
  const four = bytes & ~15;
  x += (<usize>begin) * bytes;
  out += (<usize>begin) * bytes;
  for (let row = begin; row < end; ++row) {
    let largests = f32x4.splat(-Infinity);
    let i: usize = 0;
    for (; i < four; i += 16) largests = f32x4.max(largests, v128.load(x + i));
    let largest = maxLanes(largests);
    for (; i < bytes; i += 4) largest = max(largest, load<f32>(x + i));
    for (i = 0; i < four; i += 16) {
      const difference = f32x4.sub(v128.load(x + i), f32x4.splat(largest));
      v128.store(out + i, f32x4.div(difference, f32x4.splat(temperature)));
    }
    for (; i < bytes; i += 4) store<f32>(out + i, (load<f32>(x + i) - largest) / temperature);
    x += bytes;
    out += bytes;
  }
}
