// The gradient of a convolution with respect to its filter: the transposed patches times the gradient of the result.
// SPDX-License-Identifier: Apache-2.0

import {addProduct, loadSome} from './lanes';
import {locateNumbers, locatePatches, Patches, partsOf, patchesIn, scratchOf, tableEntry} from './patches';

/** How many numbers of a patch are done at a time: 6 by 8 sums fill the registers. */
const TILE = 6;

/**
 * gradient[i, o] = the sum over all patches of patch[i] * dy[patch, o], over tiles of six i.
 *
 * @param dy [patches, channels], the patches of all images in their order.
 * @param gradient [numbers of a patch, channels].
 */
export function convolveFilterGradient(
  plan: usize, dy: usize, gradient: usize, channels: i32, begin: i32, end: i32, worker: i32,
): void {
  const patches = changetype<Patches>(plan);
  const scratch = scratchOf(patches, worker);
  const table = scratch + (<usize>patches.table);
  const sums = scratch + (<usize>patches.sums);
  const offsets = scratch + (<usize>patches.offsets);
  const tail = scratch + (<usize>patches.spare);
  locateNumbers(patches, scratch);
  const numbers = patches.tapRows * patches.tapColumns * patches.channels;
  const endNumber = min(end * TILE, numbers);
  const rowBytes = (<usize>channels) << 2;
  const from = (<usize>(begin * TILE)) * rowBytes;
  memory.fill(gradient + from, 0, (<usize>endNumber) * rowBytes - from);
  const parts = partsOf(patches);
  for (let part = 0; part < parts; ++part) {
    locatePatches(patches, part, scratch);
    const count = patchesIn(patches, part);
    // The last eight channels may be fewer: they are read from a copy with zeros.
    const whole = channels & ~7;
    if (whole < channels) {
      for (let i = 0; i < count; ++i) {
        loadSome(dy + (<usize>i) * rowBytes + ((<usize>whole) << 2), tail + ((<usize>i) << 5), channels - whole);
      }
    }
    for (let number = begin * TILE; number < endNumber; number += TILE) {
      for (let channel = 0; channel < channels; channel += 8) {
        const offset = (<usize>channel) << 2;
        const isWhole = channel < whole;
        const from = isWhole ? dy + offset : tail;
        multiplyTile(offsets, table, count, number, endNumber - 1, from, isWhole ? rowBytes : 32, sums);
        const to = gradient + (<usize>number) * rowBytes + offset;
        addSums(sums, to, min(TILE, endNumber - number), rowBytes, channels - channel);
      }
    }
    dy += (<usize>count) * rowBytes;
  }
}

/** gradient[row, :] += sums[row, :], of six rows of eight numbers that lie together, as far as there are rows and channels. */
function addSums(sums: usize, gradient: usize, rows: i32, rowBytes: usize, channels: i32): void {
  for (let row = 0; row < rows; ++row) {
    if (channels >= 8) {
      v128.store(gradient, f32x4.add(v128.load(gradient), v128.load(sums)));
      v128.store(gradient, f32x4.add(v128.load(gradient, 16), v128.load(sums, 16)), 16);
    } else {
      for (let offset: usize = 0, end = (<usize>channels) << 2; offset < end; offset += 4) {
        store<f32>(gradient + offset, load<f32>(gradient + offset) + load<f32>(sums + offset));
      }
    }
    gradient += rowBytes;
    sums += 32;
  }
}

/**
 * Six numbers of each patch of a part, from `number`, by eight channels of the gradient of the result.
 *
 * The offsets come from a table, not from divisions here: V8 moves arithmetic whose results only the loop uses into the loop.
 */
function multiplyTile(
  offsets: usize, table: usize, count: i32, number: i32, last: i32, dy: usize, dyStep: usize, sums: usize,
): void {
  const offset0 = tableEntry(offsets, number, last);
  const offset1 = tableEntry(offsets, number + 1, last);
  const offset2 = tableEntry(offsets, number + 2, last);
  const offset3 = tableEntry(offsets, number + 3, last);
  const offset4 = tableEntry(offsets, number + 4, last);
  const offset5 = tableEntry(offsets, number + 5, last);
  let l0 = f32x4.splat(0), l1 = l0, l2 = l0, l3 = l0, l4 = l0, l5 = l0;
  let h0 = l0, h1 = l0, h2 = l0, h3 = l0, h4 = l0, h5 = l0;
  for (const end = table + ((<usize>count) << 2); table < end; table += 4) {
    const patch = <usize>load<u32>(table);
    const low = v128.load(dy);
    const high = v128.load(dy, 16);
    dy += dyStep;
    let x = v128.load32_splat(patch + offset0);
    l0 = addProduct(l0, x, low);
    h0 = addProduct(h0, x, high);
    x = v128.load32_splat(patch + offset1);
    l1 = addProduct(l1, x, low);
    h1 = addProduct(h1, x, high);
    x = v128.load32_splat(patch + offset2);
    l2 = addProduct(l2, x, low);
    h2 = addProduct(h2, x, high);
    x = v128.load32_splat(patch + offset3);
    l3 = addProduct(l3, x, low);
    h3 = addProduct(h3, x, high);
    x = v128.load32_splat(patch + offset4);
    l4 = addProduct(l4, x, low);
    h4 = addProduct(h4, x, high);
    x = v128.load32_splat(patch + offset5);
    l5 = addProduct(l5, x, low);
    h5 = addProduct(h5, x, high);
  }
  v128.store(sums, l0, 0);
  v128.store(sums, h0, 16);
  v128.store(sums, l1, 32);
  v128.store(sums, h1, 48);
  v128.store(sums, l2, 64);
  v128.store(sums, h2, 80);
  v128.store(sums, l3, 96);
  v128.store(sums, h3, 112);
  v128.store(sums, l4, 128);
  v128.store(sums, h4, 144);
  v128.store(sums, l5, 160);
  v128.store(sums, h5, 176);
}
