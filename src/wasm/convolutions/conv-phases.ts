// The gradient of a strided convolution with respect to its images, as convolutions of the gradient of its result without a stride.
// SPDX-License-Identifier: Apache-2.0

import type * as tf from '@tensorflow/tfjs-core';
import type {PatchGeometry} from './patches.js';

/** Pixels of one direction that lie a stride apart: all of them meet the same taps of the filter. */
export interface Phase {
  /** The first pixel, and how many there are. */
  start: number;
  count: number;
  /** How many taps they meet, and the last of these; the others come a stride before it each. */
  taps: number;
  lastTap: number;
}

/** The pixels of one phase of either direction, and the patches of the result's gradient that they take. */
export interface Phases {
  vertical: Phase;
  horizontal: Phase;
  geometry: PatchGeometry;
}

/** All phases that have any pixel, for a gradient [batch, height, width, channels] of the result. */
export function phasesOf(info: tf.backend_util.Conv2DInfo, gradientShape: number[]): Phases[] {
  const [batch, height, width, channels] = gradientShape as [number, number, number, number];
  const vertical = phasesAlong(info.inHeight, info.padInfo.top, info.strideHeight, info.filterHeight);
  const horizontal = phasesAlong(info.inWidth, info.padInfo.left, info.strideWidth, info.filterWidth);
  return vertical.flatMap(({before: top, ...v}) =>
    horizontal.map(({before: left, ...h}) => ({
      vertical: v,
      horizontal: h,
      geometry: {
        ...{batch, height, width, channels, top, left},
        ...{rows: v.count, columns: h.count, rowStep: 1, columnStep: 1},
        ...{tapRows: v.taps, tapColumns: h.taps},
      },
    })),
  );
}

function phasesAlong(size: number, padding: number, stride: number, filterSize: number): (Phase & {before: number})[] {
  return Array.from({length: Math.min(size, stride)}, (_, start) => {
    const firstTap = (start + padding) % stride;
    const taps = Math.max(0, Math.ceil((filterSize - firstTap) / stride));
    // Through tap firstTap + t stride the pixel `start` went into the result number first - t: it reads back to first - (taps - 1).
    const first = (start + padding - firstTap) / stride;
    return {
      start,
      count: Math.ceil((size - start) / stride),
      taps,
      lastTap: firstTap + (taps - 1) * stride,
      before: taps - 1 - first,
    };
  });
}
