// Convolutions that keep the channels apart, and their gradient with respect to the filter.
// SPDX-License-Identifier: Apache-2.0

import {addProduct} from './lanes';
import {locateNumbers, locatePatches, locateTargets, Patches, partsOf, patchesIn, pitchOf, scratchOf, tableEntry} from './patches';

/**
 * target[image, row, column, c] = the sum over the taps of patch(image, row, column)[tap, c] * filter[tap, c], over parts of the rows.
 *
 * @param filter Address of the first tap's weights; the steps from tap to tap, in bytes, may be negative.
 * @param target As for `convolve`, with the channels of the source.
 */
export function depthwiseConvolve(
  plan: usize, filter: usize, tapRowStep: usize, tapColumnStep: usize,
  target: usize, imageStep: usize, rowStep: usize, columnStep: usize, begin: i32, end: i32, worker: i32,
): void {
  const patches = changetype<Patches>(plan);
  const scratch = scratchOf(patches, worker);
  const table = scratch + (<usize>patches.table);
  const targets = scratch + (<usize>patches.spare);
  const whole = patches.channels & ~7;
  for (let part = begin; part < end; ++part) {
    locatePatches(patches, part, scratch);
    const count = patchesIn(patches, part);
    locateTargets(patches, part, targets, target, imageStep, rowStep, columnStep);
    for (let first = 0; first < count; first += 3) {
      for (let channel = 0; channel < whole; channel += 8) {
        convolveThree(patches, table, targets, first, count - 1, filter, tapRowStep, tapColumnStep, (<usize>channel) << 2);
      }
    }
    for (let i = 0; i < count; ++i) {
      const patch = tableEntry(table, i, i);
      const to = tableEntry(targets, i, i);
      for (let channel = whole; channel < patches.channels; ++channel) {
        const offset = (<usize>channel) << 2;
        store<f32>(to + offset, convolveOne(patches, patch + offset, filter + offset, tapRowStep, tapColumnStep));
      }
    }
  }
}

/** Eight channels of three patches from `first`. */
function convolveThree(
  patches: Patches, table: usize, targets: usize, first: i32, last: i32,
  filter: usize, tapRowStep: usize, tapColumnStep: usize, offset: usize,
): void {
  const patch0 = tableEntry(table, first, last) + offset;
  const patch1 = tableEntry(table, first + 1, last) + offset;
  const patch2 = tableEntry(table, first + 2, last) + offset;
  const row = pitchOf(patches);
  const column = (<usize>patches.channels) << 2;
  const tapColumns = patches.tapColumns;
  let l0 = f32x4.splat(0), l1 = l0, l2 = l0, h0 = l0, h1 = l0, h2 = l0;
  for (let tapRow = 0; tapRow < patches.tapRows; ++tapRow) {
    let from = (<usize>tapRow) * row;
    let weights = filter + (<usize>tapRow) * tapRowStep + offset;
    for (let tap = 0; tap < tapColumns; ++tap) {
      const low = v128.load(weights);
      const high = v128.load(weights, 16);
      l0 = addProduct(l0, v128.load(patch0 + from), low);
      h0 = addProduct(h0, v128.load(patch0 + from, 16), high);
      l1 = addProduct(l1, v128.load(patch1 + from), low);
      h1 = addProduct(h1, v128.load(patch1 + from, 16), high);
      l2 = addProduct(l2, v128.load(patch2 + from), low);
      h2 = addProduct(h2, v128.load(patch2 + from, 16), high);
      from += column;
      weights += tapColumnStep;
    }
  }
  let to = tableEntry(targets, first, last) + offset;
  v128.store(to, l0);
  v128.store(to, h0, 16);
  to = tableEntry(targets, first + 1, last) + offset;
  v128.store(to, l1);
  v128.store(to, h1, 16);
  to = tableEntry(targets, first + 2, last) + offset;
  v128.store(to, l2);
  v128.store(to, h2, 16);
}

/** One channel of one patch. */
function convolveOne(patches: Patches, patch: usize, filter: usize, tapRowStep: usize, tapColumnStep: usize): f32 {
  const row = pitchOf(patches);
  const column = (<usize>patches.channels) << 2;
  const tapColumns = patches.tapColumns;
  let sum: f32 = 0;
  for (let tapRow = 0; tapRow < patches.tapRows; ++tapRow) {
    for (let tap = 0; tap < tapColumns; ++tap) {
      const x = load<f32>(patch + (<usize>tapRow) * row + (<usize>tap) * column);
      sum += x * load<f32>(filter + (<usize>tapRow) * tapRowStep + (<usize>tap) * tapColumnStep);
    }
  }
  return sum;
}

