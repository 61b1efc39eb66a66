// The pre-trained model and its digits, as scripts/export-playground-vae.mts left them.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {DiscreteVAE} from 'tfjs-moe';

/** Pixels of an image, which is square. */
export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

/** The model's userDefinedMetadata. */
export interface About {
  /** What trains and exports the model. */
  command: string;
  /** In nats a digit, with one draw of the code each, of the model as it is saved. */
  figures: {testNegativeElbo: number; testReconstruction: number; testKl: number; testCount: number};
  digits: {
    file: string;
    /** A class for each digit of the file. */
    labels: number[];
    /** Where each stood among the 10,000 held-out digits. */
    rows: number[];
    /** Their own mean -ELBO. */
    negativeElbo: number;
  };
}

/** A held-out digit. */
export interface Digit {
  label: number;
  /** [PIXELS], from 0 (paper) to 1 (ink). */
  pixels: Float32Array;
}

/** What the lab starts from. Whoever loads it disposes `vae.model`. */
export interface Asset {
  vae: DiscreteVAE;
  about: About;
  digits: Digit[];
}

/**
 * Loads the asset.
 *
 * @param base The address of its folder, with a slash at the end.
 * @throws Error where a file is missing or is no such model.
 */
export async function loadAsset(base: string): Promise<Asset> {
  const model = await tfl.loadLayersModel(new URL('model.json', base).href);
  const about = model.getUserDefinedMetadata() as About;
  const response = await fetch(new URL(about.digits.file, base));
  if (!response.ok) throw new Error(`the digits are missing: ${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return {vae: new DiscreteVAE(model), about, digits: readDigits(bytes, about.digits.labels)};
}

/** Bytes from 0 (paper) to 255 (ink), PIXELS a digit, as numbers. */
export function readDigits(bytes: Uint8Array, labels: readonly number[]): Digit[] {
  return labels.map((label, i) => ({
    label,
    pixels: Float32Array.from(bytes.subarray(i * PIXELS, (i + 1) * PIXELS), byte => byte / 255),
  }));
}
