// A convolution as a product of patches and packed filters, without the matrix of patches ever being written.
// SPDX-License-Identifier: Apache-2.0

import {addProduct, storeEight} from './lanes';
import {locatePatches, locateTargets, Patches, patchesIn, pitchOf, scratchOf, tableEntry} from './patches';

/** How many patches go through the filters at a time: 6 by 8 sums fill the registers. */
const TILE = 6;

/**
 * target[image, row, column, :] = patch(image, row, column) times the filters, over parts of the rows of patches.
 *
 * @param packed The filters, [ceil(channels / 8), numbers of a patch, 8].
 * @param target Address of the number of the first patch and first channel; the steps from image to image, row to row and column to column
 *   are in bytes, and the channels lie next to each other.
 */
export function convolve(
  plan: usize, packed: usize, target: usize, imageStep: usize, rowStep: usize, columnStep: usize, channels: i32,
  begin: i32, end: i32, worker: i32,
): void {
  const patches = changetype<Patches>(plan);
  const scratch = scratchOf(patches, worker);
  const table = scratch + (<usize>patches.table);
  const targets = scratch + (<usize>patches.spare);
  const panel = (<usize>(patches.tapRows * patches.tapColumns * patches.channels)) << 5;
  for (let part = begin; part < end; ++part) {
    locatePatches(patches, part, scratch);
    const count = patchesIn(patches, part);
    locateTargets(patches, part, targets, target, imageStep, rowStep, columnStep);
    for (let first = 0; first < count; first += TILE) {
      let filters = packed;
      for (let channel = 0; channel < channels; channel += 8) {
        multiplyTile(patches, table, targets, first, count - 1, filters, (<usize>channel) << 2, channels - channel);
        filters += panel;
      }
    }
  }
}

/** Six patches from `first` by eight filters. */
function multiplyTile(
  patches: Patches, table: usize, targets: usize, first: i32, last: i32, filters: usize, offset: usize, count: i32,
): void {
  const patch0 = tableEntry(table, first, last);
  const patch1 = tableEntry(table, first + 1, last);
  const patch2 = tableEntry(table, first + 2, last);
  const patch3 = tableEntry(table, first + 3, last);
  const patch4 = tableEntry(table, first + 4, last);
  const patch5 = tableEntry(table, first + 5, last);
  let l0 = f32x4.splat(0), l1 = l0, l2 = l0, l3 = l0, l4 = l0, l5 = l0;
  let h0 = l0, h1 = l0, h2 = l0, h3 = l0, h4 = l0, h5 = l0;
  const pitch = pitchOf(patches);
  const rowBytes = (<usize>(patches.tapColumns * patches.channels)) << 2;
  for (let tapRow = 0; tapRow < patches.tapRows; ++tapRow) {
    let i = (<usize>tapRow) * pitch;
    const end = i + rowBytes;
    for (; i < end; i += 4) {
      const low = v128.load(filters);
      const high = v128.load(filters, 16);
      filters += 32;
      let x = v128.load32_splat(patch0 + i);
      l0 = addProduct(l0, x, low);
      h0 = addProduct(h0, x, high);
      x = v128.load32_splat(patch1 + i);
      l1 = addProduct(l1, x, low);
      h1 = addProduct(h1, x, high);
      x = v128.load32_splat(patch2 + i);
      l2 = addProduct(l2, x, low);
      h2 = addProduct(h2, x, high);
      x = v128.load32_splat(patch3 + i);
      l3 = addProduct(l3, x, low);
      h3 = addProduct(h3, x, high);
      x = v128.load32_splat(patch4 + i);
      l4 = addProduct(l4, x, low);
      h4 = addProduct(h4, x, high);
      x = v128.load32_splat(patch5 + i);
      l5 = addProduct(l5, x, low);
      h5 = addProduct(h5, x, high);
    }
  }
  storeEight(tableEntry(targets, first, last) + offset, l0, h0, count);
  storeEight(tableEntry(targets, first + 1, last) + offset, l1, h1, count);
  storeEight(tableEntry(targets, first + 2, last) + offset, l2, h2, count);
  storeEight(tableEntry(targets, first + 3, last) + offset, l3, h3, count);
  storeEight(tableEntry(targets, first + 4, last) + offset, l4, h4, count);
  storeEight(tableEntry(targets, first + 5, last) + offset, l5, h5, count);
}
