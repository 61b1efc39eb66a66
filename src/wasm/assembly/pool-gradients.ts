// The gradients of pooling, from window to window.
// SPDX-License-Identifier: Apache-2.0

/** What a pooling reads, as src/wasm/convolutions/pool-gradients.ts writes it: 32-bit integers in this order. */
@unmanaged
class Windows {
  /** Of the images [batch, height, width, channels] and of the result [batch, rows, columns, channels]. */
  height: i32;
  width: i32;
  channels: i32;
  rows: i32;
  columns: i32;
  rowStep: i32;
  columnStep: i32;
  /** Pixels of a window. */
  windowRows: i32;
  windowColumns: i32;
  top: i32;
  left: i32;
}

/**
 * Gives each number of dy to the largest pixel of its window, the first where several are; NaN is not larger than anything. Over images.
 *
 * @param x The images, and `gradient` of their shape.
 */
export function maxPoolGradient(
  plan: usize, x: usize, dy: usize, gradient: usize, begin: i32, end: i32, _worker: i32,
): void {
  const windows = changetype<Windows>(plan);
  const pixel = (<usize>windows.channels) << 2;
  const pitch = (<usize>windows.width) * pixel;
  const whole = windows.channels & ~3;
  for (let image = begin; image < end; ++image) {
    const size = (<usize>windows.height) * pitch;
    const images = x + (<usize>image) * size;
    const sums = gradient + (<usize>image) * size;
    let from = dy + (<usize>(image * windows.rows * windows.columns)) * pixel;
    memory.fill(sums, 0, size);
    for (let row = 0; row < windows.rows; ++row) {
      const y = row * windows.rowStep - windows.top;
      const yBegin = max(y, 0);
      const yEnd = min(y + windows.windowRows, windows.height);
      for (let column = 0; column < windows.columns; ++column, from += pixel) {
        const left = column * windows.columnStep - windows.left;
        const xBegin = max(left, 0);
        const xEnd = min(left + windows.windowColumns, windows.width);
        let channel = 0;
        for (; channel < whole; channel += 4) {
          let largest = f32x4.splat(-Infinity);
          let places = i32x4.splat(-1);
          const offset = (<usize>channel) << 2;
          for (let i = yBegin; i < yEnd; ++i) {
            let place = (<usize>i) * pitch + (<usize>xBegin) * pixel + offset;
            for (let j = xBegin; j < xEnd; ++j, place += pixel) {
              const value = v128.load(images + place);
              const isLarger = f32x4.gt(value, largest);
              largest = v128.bitselect(value, largest, isLarger);
              places = v128.bitselect(i32x4.splat(<i32>place), places, isLarger);
            }
          }
          addTo(sums, i32x4.extract_lane(places, 0), from + offset);
          addTo(sums + 4, i32x4.extract_lane(places, 1), from + offset + 4);
          addTo(sums + 8, i32x4.extract_lane(places, 2), from + offset + 8);
          addTo(sums + 12, i32x4.extract_lane(places, 3), from + offset + 12);
        }
        for (; channel < windows.channels; ++channel) {
          let largest: f32 = -Infinity;
          let largestPlace = -1;
          const offset = (<usize>channel) << 2;
          for (let i = yBegin; i < yEnd; ++i) {
            let place = (<usize>i) * pitch + (<usize>xBegin) * pixel + offset;
            for (let j = xBegin; j < xEnd; ++j, place += pixel) {
              const value = load<f32>(images + place);
              if (value > largest) {
                largest = value;
                largestPlace = <i32>place;
              }
            }
          }
          addTo(sums, largestPlace, from + offset);
        }
      }
    }
  }
}

/** Adds a number to the one at `place`; nothing where no pixel was larger than the others. */
// @ts-ignore: decorator
@inline
function addTo(sums: usize, place: i32, from: usize): void {
  if (place != -1) {
    const to = sums + <usize>place;
    store<f32>(to, load<f32>(to) + load<f32>(from));
  }
}

/** Gives each number of dy, times `share`, to every pixel of its window. Over images. */
export function averagePoolGradient(
  plan: usize, dy: usize, gradient: usize, share: f32, begin: i32, end: i32, _worker: i32,
): void {
  const windows = changetype<Windows>(plan);
  const pixel = (<usize>windows.channels) << 2;
  const pitch = (<usize>windows.width) * pixel;
  const shares = f32x4.splat(share);
  for (let image = begin; image < end; ++image) {
    const size = (<usize>windows.height) * pitch;
    const sums = gradient + (<usize>image) * size;
    let from = dy + (<usize>(image * windows.rows * windows.columns)) * pixel;
    memory.fill(sums, 0, size);
    for (let row = 0; row < windows.rows; ++row) {
      const y = row * windows.rowStep - windows.top;
      const yEnd = min(y + windows.windowRows, windows.height);
      for (let column = 0; column < windows.columns; ++column, from += pixel) {
        const left = column * windows.columnStep - windows.left;
        const xBegin = max(left, 0);
        const xEnd = min(left + windows.windowColumns, windows.width);
        for (let i = max(y, 0); i < yEnd; ++i) {
          let to = sums + (<usize>i) * pitch + (<usize>xBegin) * pixel;
          for (let j = xBegin; j < xEnd; ++j, to += pixel) {
            let offset: usize = 0;
            for (; offset + 16 <= pixel; offset += 16) {
              const part = f32x4.mul(v128.load(from + offset), shares);
              v128.store(to + offset, f32x4.add(v128.load(to + offset), part));
            }
            for (; offset < pixel; offset += 4) {
              store<f32>(to + offset, load<f32>(to + offset) + load<f32>(from + offset) * share);
            }
          }
        }
      }
    }
  }
}
