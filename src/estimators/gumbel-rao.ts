// Gumbel-Rao: straight-through Gumbel-softmax, Rao-Blackwellised over the noise that leaves the draw as it is.
// Paulus, Maddison and Krause 2021, https://arxiv.org/abs/2010.04838. Departure from the paper's text, as in its published code and in
// SynJax: no gradient is taken through the dependence of the conditional noise on the logits; with it the estimator's mean changes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount} from '../errors.js';
import {customGradient} from '../ops/custom-gradient.js';
import {hasKernel, runKernel} from '../ops/fused-kernel.js';
import {relativeLogits} from '../ops/relative-logits.js';
import {softmaxGradient} from '../ops/softmax-gradient.js';
import {conditionalGumbel} from '../random/conditional-gumbel.js';
import {gumbelNoise} from '../random/gumbel.js';
import {type RandomSource, takeBlocks} from '../random/random-source.js';
import {drawOneHot} from './draw.js';
import {resolveOptions} from './resolve-options.js';
import type {DiscreteSample, EstimatorOptions} from './types.js';

/** Options of `gumbelRao`. */
export interface GumbelRaoOptions extends EstimatorOptions {
  /** K, the number of conditional noise samples that the gradient averages over, at least 1. Default 100. */
  numSamples?: number;
}

/** A kernel that makes the noise as it needs it. */
const KERNEL = 'GumbelRaoGradient';

/** Noise values held at one time, 4 bytes each, in nine arrays at the most: 40 MB, or four samples where that is more, whatever numSamples. */
const CHUNK_VALUES = 2 ** 20;

/**
 * Gumbel-Rao Monte Carlo (GR-MCK): a one-hot sample whose gradient is the straight-through Gumbel-softmax one, averaged over K draws of
 * the noise given the sample.
 *
 * The draw is from softmax(logits). With c^k the logits perturbed by Gumbel noise on condition that the drawn category wins, and
 * s^k = softmax(c^k / temperature), the gradient is the mean over k of s^k * (g - <s^k, g>) / temperature. Its mean is that of
 * `straightThroughGumbelSoftmax` for every K, its variance never larger; the loss is evaluated once.
 *
 * The conditional noise is drawn in the backward pass, in chunks of bounded memory or, by a kernel of tfjs-moe/wasm, as it is used up: a
 * forward pass alone costs one uniform a row.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.numSamples K, at least 1. Default 100.
 * @param options.temperature Dimensionless, > 0. Towards 0, with many samples, the gradient becomes that of ReinMax. Default 1.
 * @param options.random Source of noise: one uniform a row forward, K a category backward. Default: a fresh unseeded source.
 * @param options.given One-hot to use in place of a draw.
 * @returns sample: [..., categories], one-hot, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature, number of samples or shape, and for a row of logits with nothing to choose from.
 */
export function gumbelRao(logits: tf.Tensor, {numSamples = 100, ...options}: GumbelRaoOptions = {}): DiscreteSample {
  const owner = 'gumbelRao';
  const resolved = resolveOptions(owner, logits, options);
  checkCount(owner, 'numSamples', numSamples, 1);
  const {temperature, random} = resolved;
  return tf.tidy(() => {
    const probs = tf.softmax(logits);
    const sample = customGradient(logits, (theta, save) => {
      const hard = drawOneHot(owner, probs, resolved);
      save([relativeLogits(theta), hard]);
      return {
        value: hard,
        gradient: (g, [savedTheta, savedHard]) => {
          const terms = {logits: savedTheta!, hard: savedHard!, g};
          const blocks = hasKernel(KERNEL) ? takeBlocks(random, numSamples * g.size) : undefined;
          return blocks
            ? runKernel(KERNEL, {...terms}, {...blocks, numSamples, temperature})[0]!
            : meanGradient(terms, numSamples, temperature, random);
        },
      };
    });
    return {sample, probs};
  });
}

/** What the gradient is made of: the logits, the draw, and the gradient with respect to the draw. */
interface Terms {
  logits: tf.Tensor;
  hard: tf.Tensor;
  g: tf.Tensor;
}

/** The mean over the noise samples of the gradient of the softmax, chunk by chunk. */
function meanGradient(terms: Terms, numSamples: number, temperature: number, random: RandomSource): tf.Tensor {
  const {size} = terms.g;
  const chunk = Math.max(4, 4 * Math.floor(CHUNK_VALUES / (4 * Math.max(1, size)))); // fours end where a block of the stream ends
  let total = sumGradients(terms, Math.min(chunk, numSamples), temperature, random);
  for (let done = chunk; done < numSamples; done += chunk) {
    const former = total;
    const part = sumGradients(terms, Math.min(chunk, numSamples - done), temperature, random);
    total = tf.add(former, part);
    tf.dispose([former, part]);
  }
  return tf.div(total, numSamples * temperature);
}

/** The sum over `count` noise samples, times the temperature. */
function sumGradients({logits, hard, g}: Terms, count: number, temperature: number, random: RandomSource): tf.Tensor {
  return tf.tidy(() => {
    const noise = gumbelNoise([count, ...logits.shape], random);
    const soft = tf.softmax(tf.div(conditionalGumbel(logits, hard, noise), temperature));
    return tf.sum(softmaxGradient(soft, g), 0);
  });
}
