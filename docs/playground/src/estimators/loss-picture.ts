// The loss over the triangle as a picture of bands, like the heights on a map.
// SPDX-License-Identifier: Apache-2.0
import {color} from '../theme.js';
import type {Experiment} from './experiment.js';
import {vectorAt} from './plane.js';

/** Of the picture, in its own pixels; the canvas makes it larger and smooth. */
const [WIDTH, HEIGHT] = [312, 270];
const BANDS = 12;

/** The losses at the picture's pixels, which last as long as the loss does. */
export interface LossMap {
  losses: ArrayLike<number>;
  /** Over the triangle, corners included. */
  least: number;
  greatest: number;
}

/** Evaluates the loss at each pixel of the box about the triangle of radius 1. */
export function mapLoss(experiment: Experiment): LossMap {
  const points = new Float32Array(3 * WIDTH * HEIGHT);
  let [least, greatest] = [Math.min(...experiment.cornerLosses), Math.max(...experiment.cornerLosses)];
  for (let pixel = 0; pixel < WIDTH * HEIGHT; ++pixel) {
    // A pixel outside is on no picture: its loss would count for nothing but the scale.
    points.set(vectorAt(placeOfPixel(pixel)), 3 * pixel);
  }
  const losses = experiment.lossesAt(points);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; ++pixel) {
    if (Math.min(points[3 * pixel]!, points[3 * pixel + 1]!, points[3 * pixel + 2]!) < 0) continue;
    least = Math.min(least, losses[pixel]!);
    greatest = Math.max(greatest, losses[pixel]!);
  }
  return {losses, least, greatest};
}

/** The picture in the colours of the theme; it fills the box about the triangle. */
export function paintLoss({losses, least, greatest}: LossMap): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width: WIDTH, height: HEIGHT});
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(WIDTH, HEIGHT);
  const [low, high] = [channels(color('--loss-low')), channels(color('--loss-high'))];
  for (let pixel = 0; pixel < WIDTH * HEIGHT; ++pixel) {
    const share = (losses[pixel]! - least) / (greatest - least || 1);
    const band = Math.min(Math.max(Math.floor(share * BANDS), 0), BANDS - 1) / (BANDS - 1);
    for (let i = 0; i < 3; ++i) image.data[4 * pixel + i] = low[i]! + band * (high[i]! - low[i]!);
    image.data[4 * pixel + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The box has the corners A and B at its lower ends and C in the middle of its top. */
function placeOfPixel(pixel: number) {
  const [column, row] = [pixel % WIDTH, Math.floor(pixel / WIDTH)];
  return {x: Math.sqrt(3) * ((column + 0.5) / WIDTH - 0.5), y: -1 + (1.5 * (row + 0.5)) / HEIGHT};
}

/** Of #rrggbb. */
function channels(hex: string): number[] {
  return [1, 3, 5].map(at => Number.parseInt(hex.slice(at, at + 2), 16));
}