/**
 * gradient[tap, c] = the sum over all patches of patch[tap, c] * dy[patch, c], over groups of eight channels, the last of them of fewer.
 *
 * @param dy [patches, channels], the patches of all images in their order.
 * @param gradient [taps, channels].
 */
export function depthwiseFilterGradient(plan: usize, dy: usize, gradient: usize, begin: i32, end: i32, worker: i32): void {
  const patches = changetype<Patches>(plan);
  const scratch = scratchOf(patches, worker);
  const table = scratch + (<usize>patches.table);
  const offsets = scratch + (<usize>patches.offsets);
  const channels = patches.channels;
  const taps = patches.tapRows * patches.tapColumns;
  locateNumbers(patches, scratch);
  const pixel = (<usize>channels) << 2;
  const from = (<usize>begin) << 5;
  const until = min((<usize>end) << 5, pixel);
  for (let tap = 0; tap < taps; ++tap) memory.fill(gradient + (<usize>tap) * pixel + from, 0, until - from);
  const parts = partsOf(patches);
  for (let part = 0; part < parts; ++part) {
    locatePatches(patches, part, scratch);
    const count = patchesIn(patches, part);
    for (let group = begin; group < end; ++group) {
      const offset = (<usize>group) << 5;
      const rest = channels - (group << 3);
      if (rest >= 8) {
        for (let tap = 0; tap < taps; tap += 3) {
          addThreeTaps(patches, offsets, table, count, tap, taps - 1, dy + offset, gradient + offset, offset, pixel);
        }
      } else {
        for (let tap = 0; tap < taps; ++tap) {
          const place = tapOffset(patches, offsets, tap);
          for (let i = 0; i < rest; ++i) {
            const channel = offset + (<usize>(i << 2));
            const to = gradient + (<usize>tap) * pixel + channel;
            store<f32>(to, load<f32>(to) + addOne(table, count, place + channel, dy + channel, pixel));
          }
        }
      }
    }
    dy += (<usize>count) * pixel;
  }
}

/** Where the tap lies, from the beginning of a patch. */
// @ts-ignore: decorator
@inline
function tapOffset(patches: Patches, offsets: usize, tap: i32): usize {
  return <usize>load<u32>(offsets + ((<usize>(tap * patches.channels)) << 2));
}

// @ts-ignore: decorator
@inline
function addEight(to: usize, low: v128, high: v128): void {
  v128.store(to, f32x4.add(v128.load(to), low));
  v128.store(to, f32x4.add(v128.load(to, 16), high), 16);
}

/** Eight channels of three taps from `tap`; past the last one nothing is added. */
function addThreeTaps(
  patches: Patches, offsets: usize, table: usize, count: i32, tap: i32, last: i32,
  dy: usize, gradient: usize, offset: usize, pixel: usize,
): void {
  const offset0 = tapOffset(patches, offsets, tap) + offset;
  const offset1 = tapOffset(patches, offsets, min(tap + 1, last)) + offset;
  const offset2 = tapOffset(patches, offsets, min(tap + 2, last)) + offset;
  let l0 = f32x4.splat(0), l1 = l0, l2 = l0, h0 = l0, h1 = l0, h2 = l0;
  for (const end = table + ((<usize>count) << 2); table < end; table += 4) {
    const patch = <usize>load<u32>(table);
    const low = v128.load(dy);
    const high = v128.load(dy, 16);
    l0 = addProduct(l0, v128.load(patch + offset0), low);
    h0 = addProduct(h0, v128.load(patch + offset0, 16), high);
    l1 = addProduct(l1, v128.load(patch + offset1), low);
    h1 = addProduct(h1, v128.load(patch + offset1, 16), high);
    l2 = addProduct(l2, v128.load(patch + offset2), low);
    h2 = addProduct(h2, v128.load(patch + offset2, 16), high);
    dy += pixel;
  }
  gradient += (<usize>tap) * pixel;
  addEight(gradient, l0, h0);
  if (tap + 1 <= last) addEight(gradient + pixel, l1, h1);
  if (tap + 2 <= last) addEight(gradient + 2 * pixel, l2, h2);
}

function addOne(table: usize, count: i32, offset: usize, dy: usize, pixel: usize): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < count; ++i) {
    sum += load<f32>((<usize>load<u32>(table + ((<usize>i) << 2))) + offset) * load<f32>(dy);
    dy += pixel;
  }
  return sum;
}
