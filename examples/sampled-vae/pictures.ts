// What a network has learned, to look at.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {PIXELS} from '../data/image-files.js';
import type {Images} from '../data/images.js';
import {pixelRows} from '../data/pixel-rows.js';
import {pairRows, saveImageGrid} from '../shared/image-grid.js';
import {spreadRows} from '../shared/rows.js';
import {codeUnits, largestEntries, priorCodes} from './code.js';
import type {Vae} from './model.js';

/** The files of pictures. */
export const PICTURES = {reconstructions: 'reconstructions.png', samples: 'samples.png'} as const;

const COLUMNS = 16;
const RECONSTRUCTED = 64;
const SAMPLED = 128;
/** The pixels of the originals and the codes of the samples are the same for each network. */
const DRAWS = 7;

/** Draws held-out images above what their likeliest codes stand for, and images of codes drawn from the prior. */
export async function savePictures(output: string, vae: Vae, {test, isBinary}: Images): Promise<void> {
  const rows = spreadRows(Math.min(RECONSTRUCTED, test.count), test.count);
  const originals = pixelRows(test.images, rows, {isBinary, random: seeded(DRAWS).split(0)});
  const prior = priorCodes(SAMPLED, seeded(DRAWS).split(1), vae.code);
  const pictures = tf.tidy(() => {
    const means = (codes: tf.Tensor) => tf.sigmoid(vae.decoder.apply(codes) as tf.Tensor);
    const logits = vae.encoder.apply(tf.tensor2d(originals, [rows.length, PIXELS])) as tf.Tensor2D;
    const likeliest = largestEntries(logits, vae.code, 0);
    return [means(likeliest), means(tf.tensor2d(prior, [SAMPLED, codeUnits(vae.code)]))];
  });
  const [reconstructed, sampled] = (await Promise.all(pictures.map(picture => picture.data()))) as Float32Array[];
  tf.dispose(pictures);
  await saveImageGrid(join(output, PICTURES.reconstructions), pairRows(originals, reconstructed!, COLUMNS), {
    columns: COLUMNS,
  });
  await saveImageGrid(join(output, PICTURES.samples), sampled!, {columns: COLUMNS});
}
