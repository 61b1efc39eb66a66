// Copies a block of a matrix into panels, in the order in which a tile reads it.
// SPDX-License-Identifier: Apache-2.0

/** So many steps of k are copied for all panels before the next ones: the cache lines read for one panel serve its neighbours. */
const STEPS: i32 = 16;

/**
 * Packs `length` lines of K numbers into panels of `width` (5 or 8) lines: panel p holds, for k = 0, 1, ..., the numbers k of the lines
 * p width, p width + 1, ...; missing lines of the last panel are zeros.
 *
 * @param stride Bytes from one line to the next if `along`, the numbers of a line then being neighbours; otherwise the lines are
 *   neighbours and the stride leads from one k to the next.
 */
export function pack(from: usize, stride: usize, along: bool, to: usize, length: i32, K: i32, width: i32): void {
  const panelBytes = <usize>(K * width) << 2;
  const whole = length / width;
  if (along) {
    for (let panel = 0; panel < whole; ++panel) {
      const source = from + <usize>(panel * width) * stride;
      const target = to + <usize>panel * panelBytes;
      if (width == 8) packAlong8(source, stride, target, K);
      else packAlong5(source, stride, target, K);
    }
  } else {
    for (let k = 0; k < K; k += STEPS) {
      const steps = min(STEPS, K - k);
      const source = from + <usize>k * stride;
      const target = to + (<usize>(k * width) << 2);
      if (width == 8) packAcross8(source, stride, target, panelBytes, whole, steps);
      else packAcross5(source, stride, target, panelBytes, whole, steps);
    }
  }
  const rest = length - whole * width;
  if (rest > 0) packRest(from, stride, along, to + <usize>whole * panelBytes, whole * width, rest, K, width);
}

function packAcross8(from: usize, stride: usize, to: usize, panelBytes: usize, panels: i32, steps: i32): void {
  for (let panel = 0; panel < panels; ++panel) {
    let source = from + (<usize>panel << 5);
    let target = to + <usize>panel * panelBytes;
    for (let k = 0; k < steps; ++k) {
      v128.store(target, v128.load(source));
      v128.store(target, v128.load(source, 16), 16);
      source += stride;
      target += 32;
    }
  }
}

function packAcross5(from: usize, stride: usize, to: usize, panelBytes: usize, panels: i32, steps: i32): void {
  for (let panel = 0; panel < panels; ++panel) {
    let source = from + <usize>(panel * 20);
    let target = to + <usize>panel * panelBytes;
    for (let k = 0; k < steps; ++k) {
      v128.store(target, v128.load(source));
      store<f32>(target, load<f32>(source, 16), 16);
      source += stride;
      target += 20;
    }
  }
}

function packAlong8(from: usize, stride: usize, to: usize, K: i32): void {
  const stride4 = stride << 2;
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    transpose4(from, stride, to, 32);
    transpose4(from + stride4, stride, to + 16, 32);
    from += 16;
    to += 128;
  }
  for (; k < K; ++k) {
    for (let i = 0; i < 8; ++i) store<f32>(to + (<usize>i << 2), load<f32>(from + <usize>i * stride));
    from += 4;
    to += 32;
  }
}

function packAlong5(from: usize, stride: usize, to: usize, K: i32): void {
  const stride4 = stride << 2;
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    transpose4(from, stride, to, 20);
    const last = v128.load(from + stride4);
    v128.store_lane<f32>(to, last, 0, 16);
    v128.store_lane<f32>(to, last, 1, 36);
    v128.store_lane<f32>(to, last, 2, 56);
    v128.store_lane<f32>(to, last, 3, 76);
    from += 16;
    to += 80;
  }
  for (; k < K; ++k) {
    for (let i = 0; i < 5; ++i) store<f32>(to + (<usize>i << 2), load<f32>(from + <usize>i * stride));
    from += 4;
    to += 20;
  }
}

/** Four numbers of four lines, exchanged: 4 steps of k, each at `toStride` bytes from the one before. */
// @ts-ignore: decorator
@inline
function transpose4(from: usize, stride: usize, to: usize, toStride: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + stride);
  const r2 = v128.load(from + (stride << 1));
  const r3 = v128.load(from + (stride << 1) + stride);
  const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(t0, t1, 0, 2));
  v128.store(to + toStride, v128.shuffle<i64>(t0, t1, 1, 3));
  v128.store(to + (toStride << 1), v128.shuffle<i64>(t2, t3, 0, 2));
  v128.store(to + (toStride << 1) + toStride, v128.shuffle<i64>(t2, t3, 1, 3));
}

function packRest(from: usize, stride: usize, along: bool, to: usize, first: i32, rest: i32, K: i32, width: i32): void {
  const lineStride: usize = along ? stride : 4;
  const stepStride: usize = along ? 4 : stride;
  from += <usize>first * lineStride;
  for (let k = 0; k < K; ++k) {
    for (let i = 0; i < width; ++i) {
      store<f32>(to + (<usize>i << 2), i < rest ? load<f32>(from + <usize>i * lineStride) : 0);
    }
    from += stepStride;
    to += <usize>width << 2;
  }
}
