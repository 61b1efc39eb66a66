// The triangle: the loss as a map, the point of the probabilities, which is moved here, the draws, and where each estimate would move it.
// SPDX-License-Identifier: Apache-2.0
import {useCallback, useId, useMemo, useRef} from 'preact/hooks';
import {Canvas, type CanvasSize} from '../canvas.js';
import {color, useTheme} from '../theme.js';
import {drawArrow, drawDots, drawText} from './draw.js';
import type {Experiment} from './experiment.js';
import {type LossMap, paintLoss} from './loss-picture.js';
import type {Method} from './methods.js';
import {length, type Vector} from './moments.js';
import {DIRECTIONS, type Place, placeOf, probabilitiesAt} from './plane.js';

interface SimplexPictureProps {
  experiment: Experiment;
  map: LossMap;
  methods: readonly Method[];
  /** Counts what was drawn: another number draws the picture anew. */
  version: number;
  onMove: (probabilities: Vector) => void;
}

/** Width to height of the picture. */
const ASPECT = 1;
/** Of the triangle, in widths of the picture. */
const RADIUS = 0.44;
/** How far an arrow key moves the point, in radii of the triangle; with Shift five times as far. */
const KEY_STEP = 0.04;
const KEYS: Record<string, Place> = {
  ArrowLeft: {x: -1, y: 0},
  ArrowRight: {x: 1, y: 0},
  ArrowUp: {x: 0, y: -1},
  ArrowDown: {x: 0, y: 1},
};
const NAMES = ['A', 'B', 'C'] as const;

export function SimplexPicture({experiment, map, methods, version, onMove}: SimplexPictureProps) {
  const theme = useTheme();
  // Its colours are those of the theme.
  const picture = useMemo(() => paintLoss(map), [map, theme]);
  // The experiment changes inside, and version says when.
  const draw = useCallback(
    (context: CanvasRenderingContext2D, size: CanvasSize) => {
      drawMap(context, size, picture);
      drawDraws(context, size, experiment, methods);
      drawMoves(context, size, experiment, methods);
      drawCorners(context, size, experiment);
    },
    [experiment, picture, methods, version],
  );
  const {probs} = experiment;
  const text = NAMES.map((name, i) => `${name} ${(100 * probs[i]!).toFixed(0)} %`).join(', ');
  return (
    <div class="simplex">
      <Canvas
        label={`The loss over the triangle of probabilities, and the point at ${text}`}
        draw={draw}
        aspect={ASPECT}
        onPointerDown={event => onMove(probabilitiesAt(placeUnder(event, event.currentTarget)))}
      />
      <Handle probs={probs} text={text} onMove={onMove} />
    </div>
  );
}

/** The point: dragged by mouse or finger, moved by the arrow keys. */
function Handle({probs, text, onMove}: {probs: Vector; text: string; onMove: (probabilities: Vector) => void}) {
  const hint = useId();
  const grip = useRef<Place | undefined>(undefined); // from the pointer to the point's middle, so that it does not jump when taken
  const place = placeOf(probs);
  const {x, y} = toFraction(place);
  return (
    <>
      <button
        type="button"
        class="handle"
        aria-label={`Probabilities: ${text}`}
        aria-roledescription="movable point"
        aria-describedby={hint}
        style={{left: `${100 * x}%`, top: `${100 * y}%`}}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const pointer = placeUnder(event, event.currentTarget.parentElement!);
          grip.current = {x: place.x - pointer.x, y: place.y - pointer.y};
        }}
        onPointerMove={event => {
          if (!grip.current) return;
          const pointer = placeUnder(event, event.currentTarget.parentElement!);
          onMove(probabilitiesAt({x: pointer.x + grip.current.x, y: pointer.y + grip.current.y}));
        }}
        onLostPointerCapture={() => {
          grip.current = undefined;
        }}
        onKeyDown={event => {
          const direction = KEYS[event.key];
          if (!direction) return;
          event.preventDefault(); // the page would scroll
          const step = event.shiftKey ? 5 * KEY_STEP : KEY_STEP;
          onMove(probabilitiesAt({x: place.x + step * direction.x, y: place.y + step * direction.y}));
        }}
      />
      <span id={hint} hidden>
        Arrow keys move it over the triangle: A is left, B right, C at the top.
      </span>
    </>
  );
}

/** From the triangle of radius 1 to shares of the picture's width and height; above and below there is room for names. */
function toFraction({x, y}: Place): Place {
  return {x: 0.5 + RADIUS * x, y: 0.6 + RADIUS * ASPECT * y};
}

