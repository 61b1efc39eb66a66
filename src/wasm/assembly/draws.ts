// Choices of one category or more in each row of a matrix, as zeros and ones.
// SPDX-License-Identifier: Apache-2.0

/**
 * Draws a one-hot of each row of probabilities, in the order of summation and the float64 of src/random/categorical.ts.
 *
 * @param probs float32 [rows, columns].
 * @param uniforms float64 [rows].
 * @param sample float32 [rows, columns].
 * @returns The first row that holds NaN or nothing above 0, or -1. The rows from there on are zeros.
 */
export function sampleCategories(probs: usize, uniforms: usize, sample: usize, rows: i32, columns: i32): i32 {
  const bytes = (<usize>columns) << 2;
  memory.fill(sample, 0, (<usize>rows) * bytes);
  for (let row = 0; row < rows; ++row) {
    const end = probs + bytes;
    let total: f64 = 0;
    for (let p = probs; p < end; p += 4) total += <f64>load<f32>(p);
    if (!(total > 0)) return row;
    const threshold = load<f64>(uniforms) * total;
    let cumulative: f64 = 0;
    let p = probs;
    do {
      cumulative += <f64>load<f32>(p);
      p += 4;
    } while (p < end && cumulative <= threshold);
    store<f32>(sample + (p - 4 - probs), 1);
    probs = end;
    sample += bytes;
    uniforms += 8;
  }
  return -1;
}

/**
 * Marks the `count` largest numbers of each row, the first of equal ones first, as src/ops/top-k-mask.ts does.
 *
 * @param x float32 [rows, columns].
 * @param mask float32 [rows, columns].
 * @returns The first row that holds NaN, or fewer than `count` numbers above -Infinity, or Infinity; or -1.
 */
export function markLargest(x: usize, mask: usize, count: i32, rows: i32, columns: i32): i32 {
  const bytes = (<usize>columns) << 2;
  memory.fill(mask, 0, (<usize>rows) * bytes);
  for (let row = 0; row < rows; ++row) {
    for (let choice = 0; choice < count; ++choice) {
      let best: usize = bytes;
      let largest: f32 = -Infinity;
      for (let i: usize = 0; i < bytes; i += 4) {
        const value = load<f32>(x + i);
        if (value != value) return row;
        if (value > largest && (choice == 0 || load<f32>(mask + i) == 0)) {
          largest = value;
          best = i;
        }
      }
      if (best == bytes || largest == Infinity) return row;
      store<f32>(mask + best, 1);
    }
    x += bytes;
    mask += bytes;
  }
  return -1;
}
