// Rows that several tokens have chosen: their weighted sums for each token, and the gradients of those.
// SPDX-License-Identifier: Apache-2.0

import {sumLanes} from './lanes';

/**
 * to[t] = the sum over j of weights[t, j] * from[rowOfChoice[t, j]], over the tokens [begin, end); an address of 0 stands for weights of 1.
 * float32; `from` is [numRows, columns], `rowOfChoice` int32 [tokens, numChoices], each within [0, numRows], where numRows adds nothing.
 */
export function combineRows(
  from: usize, weights: usize, rowOfChoice: usize, to: usize, columns: i32, numRows: i32, numChoices: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>columns) << 2;
  let choice = ((<usize>begin) * (<usize>numChoices)) << 2;
  to += (<usize>begin) * bytes;
  for (let token = begin; token < end; ++token) {
    let isFirst = true;
    for (let j = 0; j < numChoices; ++j) {
      const row = load<i32>(rowOfChoice + choice);
      if (row != numRows) {
        const weight: f32 = weights ? load<f32>(weights + choice) : 1;
        const origin = from + (<usize>row) * bytes;
        if (isFirst) scaleRow(origin, weight, to, bytes);
        else addScaledRow(origin, weight, to, bytes);
        isFirst = false;
      }
      choice += 4;
    }
    if (isFirst) memory.fill(to, 0, bytes);
    to += bytes;
  }
}

/**
 * For the rows a in [begin, end), each with its choice c = choiceOfRow[a] and its token t = c / numChoices:
 * toRows[a] = weights[c] * dy[t] and toWeights[c] = <dy[t], rows[a]>; where c is numTotal, toRows[a] = 0. A choice without a row is not
 * written. float32; dy is [tokens, columns], `weights` holds numTotal numbers, and `choiceOfRow` int32 within [0, numTotal].
 */
export function combineRowsGradient(
  dy: usize, rows: usize, weights: usize, choiceOfRow: usize, toRows: usize, toWeights: usize,
  columns: i32, numChoices: i32, numTotal: i32, begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>columns) << 2;
  const four = bytes & ~15;
  rows += (<usize>begin) * bytes;
  toRows += (<usize>begin) * bytes;
  for (let row = begin; row < end; ++row) {
    const choice = load<i32>(choiceOfRow + ((<usize>row) << 2));
    if (choice == numTotal) {
      memory.fill(toRows, 0, bytes);
    } else {
      const gradient = dy + (<usize>(choice / numChoices)) * bytes;
      const weight = load<f32>(weights + ((<usize>choice) << 2));
      let sums = f32x4.splat(0);
      let i: usize = 0;
      for (; i < four; i += 16) {
        const g = v128.load(gradient + i);
        sums = f32x4.add(sums, f32x4.mul(g, v128.load(rows + i)));
        v128.store(toRows + i, f32x4.mul(g, f32x4.splat(weight)));
      }
      let sum = sumLanes(sums);
      for (; i < bytes; i += 4) {
        const g = load<f32>(gradient + i);
        sum += g * load<f32>(rows + i);
        store<f32>(toRows + i, g * weight);
      }
      store<f32>(toWeights + ((<usize>choice) << 2), sum);
    }
    rows += bytes;
    toRows += bytes;
  }
}

// @ts-ignore: decorator
@inline
function scaleRow(from: usize, weight: f32, to: usize, bytes: usize): void {
  const four = bytes & ~15;
  let i: usize = 0;
  for (; i < four; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), f32x4.splat(weight)));
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i) * weight);
}

// @ts-ignore: decorator
@inline
function addScaledRow(from: usize, weight: f32, to: usize, bytes: usize): void {
  const four = bytes & ~15;
  let i: usize = 0;
  for (; i < four; i += 16) {
    v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.mul(v128.load(from + i), f32x4.splat(weight))));
  }
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i) * weight);
}
