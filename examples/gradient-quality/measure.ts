// Measures every estimator at the encoder's logits of some images, against the exact gradient.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from 'tfjs-moe/estimators';
import {
  allCodes,
  type CodeSize,
  codeProbabilities,
  countCodes,
  drawCodes,
  exactGradient,
  latentProbabilities,
} from './codes.js';
import {decodeAll, type SplitDecoder} from './decoder.js';
import {drawEstimates} from './estimates.js';
import type {Variant} from './settings.js';
import {
  type BatchFigures,
  figuresOf,
  figuresOfBatch,
  type ImageFigures,
  type ImageSums,
  type MeanOverImages,
  meanOverImages,
} from './statistics.js';

/** What was found for a variant; the figures are means over images, but for those of the batch. */
export type VariantFigures = Variant & {
  [figure in keyof ImageFigures]: null extends ImageFigures[figure] ? MeanOverImages | null : MeanOverImages;
} & {batch: BatchFigures};

/** A measurement. */
export interface Measurement {
  /** Mean over images of ||exact gradient||. */
  gradientNorm: number;
  /** Mean over images of E loss, in nats. */
  loss: number;
  /** Mean over images of the probability of the likeliest code. */
  topProbability: number;
  variants: VariantFigures[];
}

/** What is measured on. */
export interface Subject {
  size: CodeSize;
  /** [images, code units]: the encoder's logits. */
  logits: tf.Tensor2D;
  /** [images, pixels]. */
  pixels: tf.Tensor2D;
  decoder: SplitDecoder;
}

/** The third word of the ids of random streams; the variants follow from 1 on. */
const CODES = 0;

/**
 * Compares draws of each variant's gradient of the expected reconstruction loss with the exact one, an image at a time. The divergence from
 * the prior has an exact gradient with every estimator and is left out.
 *
 * @param random Split by image and variant.
 */
export async function measure(
  {size, logits, pixels, decoder}: Subject,
  variants: readonly Variant[],
  draws: number,
  random: RandomSource,
): Promise<Measurement> {
  const width = size.numLatents * size.numCategories;
  const codes = allCodes(size);
  const codeTensor = tf.tensor2d(codes, [countCodes(size), width]);
  const decoded = decodeAll(decoder, codeTensor);
  const count = pixels.shape[0];
  const exacts: Float64Array[] = [];
  const found: (ImageFigures & ImageSums)[][] = variants.map(() => []);
  let [loss, topProbability] = [0, 0];
  try {
    for (let i = 0; i < count; ++i) {
      await setImmediate();
      const row = tf.slice(pixels, [i, 0], [1, -1]);
      const tensors = tf.tidy(() => [tf.slice(logits, [i, 0], [1, -1]), decoded.losses(row), decoded.gradients(row)]);
      const [ownLogits, losses, lossGradients] = (await Promise.all(tensors.map(x => x.data()))) as Float32Array[];
      tf.dispose(tensors);
      const probs = latentProbabilities(ownLogits!, size);
      const codeProbs = codeProbabilities(probs, size);
      const exact = exactGradient(codeProbs, probs, losses!, size);
      exacts.push(exact);
      loss += codeProbs.reduce((sum, q, code) => sum + q * losses![code]!, 0) / count;
      topProbability += codeProbs.reduce((most, q) => Math.max(most, q), 0) / count;
      const drawn = drawCodes(codeProbs, draws, random.split(i, CODES));
      const image = {
        size,
        logits: ownLogits!,
        pixels: row,
        losses: losses!,
        lossGradients: lossGradients!,
        codes,
        drawn,
      };
      for (const [v, variant] of variants.entries()) {
        const {rows, isEnumerated} = await drawEstimates(variant, image, decoder, random.split(i, 1 + v));
        found[v]!.push(
          isEnumerated
            ? figuresOf({exact, rows, drawn, probabilities: codeProbs})
            : figuresOf({exact, rows, drawn: drawn.map((_, draw) => draw)}),
        );
      }
      row.dispose();
    }
  } finally {
    decoded.dispose();
    codeTensor.dispose();
  }
  const norms = exacts.map(exact => Math.hypot(...exact));
  return {
    gradientNorm: norms.reduce((sum, norm) => sum + norm / count, 0),
    loss,
    topProbability,
    variants: variants.map((variant, v) => summarise(variant, exacts, found[v]!)),
  };
}

function summarise(
  variant: Variant,
  exacts: readonly Float64Array[],
  images: readonly (ImageFigures & ImageSums)[],
): VariantFigures {
  const over = (figure: keyof ImageFigures) => meanOverImages(images.map(image => image[figure]));
  return {
    ...variant,
    bias: over('bias')!,
    deviation: over('deviation')!,
    cosine: over('cosine')!,
    singleCosine: over('singleCosine')!,
    expectedBias: over('expectedBias'),
    expectedCosine: over('expectedCosine'),
    batch: figuresOfBatch(exacts, images),
  };
}
