// What a network has learned, to look at.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import type {DiscreteVAE} from 'tfjs-moe/layers';
import {type DigitSet, PIXELS} from '../data/mnist.js';
import {pixelRows} from '../data/pixel-rows.js';
import {pairRows, saveImageGrid} from '../shared/image-grid.js';

/** The files of pictures. */
export const PICTURES = {reconstructions: 'reconstructions.png', samples: 'samples.png'} as const;

const COLUMNS = 16;
const RECONSTRUCTED = 64;
const SAMPLED = 128;
/** The codes of the samples are the same for each network. */
const PRIOR = 7;

/** Draws held-out digits above their reconstructions, and digits of codes drawn from the prior. */
export async function savePictures(output: string, vae: DiscreteVAE, digits: DigitSet): Promise<void> {
  const rows = Uint32Array.from({length: Math.min(RECONSTRUCTED, digits.count)}, (_, i) => i);
  const originals = pixelRows(digits.images, rows);
  const [reconstructions, samples] = tf.tidy(() => [
    vae.reconstruct(tf.tensor2d(originals, [rows.length, PIXELS])),
    vae.sample(SAMPLED, seeded(PRIOR)),
  ]);
  const [reconstructed, sampled] = (await Promise.all([reconstructions!.data(), samples!.data()])) as Float32Array[];
  tf.dispose([reconstructions!, samples!]);
  await saveImageGrid(join(output, PICTURES.reconstructions), pairRows(originals, reconstructed!, COLUMNS), {
    columns: COLUMNS,
  });
  await saveImageGrid(join(output, PICTURES.samples), sampled!, {columns: COLUMNS});
}
