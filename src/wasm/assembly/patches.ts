// The patches of images that a filter sees: where each lies, in the images themselves or in a zero-padded copy of some of their rows.
// SPDX-License-Identifier: Apache-2.0

/**
 * What a convolution reads, as src/wasm/convolutions/patches.ts writes it: 32-bit integers in this order, in elements unless they say bytes.
 *
 * Patch (row, column) of an image begins at (row * rowStep - top, column * columnStep - left) of it and is `tapRows` rows of `tapColumns`
 * pixels.
 */
@unmanaged
export class Patches {
  /** Address of the images, [batch, height, width, channels]. */
  source: u32;
  height: i32;
  width: i32;
  channels: i32;
  /** The rows and columns of zeros before an image; negative where the patches begin within it. */
  top: i32;
  left: i32;
  /** Of an image with its zeros, as far as a patch reaches. */
  paddedHeight: i32;
  paddedWidth: i32;
  /** The patches of an image. */
  rows: i32;
  columns: i32;
  rowStep: i32;
  columnStep: i32;
  tapRows: i32;
  tapColumns: i32;
  /** 0 where no patch reaches over an edge: then the images are read in place. */
  isPadded: i32;
  /** Rows of patches, of one image after the other, that are done at a time, and how many there are. */
  rowsPerPart: i32;
  numRows: i32;
  /** Address of each worker's own memory, which is `scratchBytes` long: the padded rows, and at `table` the addresses of patches. */
  scratch: u32;
  scratchBytes: i32;
  table: i32;
  /** Where memory for other uses begins in a worker's own: 32 bytes a patch, then 4 bytes a number of a patch, then 192 bytes. */
  spare: i32;
  offsets: i32;
  sums: i32;
}

/** The memory of a worker alone. */
// @ts-ignore: decorator
@inline
export function scratchOf(patches: Patches, worker: i32): usize {
  return (<usize>patches.scratch) + (<usize>worker) * (<usize>patches.scratchBytes);
}

/** Bytes from a pixel of what the patches lie in to the one below it. */
// @ts-ignore: decorator
@inline
export function pitchOf(patches: Patches): usize {
  return (<usize>(patches.isPadded ? patches.paddedWidth : patches.width) * patches.channels) << 2;
}

/** How many parts there are. */
// @ts-ignore: decorator
@inline
export function partsOf(patches: Patches): i32 {
  return (patches.numRows + patches.rowsPerPart - 1) / patches.rowsPerPart;
}

/** How many patches a part has. */
// @ts-ignore: decorator
@inline
export function patchesIn(patches: Patches, part: i32): i32 {
  return min(patches.rowsPerPart, patches.numRows - part * patches.rowsPerPart) * patches.columns;
}

/** Copies the rows of a part between zeros, if it has to, and writes the address of each of its patches into the table. */
export function locatePatches(patches: Patches, part: i32, scratch: usize): void {
  const first = part * patches.rowsPerPart;
  const end = min(first + patches.rowsPerPart, patches.numRows);
  const pixel = (<usize>patches.channels) << 2;
  const pitch = pitchOf(patches);
  const step = (<usize>patches.columnStep) * pixel;
  const origin = paddedRow(patches, first);
  if (patches.isPadded) {
    padRows(patches, origin, paddedRow(patches, end - 1) + patches.tapRows, scratch);
  }
  let entry = scratch + (<usize>patches.table);
  for (let row = first; row < end; ++row) {
    let address = scratch + (<usize>(paddedRow(patches, row) - origin)) * pitch;
    if (!patches.isPadded) {
      const image = row / patches.rows;
      const y = (row - image * patches.rows) * patches.rowStep - patches.top;
      address = (<usize>patches.source) + (<usize>(image * patches.height + y)) * pitch - (<usize>patches.left) * pixel;
    }
    for (let column = 0; column < patches.columns; ++column) {
      store<u32>(entry, <u32>address);
      entry += 4;
      address += step;
    }
  }
}

/** Writes the address of the result of each patch of a part. */
export function locateTargets(
  patches: Patches, part: i32, to: usize, target: usize, imageStep: usize, rowStep: usize, columnStep: usize,
): void {
  const first = part * patches.rowsPerPart;
  const end = min(first + patches.rowsPerPart, patches.numRows);
  for (let row = first; row < end; ++row) {
    const image = row / patches.rows;
    let address = target + (<usize>image) * imageStep + (<usize>(row - image * patches.rows)) * rowStep;
    for (let column = 0; column < patches.columns; ++column) {
      store<u32>(to, <u32>address);
      to += 4;
      address += columnStep;
    }
  }
}

/** The entry of a table; past its last one the last, whose sums are then made and stored more than once. */
// @ts-ignore: decorator
@inline
export function tableEntry(table: usize, index: i32, last: i32): usize {
  return <usize>load<u32>(table + ((<usize>min(index, last)) << 2));
}

/** Writes where each number of a patch lies, in bytes from the beginning of the patch. */
export function locateNumbers(patches: Patches, scratch: usize): void {
  let entry = scratch + (<usize>patches.offsets);
  const pitch = pitchOf(patches);
  for (let tapRow = 0; tapRow < patches.tapRows; ++tapRow) {
    let offset = (<usize>tapRow) * pitch;
    for (let i = patches.tapColumns * patches.channels; i > 0; --i) {
      store<u32>(entry, <u32>offset);
      entry += 4;
      offset += 4;
    }
  }
}

/** The row at which a row of patches begins, counted through all images with their zeros. */
function paddedRow(patches: Patches, row: i32): i32 {
  const image = row / patches.rows;
  return image * patches.paddedHeight + (row - image * patches.rows) * patches.rowStep;
}

/** Writes the padded rows [begin, end). */
function padRows(patches: Patches, begin: i32, end: i32, to: usize): void {
  const pixel = (<usize>patches.channels) << 2;
  const pitch = pitchOf(patches);
  // The columns [from, until) of a padded row come from the image.
  const from = min(max(patches.left, 0), patches.paddedWidth);
  const until = max(min(patches.left + patches.width, patches.paddedWidth), from);
  for (let row = begin; row < end; ++row) {
    const image = row / patches.paddedHeight;
    const y = row - image * patches.paddedHeight - patches.top;
    if (y < 0 || y >= patches.height) {
      memory.fill(to, 0, pitch);
    } else {
      const x = (image * patches.height + y) * patches.width + from - patches.left;
      memory.fill(to, 0, (<usize>from) * pixel);
      memory.copy(to + (<usize>from) * pixel, (<usize>patches.source) + (<usize>x) * pixel, (<usize>(until - from)) * pixel);
      memory.fill(to + (<usize>until) * pixel, 0, pitch - (<usize>until) * pixel);
    }
    to += pitch;
  }
}
