// The code of a sampled VAE: independent discrete variables with a uniform prior, as the networks have them, flat.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from 'tfjs-moe/estimators';

/** What a code consists of. */
export interface CodeShape {
  /** How many variables. */
  numLatents: number;
  /** Of each. A variable of two is a bit: one number, and one log-odds. With more it is one-hot, with as many logits. */
  numCategories: number;
}

/** Whether the variables are bits. */
export function isBits({numCategories}: CodeShape): boolean {
  return numCategories === 2;
}

/** The numbers of a code, and its logits. */
export function codeUnits(shape: CodeShape): number {
  return isBits(shape) ? shape.numLatents : shape.numLatents * shape.numCategories;
}

/** [batch, units] -> [batch, numLatents, numCategories]; not for bits. */
export function byCategory(flat: tf.Tensor, {numLatents, numCategories}: CodeShape): tf.Tensor3D {
  return tf.reshape(flat, [-1, numLatents, numCategories]);
}

/** log q(b) = <b, logits> - this, also for a relaxed b whose categories sum to 1. [batch, units] -> [batch]. */
export function logNormaliser(logits: tf.Tensor2D, shape: CodeShape): tf.Tensor1D {
  const each = isBits(shape) ? tf.softplus(logits) : tf.logSumExp(byCategory(logits, shape), 2);
  return tf.sum(each, 1);
}

/** The code with the largest of each variable's entries, [batch, units]; `threshold` is where a bit begins to be 1. Has no gradient. */
export function largestEntries(entries: tf.Tensor2D, shape: CodeShape, threshold: number): tf.Tensor2D {
  if (isBits(shape)) return tf.cast(tf.greater<tf.Tensor2D>(entries, threshold), 'float32');
  const oneHot = tf.oneHot(tf.argMax(byCategory(entries, shape), 2), shape.numCategories);
  return tf.reshape(tf.cast(oneHot, 'float32'), entries.shape) as tf.Tensor2D;
}

/** Draws from q for each row of logits, [images, samples, units], made on the host. */
export async function drawCodes(
  logits: tf.Tensor2D,
  numSamples: number,
  random: RandomSource,
  shape: CodeShape,
): Promise<tf.Tensor3D> {
  const {numLatents, numCategories} = shape;
  const [images, units] = [logits.shape[0], codeUnits(shape)];
  const of = () => (isBits(shape) ? tf.sigmoid(logits) : tf.softmax(byCategory(logits, shape)));
  const probs = await tf.tidy(of).data();
  const codes = new Float32Array(images * numSamples * units);
  const uniforms = random.uniform(images * numSamples * numLatents);
  for (let i = 0, at = 0; i < images; ++i) {
    for (let sample = 0; sample < numSamples; ++sample) {
      for (let latent = 0; latent < numLatents; ++latent, ++at) {
        const u = uniforms[at]!;
        if (isBits(shape)) {
          codes[at] = u < probs[i * units + latent]! ? 1 : 0;
          continue;
        }
        const first = i * units + latent * numCategories;
        let category = 0;
        // Rounding may leave the sum below u; then it is the last category.
        for (let sum = probs[first]!; u >= sum && category < numCategories - 1; sum += probs[first + category]!)
          ++category;
        codes[at * numCategories + category] = 1;
      }
    }
  }
  return tf.tensor3d(codes, [images, numSamples, units]);
}

/** Draws from the prior, [count, units] flat. */
export function priorCodes(count: number, random: RandomSource, shape: CodeShape): Float32Array {
  const {numLatents, numCategories} = shape;
  const uniforms = random.uniform(count * numLatents);
  if (isBits(shape)) return Float32Array.from(uniforms, u => (u < 0.5 ? 0 : 1));
  const codes = new Float32Array(count * codeUnits(shape));
  uniforms.forEach((u, i) => {
    codes[i * numCategories + Math.floor(u * numCategories)] = 1;
  });
  return codes;
}
