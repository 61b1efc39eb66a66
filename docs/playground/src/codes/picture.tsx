// An image of 28 x 28 in the page's colours, alone or against another, with what is new and what is gone in colours of their own.
// SPDX-License-Identifier: Apache-2.0
import {useLayoutEffect, useRef} from 'preact/hooks';
import {color, useTheme} from '../theme.js';
import {PIXELS, SIDE} from './asset.js';

interface PictureProps {
  /** [PIXELS], from 0 (paper) to 1 (ink). */
  pixels: Float32Array;
  /** Draws the difference from these. */
  reference?: Float32Array | undefined;
  /** For one that is not described by what is around it. */
  label?: string;
}

type Rgb = readonly [number, number, number];

/** As large as its style says; one pixel of the canvas is one of the image. */
export function Picture({pixels, reference, label}: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  // The theme too: the colours change with it.
  useLayoutEffect(() => paint(canvas.current!, pixels, reference), [pixels, reference, theme]);
  return (
    <canvas
      ref={canvas}
      class="picture"
      width={SIDE}
      height={SIDE}
      {...(label === undefined ? {'aria-hidden': true} : {role: 'img', 'aria-label': label})}
    />
  );
}

function paint(canvas: HTMLCanvasElement, pixels: Float32Array, reference = pixels): void {
  const [ink, more, less] = [rgb('--ink'), rgb('--series-1'), rgb('--series-2')];
  const image = new ImageData(SIDE, SIDE);
  for (let i = 0; i < PIXELS; ++i) {
    const [now, before] = [pixels[i]!, reference[i]!];
    const all = Math.max(now, before, 1e-6); // of the pixel's paint: what both have, and what one has more
    const [both, gained, lost] = [
      Math.min(now, before) / all,
      Math.max(0, now - before) / all,
      Math.max(0, before - now) / all,
    ];
    for (let k = 0; k < 3; ++k) {
      image.data[4 * i + k] = both * ink[k]! + gained * more[k]! + lost * less[k]!;
    }
    image.data[4 * i + 3] = 255 * Math.max(now, lost * all);
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

/** A colour of style.css, which writes them as #rrggbb. */
function rgb(variable: `--${string}`): Rgb {
  const hex = color(variable);
  return [1, 3, 5].map(at => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}
