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
  const latest = useRef(draw);
  const theme = useTheme();
  // With the theme the colours change that draw reads.
  useLayoutEffect(() => {
    latest.current = draw;
    redraw(canvas.current!, draw);
  }, [draw, theme]);
  // Not useEffect: that may run when the tab was left already, and the element is gone.
  useLayoutEffect(() => {
    const element = canvas.current!;
    return followSize(element, () => redraw(element, latest.current));
  }, []);
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

function redraw(canvas: HTMLCanvasElement, draw: Draw): void {
  const {width, height} = canvas.getBoundingClientRect();
  if (width === 0 || height === 0) return; // not laid out
  const [columns, rows] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  // Setting the size clears the canvas and costs an allocation, even where it is the same.
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, {width: columns, height: rows});
  const context = canvas.getContext('2d')!;
  context.setTransform(columns / width, 0, 0, rows / height, 0, 0);
  context.clearRect(0, 0, width, height);
  draw(context, {width, height});
}

/** Calls back at each change of size or density, until the returned function is called. */
function followSize(canvas: HTMLCanvasElement, changed: () => void): () => void {
  const state = () => `${canvas.clientWidth} ${canvas.clientHeight} ${devicePixelRatio}`;
  let last = state();
  const check = () => {
    const now = state();
    if (now !== last) changed(); // the observer's first report says what is already drawn
    last = now;
  };
  const observer = new ResizeObserver(check);
  observer.observe(canvas);
  addEventListener('resize', check); // a screen of another density changes no box
  return () => {
    observer.disconnect();
    removeEventListener('resize', check);
  };
}
