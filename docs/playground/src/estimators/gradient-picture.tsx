// The plane of the logits: minus the exact gradient, and what each method says it is, with the spread of its single estimates.
// SPDX-License-Identifier: Apache-2.0
import {useCallback} from 'preact/hooks';
import {Canvas, type CanvasSize} from '../canvas.js';
import {color} from '../theme.js';
import {drawArrow, drawDots, drawText} from './draw.js';
import type {Experiment} from './experiment.js';
import type {Method} from './methods.js';
import {length} from './moments.js';
import {DIRECTIONS, ellipseOf, gradientPlace, type Place} from './plane.js';

/** What is shown beside the means: nothing but their error, the ellipse of one standard deviation, or single estimates. */
export type Spread = 'means' | 'ellipses' | 'draws';

interface GradientPictureProps {
  experiment: Experiment;
  methods: readonly Method[];
  spread: Spread;
  /** Counts what was drawn: another number draws the picture anew. */
  version: number;
}

export function GradientPicture({experiment, methods, spread, version}: GradientPictureProps) {
  // The experiment changes inside, and version says when.
  const draw = useCallback(
    (context: CanvasRenderingContext2D, size: CanvasSize) => drawPlane(context, size, experiment, methods, spread),
    [experiment, methods, spread, version],
  );
  return <Canvas label="Minus the exact gradient and the estimated ones, as arrows" draw={draw} aspect={1.1} />;
}

/** What a method's part of the picture is made of. */
interface Mark {
  stroke: string;
  mean: Place;
  /** One standard deviation of what `spread` asks for. */
  ellipse: ReturnType<typeof ellipseOf>;
  gradients: readonly number[];
}

function drawPlane(
  context: CanvasRenderingContext2D,
  size: CanvasSize,
  experiment: Experiment,
  methods: readonly Method[],
  spread: Spread,
) {
  const marks = methods.flatMap((method): Mark[] => {
    const {moments, gradients = []} = experiment.seriesOf(method) ?? {};
    if (!moments) return [];
    const count = spread === 'means' ? moments.count : 1;
    const ellipse = ellipseOf(moments.covariance.map(value => value / count));
    return [{stroke: color(method.series), mean: down(moments.mean), ellipse, gradients}];
  });
  const reach = Math.max(
    length(experiment.exact),
    ...marks.map(({mean, ellipse}) => Math.hypot(mean.x, mean.y) + (spread === 'draws' ? 2 : 1) * ellipse.major),
  );
  const round = roundUp(reach);
  const middle = {x: size.width / 2, y: size.height * 0.51};
  const pixels = (0.43 * Math.min(size.width, size.height)) / round;
  const at = ({x, y}: Place): Place => ({x: middle.x + pixels * x, y: middle.y + pixels * y});
  drawAxes(context, at, round);
  for (const mark of marks) drawSpread(context, mark, spread, at, pixels);
  drawArrow(context, middle, at(down(experiment.exact)), color('--ink'), 5);
  for (const {mean, stroke} of marks) drawArrow(context, middle, at(mean), stroke, 3);
}

/** Minus a gradient, in the plane. */
function down(gradient: readonly number[], from = 0): Place {
  const {x, y} = gradientPlace(gradient, from);
  return {x: -x, y: -y};
}

function drawSpread(
  context: CanvasRenderingContext2D,
  {stroke, mean, ellipse: {major, minor, angle}, gradients}: Mark,
  spread: Spread,
  at: (place: Place) => Place,
  pixels: number,
) {
  if (spread === 'draws') {
    const places = Array.from({length: gradients.length / 3}, (_, i) => at(down(gradients, 3 * i)));
    context.globalAlpha = 0.45;
    drawDots(context, places, stroke, 2.6);
    context.globalAlpha = 1;
    return;
  }
  const {x, y} = at(mean);
  context.beginPath();
  context.ellipse(x, y, pixels * major, pixels * minor, angle, 0, 2 * Math.PI);
  context.globalAlpha = 0.13;
  context.fillStyle = stroke;
  context.fill();
  context.globalAlpha = 0.8;
  context.lineWidth = 1.5;
  context.strokeStyle = stroke;
  context.stroke();
  context.globalAlpha = 1;
}

/** The directions in which one logit rises, and two rings that say how long arrows are. */
function drawAxes(context: CanvasRenderingContext2D, at: (place: Place) => Place, round: number) {
  const middle = at({x: 0, y: 0});
  context.lineWidth = 1;
  for (const share of [0.5, 1]) {
    context.beginPath();
    context.strokeStyle = color('--line');
    context.arc(middle.x, middle.y, at({x: share * round, y: 0}).x - middle.x, 0, 2 * Math.PI);
    context.stroke();
  }
  DIRECTIONS.forEach(({x, y}, i) => {
    const end = at({x: x * round, y: y * round});
    context.beginPath();
    context.strokeStyle = color('--line');
    context.lineWidth = 1;
    context.moveTo(middle.x, middle.y);
    context.lineTo(end.x, end.y);
    context.stroke();
    drawText(context, 'ABC'[i]!, end, {fill: '--muted'});
  });
  const label = String(Number(round.toPrecision(2)));
  drawText(context, label, at({x: round * Math.SQRT1_2, y: -round * Math.SQRT1_2}), {
    size: 12,
    weight: 400,
    fill: '--muted',
  });
}

/** The next of a few numbers times a power of ten, so that the scale seldom changes. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find(factor => factor * unit >= value * 1.02) ?? 10);
}
