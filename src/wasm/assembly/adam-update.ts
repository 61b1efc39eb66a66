// One step of Adam or RAdam in one pass over the memory.
// SPDX-License-Identifier: Apache-2.0

/**
 * For each i in [begin, end):
 * newFirst = first * decay1 + gradient * rest1, newSecond = second * decay2 + gradient^2 * rest2,
 * newValue = value - newFirst / (sqrt(newSecond * scale) + epsilon) * size, or value - newFirst * size where isAdaptive is 0.
 *
 * All are float32. What is written may lie where it is read from.
 */
export function updateAdam(
  value: usize, first: usize, second: usize, gradient: usize, newValue: usize, newFirst: usize, newSecond: usize,
  decay1: f32, rest1: f32, decay2: f32, rest2: f32, scale: f32, epsilon: f32, size: f32, isAdaptive: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  const endFour = (<usize>(begin + ((end - begin) & ~3))) << 2;
  let i = (<usize>begin) << 2;
  for (; i < endFour; i += 16) {
    const g = v128.load(gradient + i);
    const m = f32x4.add(
      f32x4.mul(v128.load(first + i), f32x4.splat(decay1)),
      f32x4.mul(g, f32x4.splat(rest1)),
    );
    const v = f32x4.add(
      f32x4.mul(v128.load(second + i), f32x4.splat(decay2)),
      f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2)),
    );
    let direction = m;
    if (isAdaptive) {
      const root = f32x4.sqrt(f32x4.mul(v, f32x4.splat(scale)));
      direction = f32x4.div(m, f32x4.add(root, f32x4.splat(epsilon)));
    }
    v128.store(newFirst + i, m);
    v128.store(newSecond + i, v);
    v128.store(newValue + i, f32x4.sub(v128.load(value + i), f32x4.mul(direction, f32x4.splat(size))));
  }
  for (const endAll = (<usize>end) << 2; i < endAll; i += 4) {
    const g = load<f32>(gradient + i);
    const m = load<f32>(first + i) * decay1 + g * rest1;
    const v = load<f32>(second + i) * decay2 + g * g * rest2;
    let direction = m;
    if (isAdaptive) direction = m / (sqrt<f32>(v * scale) + epsilon);
    store<f32>(newFirst + i, m);
    store<f32>(newSecond + i, v);
    store<f32>(newValue + i, load<f32>(value + i) - direction * size);
  }
}
