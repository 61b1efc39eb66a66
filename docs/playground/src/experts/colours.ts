// Colours of the page as numbers, for pictures that are made pixel by pixel.
// SPDX-License-Identifier: Apache-2.0
import {color} from '../theme.js';

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** As many experts have a colour of their own. */
export const NUM_COLOURS = 8;

/** The variable of style.css that holds an expert's colour. */
export function expertVariable(expert: number): `--${string}` {
  return `--series-${expert + 1}`;
}

/** What a picture of the plane is drawn with. */
export interface Palette {
  ink: Rgb;
  surface: Rgb;
  experts: Rgb[];
}

/** The colours of the theme in force. */
export function currentPalette(): Palette {
  return {
    ink: toRgb(color('--ink')),
    surface: toRgb(color('--surface')),
    experts: Array.from({length: NUM_COLOURS}, (_, expert) => toRgb(color(expertVariable(expert)))),
  };
}

/** As CSS writes it. */
export function cssColour([red, green, blue]: Rgb, opacity = 1): string {
  return `rgb(${red} ${green} ${blue} / ${opacity})`;
}

/** The canvas knows every way in which a colour can be written. */
function toRgb(text: string): Rgb {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true})!;
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}