function toPixels(place: Place, {width, height}: CanvasSize): Place {
  const {x, y} = toFraction(place);
  return {x: x * width, y: y * height};
}

/** The place of the triangle under a pointer. */
function placeUnder(event: PointerEvent, picture: Element): Place {
  const box = picture.getBoundingClientRect();
  const [origin, right, down] = [toFraction({x: 0, y: 0}), toFraction({x: 1, y: 0}), toFraction({x: 0, y: 1})];
  return {
    x: ((event.clientX - box.left) / box.width - origin.x) / (right.x - origin.x),
    y: ((event.clientY - box.top) / box.height - origin.y) / (down.y - origin.y),
  };
}

function drawMap(context: CanvasRenderingContext2D, size: CanvasSize, picture: HTMLCanvasElement) {
  const [a, b, c] = DIRECTIONS.map(corner => toPixels(corner, size)) as [Place, Place, Place];
  context.save();
  context.beginPath();
  for (const {x, y} of [a, b, c]) context.lineTo(x, y);
  context.closePath();
  context.clip();
  context.drawImage(picture, a.x, c.y, b.x - a.x, a.y - c.y);
  context.restore();
  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  context.strokeStyle = color('--muted');
  context.stroke();
}

/**
 * A draw near its point; equal ones make a disc that fills evenly, whose size says how many there are. Methods with one-hot draws draw
 * the same from one seed: the first stands for all. Relaxed points have their method's colour.
 */
function drawDraws(
  context: CanvasRenderingContext2D,
  size: CanvasSize,
  experiment: Experiment,
  methods: readonly Method[],
) {
  const radius = size.width / 220;
  const [firstHard] = methods.filter(({isHard}) => isHard);
  for (const method of methods.filter(other => !other.isHard || other === firstHard)) {
    const {samples = []} = experiment.seriesOf(method) ?? {};
    const seen = new Map<string, number>();
    const places: Place[] = [];
    for (let at = 0; at < samples.length; at += 3) {
      const key = `${samples[at]} ${samples[at + 1]}`;
      const before = seen.get(key) ?? 0;
      seen.set(key, before + 1);
      const middle = toPixels(placeOf(samples, at), size);
      const turn = 2.4 * before; // about the golden angle
      const away = 1.6 * radius * Math.sqrt(before);
      places.push({x: middle.x + away * Math.cos(turn), y: middle.y + away * Math.sin(turn)});
    }
    context.globalAlpha = 0.55;
    drawDots(context, places, color(method.isHard ? '--muted' : method.series), radius);
    context.globalAlpha = 1;
  }
}

/** Where a small step down each mean gradient would move the point: along minus J(p) g. The longest arrow has a fixed length. */
function drawMoves(
  context: CanvasRenderingContext2D,
  size: CanvasSize,
  experiment: Experiment,
  methods: readonly Method[],
) {
  const {probs, exact} = experiment;
  const moveOf = (gradient: Vector) => {
    const mean = gradient.reduce((sum, g, i) => sum + probs[i]! * g, 0);
    return gradient.map((g, i) => -probs[i]! * (g - mean)) as unknown as Vector;
  };
  const means = methods.flatMap(method => {
    const {moments} = experiment.seriesOf(method) ?? {};
    return moments ? [{move: moveOf(moments.mean), stroke: color(method.series), width: 3}] : [];
  });
  const arrows = [{move: moveOf(exact), stroke: color('--ink'), width: 5}, ...means];
  const longest = Math.max(...arrows.map(({move}) => length(move)));
  if (!(longest > 1e-9)) return;
  for (const {move, stroke, width} of arrows) {
    const to = probs.map((p, i) => p + (0.34 * move[i]!) / longest);
    drawArrow(context, toPixels(placeOf(probs), size), toPixels(placeOf(to), size), stroke, width);
  }
}

function drawCorners(context: CanvasRenderingContext2D, size: CanvasSize, {probs, cornerLosses}: Experiment) {
  DIRECTIONS.forEach((corner, i) => {
    const {x, y} = toPixels(corner, size);
    const align = (['left', 'right', 'center'] as const)[i]!;
    const place = {x: x + [-0.05, 0.05, 0][i]! * size.width, y: i === 2 ? y - 38 : y + 34};
    drawText(context, `${NAMES[i]}  ${(100 * probs[i]!).toFixed(0)} %`, place, {align, size: 14});
    const loss = `loss ${cornerLosses[i]!.toFixed(2).replace('-', '−')}`;
    drawText(context, loss, {...place, y: place.y + 16}, {align, size: 12, weight: 400, fill: '--muted'});
  });
}
