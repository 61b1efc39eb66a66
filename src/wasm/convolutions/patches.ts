// What the convolutions of the binary are told of the images they read: src/wasm/assembly/patches.ts.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import type {OwnKernels} from '../own-kernels.js';

/**
 * The patches of images: patch (row, column) of an image begins at (row * rowStep - top, column * columnStep - left) of it, and its numbers
 * are those of tapRows by tapColumns pixels; what lies outside of the image is zero.
 */
export interface PatchGeometry {
  batch: number;
  height: number;
  width: number;
  channels: number;
  top: number;
  left: number;
  rows: number;
  columns: number;
  rowStep: number;
  columnStep: number;
  tapRows: number;
  tapColumns: number;
}

/** The patches that are given to the binary. */
export interface PatchPlan {
  /** Address of the description. */
  address: number;
  /** In how many parts `convolve` may be divided. */
  numParts: number;
  /** How many patches a part has. */
  patchesPerPart: number;
}

/** Patches of one part: enough that starting it costs nothing, few enough that they and their results stay in the cache. */
const PATCHES_PER_PART = 256;
/** The same for the bytes of the rows that a part reads. */
const BYTES_PER_PART = 1 << 18;
/** The sums of a tile of src/wasm/assembly/filter-gradient.ts. */
const SUMS_BYTES = 192;

/** Runs body with the patches of `source`, [batch, height, width, channels] in float32, ready for the binary. */
export function withPatches(
  backend: BackendWasm,
  binary: OwnKernels,
  source: tf.TensorInfo,
  geometry: PatchGeometry,
  body: (plan: PatchPlan) => void,
): void {
  const {height, width, channels, top, left, rows, columns, rowStep, columnStep, tapRows, tapColumns} = geometry;
  const paddedHeight = (rows - 1) * rowStep + tapRows;
  const paddedWidth = (columns - 1) * columnStep + tapColumns;
  const isEmpty = tapRows === 0 || tapColumns === 0;
  const isInside = top <= 0 && left <= 0 && paddedHeight - top <= height && paddedWidth - left <= width;
  const isPadded = !isEmpty && !isInside;

  const numRows = geometry.batch * rows;
  const bytesPerRow = Math.max(1, rowStep * paddedWidth * channels * 4);
  const rowsPerPart = Math.max(
    1,
    Math.min(numRows, Math.floor(BYTES_PER_PART / bytesPerRow), Math.floor(PATCHES_PER_PART / columns)),
  );
  // Where a part goes over from one image to the next, the rows that both reach for are there for each.
  const images = Math.floor((rowsPerPart - 1) / rows) + 1;
  const paddedRows = (rowsPerPart - 1) * rowStep + tapRows + images * Math.max(0, tapRows - rowStep);
  const table = isPadded ? paddedRows * paddedWidth * channels * 4 : 0;
  const spare = table + rowsPerPart * columns * 4;
  const offsets = spare + rowsPerPart * columns * 32;
  const sums = offsets + tapRows * tapColumns * channels * 4;
  const scratchBytes = (sums + SUMS_BYTES + 15) & ~15;

  binary.withScratch(binary.numWorkers * scratchBytes, scratch => {
    // In the order of the fields in src/wasm/assembly/patches.ts.
    const fields = [
      ...[binary.address(source), height, width, channels, top, left, paddedHeight, paddedWidth],
      ...[rows, columns, rowStep, columnStep, tapRows, tapColumns, Number(isPadded)],
      ...[rowsPerPart, numRows, scratch, scratchBytes, table, spare, offsets, sums],
    ];
    const plan = backend.makeOutput([fields.length], 'int32', undefined, Int32Array.from(fields));
    try {
      body({
        address: binary.address(plan),
        numParts: Math.ceil(numRows / rowsPerPart),
        patchesPerPart: rowsPerPart * columns,
      });
    } finally {
      backend.disposeData(plan.dataId);
    }
  });
}

/** The patches that a 2-D convolution reads of x, [batch, height, width, channels], for a result of `rows` by `columns`. */
export function patchesOf(info: tf.backend_util.Conv2DInfo, rows: number, columns: number): PatchGeometry {
  return {
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    top: info.padInfo.top,
    left: info.padInfo.left,
    rows,
    columns,
    rowStep: info.strideHeight,
    columnStep: info.strideWidth,
    tapRows: info.filterHeight,
    tapColumns: info.filterWidth,
  };
}

/** Calls body with the places, counted through the batch, of each pixel, of the result it goes into and of the tap of the filter between. */
export function forEachTap(geometry: PatchGeometry, body: (pixel: number, result: number, tap: number) => void): void {
  const {batch, height, width, top, left, rows, columns, rowStep, columnStep, tapRows, tapColumns} = geometry;
  for (let result = 0; result < batch * rows * columns; ++result) {
    const column = result % columns;
    const row = Math.floor(result / columns) % rows;
    const image = Math.floor(result / columns / rows);
    for (let tap = 0; tap < tapRows * tapColumns; ++tap) {
      const y = row * rowStep - top + Math.floor(tap / tapColumns);
      const x = column * columnStep - left + (tap % tapColumns);
      if (y >= 0 && y < height && x >= 0 && x < width) body((image * height + y) * width + x, result, tap);
    }
  }
}
