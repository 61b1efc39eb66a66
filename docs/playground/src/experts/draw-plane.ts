// The picture of the plane: regions or prediction, the boundary, and the points.
// SPDX-License-Identifier: Apache-2.0
import type {CanvasSize} from '../canvas.js';
import {cssColour, currentPalette, type Palette, type Rgb} from './colours.js';
import {contour} from './contour.js';
import type {DataSet, Sample} from './data-sets.js';
import {LIMIT, type Plane} from './trainer.js';

/** What of it is shown. */
export interface PlaneView {
  /** The regions of the experts, or what is predicted. */
  shading: 'experts' | 'prediction';
  hasBoundary: boolean;
  hasPoints: boolean;
}

/** What it is a picture of. */
export interface PlaneScene {
  plane: Plane;
  training: Sample;
  kind: DataSet['kind'];
}

/** An expert's region is never fainter than this, so that it is seen where the router cannot decide. */
const FAINTEST = 0.12;
const STRONGEST = 0.62;
/** Opacity of the prediction where it is certain, or 1. */
const DARKEST = 0.5;
/** Where lines of equal value are drawn. */
const LEVELS = {classes: [0], values: [-0.5, 0, 0.5, 1]};

/** Draws all of it. */
export function drawPlane(
  context: CanvasRenderingContext2D,
  {width, height}: CanvasSize,
  {plane, training, kind}: PlaneScene,
  {shading, hasBoundary, hasPoints}: PlaneView,
): void {
  const palette = currentPalette();
  const pixels = shading === 'experts' ? regions(plane, palette) : prediction(plane, kind, palette);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  context.drawImage(toCanvas(pixels, plane.size), 0, 0, width, height);
  if (hasBoundary) drawLines(context, width, height, plane, kind, palette.ink);
  if (hasPoints) drawPoints(context, width, height, training, kind, palette);
}

/** The colour of the chosen expert, stronger where its probability is higher; nothing where none is chosen. */
function regions({size, experts, probabilities}: Plane, palette: Palette): ImageData {
  return picture(size, cell => {
    const colour = palette.experts[experts[cell]!];
    return colour ? [colour, FAINTEST + (STRONGEST - FAINTEST) * probabilities[cell]!] : [palette.surface, 0];
  });
}

/** Ink, the more of it the more probable class 1 is, or the higher the value. */
function prediction({size, outputs}: Plane, kind: PlaneScene['kind'], {ink}: Palette): ImageData {
  return picture(size, cell => [ink, DARKEST * shareOfInk(outputs[cell]!, kind)]);
}

function shareOfInk(output: number, kind: PlaneScene['kind']): number {
  return kind === 'classes' ? 1 / (1 + Math.exp(-output)) : toUnit(output);
}

/** Values from -1 to 1 as shares; what is beyond is at the end. */
function toUnit(value: number): number {
  return Math.min(1, Math.max(0, (value + 1) / 2));
}

function picture(size: number, colourOf: (cell: number) => [Rgb, number]): ImageData {
  const pixels = new ImageData(size, size);
  for (let cell = 0; cell < size * size; ++cell) {
    const [colour, opacity] = colourOf(cell);
    pixels.data.set([...colour, 255 * opacity], 4 * cell);
  }
  return pixels;
}

function toCanvas(pixels: ImageData, size: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width: size, height: size});
  canvas.getContext('2d')!.putImageData(pixels, 0, 0);
  return canvas;
}

function drawLines(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  {size, outputs}: Plane,
  kind: PlaneScene['kind'],
  ink: Rgb,
): void {
  const [x, y] = [
    (cells: number) => ((cells + 0.5) * width) / size,
    (cells: number) => ((cells + 0.5) * height) / size,
  ];
  context.strokeStyle = cssColour(ink, 0.9);
  context.lineWidth = kind === 'classes' ? 2 : 1.25;
  context.lineCap = 'round';
  context.beginPath();
  for (const level of LEVELS[kind]) {
    for (const [x0, y0, x1, y1] of contour(outputs, size, level)) {
      context.moveTo(x(x0), y(y0));
      context.lineTo(x(x1), y(y1));
    }
  }
  context.stroke();
}

/** Class 1 is ink, class 0 a ring; a value is a shade between. */
function drawPoints(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  {points, targets}: Sample,
  kind: PlaneScene['kind'],
  {ink, surface}: Palette,
): void {
  const radius = Math.max(2, width / 210);
  context.lineWidth = 1;
  context.strokeStyle = cssColour(ink, 0.75);
  targets.forEach((target, i) => {
    const share = kind === 'classes' ? target : toUnit(target);
    const mix = (channel: 0 | 1 | 2) => Math.round(surface[channel] + share * (ink[channel] - surface[channel]));
    context.fillStyle = cssColour([mix(0), mix(1), mix(2)]);
    context.beginPath();
    context.arc(
      (width * (1 + points[2 * i]! / LIMIT)) / 2,
      (height * (1 - points[2 * i + 1]! / LIMIT)) / 2,
      radius,
      0,
      2 * Math.PI,
    );
    context.fill();
    context.stroke();
  });
}
