// A canvas with a pixel for each pixel of the screen, drawn anew when its size, the screen's density or the theme changes.
// SPDX-License-Identifier: Apache-2.0
import type {HTMLAttributes} from 'preact';
import {useLayoutEffect, useRef} from 'preact/hooks';
import {useTheme} from './theme.js';

/** The size of the canvas in CSS pixels, the unit of all drawing. */
export interface CanvasSize {
  width: number;
  height: number;
}

/** Draws the whole picture; the canvas is clear, and its unit is the CSS pixel. Colours: `color('--ink')` of theme.ts. */
export type Draw = (context: CanvasRenderingContext2D, size: CanvasSize) => void;

interface CanvasProps extends Omit<HTMLAttributes<HTMLCanvasElement>, 'label'> {
  /** What the picture shows, for those who do not see it. */
  label: string;
  /** A new function draws anew; keep it with useCallback. */
  draw: Draw;
  /** Width to height; the width is what the page gives. Default 1. */
  aspect?: number;
}

/** The canvas; further attributes (handlers, role, tabIndex) go to the element. */
export function Canvas({label, draw, aspect = 1, style, ...rest}: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours that draw reads change with the theme
  useLayoutEffect(() => followSize(canvas.current!, draw), [draw, theme]);
  return (
    <canvas
      ref={canvas}
      role="img"
      {...rest}
      aria-label={label}
      style={{display: 'block', width: '100%', aspectRatio: String(aspect), ...(style as object)}}
    />
  );
}

/** Draws now and at each change of size or density, until the returned function is called. */
function followSize(canvas: HTMLCanvasElement, draw: Draw): () => void {
  const redraw = () => {
    const {width, height} = canvas.getBoundingClientRect();
    if (width === 0 || height === 0) return; // not laid out
    const density = devicePixelRatio;
    const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
    // Setting the size clears the canvas and costs an allocation, even where it is the same.
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, {width: columns, height: rows});
    const context = canvas.getContext('2d')!;
    context.setTransform(columns / width, 0, 0, rows / height, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, {width, height});
  };
  redraw();
  const {width} = canvas.getBoundingClientRect();
  let last = `${width} ${devicePixelRatio}`;
  const observer = new ResizeObserver(() => {
    const now = `${canvas.getBoundingClientRect().width} ${devicePixelRatio}`;
    if (now !== last) redraw(); // the first report says what is already drawn
    last = now;
  });
  observer.observe(canvas);
  addEventListener('resize', redraw); // moving to a screen of another density changes no box
  return () => {
    observer.disconnect();
    removeEventListener('resize', redraw);
  };
}
