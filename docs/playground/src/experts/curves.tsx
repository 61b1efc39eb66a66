// The curves of a run, small: loss and accuracy over the steps.
// SPDX-License-Identifier: Apache-2.0
import {useCallback} from 'preact/hooks';
import {Canvas, type CanvasSize} from '../canvas.js';
import {color} from '../theme.js';
import type {Moment} from './history.js';

interface CurveProps {
  title: string;
  moments: Moment[];
  of: (moment: Moment) => number;
  /** Upper end of the axis; below 0 nothing is drawn. Default: the largest value. */
  top?: number;
  /** How a value is written. */
  format: (value: number) => string;
}

const MARGIN = {left: 48, right: 10, top: 10, bottom: 22};

/** One curve from step 0, with the ends of both axes written. */
export function Curve({title, moments, of, top, format}: CurveProps) {
  const last = moments.at(-1);
  const draw = useCallback(
    (context: CanvasRenderingContext2D, size: CanvasSize) => {
      const values = moments.map(of);
      const ceiling = top ?? Math.max(1e-3, ...values);
      drawAxes(context, size, [format(0), format(ceiling)], last?.step ?? 0);
      drawCurve(
        context,
        size,
        moments.map(({step}, i) => [step / last!.step, values[i]! / ceiling]),
      );
    },
    [moments, of, top, format, last],
  );
  const label = last ? `${title}: ${format(of(last))} after step ${last.step}` : `${title}: no step yet`;
  return (
    <figure class="experts-curve">
      <figcaption>{title}</figcaption>
      <Canvas label={label} draw={draw} aspect={2.6} />
    </figure>
  );
}

function drawAxes(
  context: CanvasRenderingContext2D,
  {width, height}: CanvasSize,
  ends: [string, string],
  step: number,
) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
  context.strokeStyle = color('--line');
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(left, bottom);
  context.lineTo(right, bottom);
  context.stroke();
  context.fillStyle = color('--muted');
  context.font = '12px system-ui, sans-serif';
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.fillText(ends[0], left - 6, bottom);
  context.fillText(ends[1], left - 6, top);
  context.textBaseline = 'top';
  context.fillText(`step ${step}`, right, bottom + 6);
}

/** @param points From 0 to 1 along both axes. */
function drawCurve(context: CanvasRenderingContext2D, {width, height}: CanvasSize, points: [number, number][]) {
  const [across, up] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  context.strokeStyle = color('--accent');
  context.lineWidth = 2;
  context.lineJoin = 'round';
  context.beginPath();
  for (const [x, y] of points) {
    context.lineTo(MARGIN.left + across * x, MARGIN.top + up * (1 - Math.min(1, Math.max(0, y))));
  }
  context.stroke();
}
