// What both pictures of the lab draw: arrows, dots and names with a halo.
// SPDX-License-Identifier: Apache-2.0
import {color} from '../theme.js';
import type {Place} from './plane.js';

/** An arrow whose head keeps its size; the head alone where the arrow is shorter than it. */
export function drawArrow(context: CanvasRenderingContext2D, from: Place, to: Place, stroke: string, width: number) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  if (length < 1.5) return;
  const head = Math.min(4 + 2.4 * width, length);
  const [ux, uy] = [dx / length, dy / length];
  const neck = {x: to.x - head * ux, y: to.y - head * uy};
  const half = 0.42 * (4 + 2.4 * width);
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(neck.x, neck.y);
  context.lineWidth = width;
  context.lineCap = 'butt';
  context.strokeStyle = stroke;
  context.stroke();
  context.beginPath();
  context.moveTo(to.x, to.y);
  context.lineTo(neck.x - half * uy, neck.y + half * ux);
  context.lineTo(neck.x + half * uy, neck.y - half * ux);
  context.closePath();
  context.fillStyle = stroke;
  context.fill();
}

/** Many dots of one colour, as one shape. */
export function drawDots(context: CanvasRenderingContext2D, places: Iterable<Place>, fill: string, radius: number) {
  context.beginPath();
  for (const {x, y} of places) {
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.fillStyle = fill;
  context.fill();
}

/** A name that can be read on whatever lies below. */
export function drawText(
  context: CanvasRenderingContext2D,
  text: string,
  {x, y}: Place,
  {align = 'center', size = 13, weight = 600, fill = '--ink' as `--${string}`} = {},
) {
  context.font = `${weight} ${size}px system-ui, sans-serif`;
  context.textAlign = align as CanvasTextAlign;
  context.textBaseline = 'middle';
  context.lineWidth = 4;
  context.lineJoin = 'round';
  context.strokeStyle = color('--surface');
  context.strokeText(text, x, y);
  context.fillStyle = color(fill);
  context.fillText(text, x, y);
}
