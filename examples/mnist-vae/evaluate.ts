// How well a network codes held-out digits.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import type {DiscreteVAE} from 'tfjs-moe/layers';
import {type DigitSet, PIXELS} from '../data/mnist.js';
import {pixelRows} from '../data/pixel-rows.js';
import {lossParts} from './model.js';

/** What evaluation found, in nats a digit. */
export interface Evaluation {
  /** Negative evidence lower bound with one draw of the code: the sum of the other two. */
  negativeElbo: number;
  reconstruction: number;
  kl: number;
  count: number;
}

const BATCH = 500;
/** The draws of the codes are the same for each evaluation. */
const DRAWS = 2023;

/** Runs the network over digits, with one draw of the code for each. */
export async function evaluate(vae: DiscreteVAE, digits: DigitSet): Promise<Evaluation> {
  let [reconstruction, kl] = [0, 0];
  for (let begin = 0; begin < digits.count; begin += BATCH) {
    const rows = Uint32Array.from({length: Math.min(BATCH, digits.count - begin)}, (_, i) => begin + i);
    const sums = tf.tidy(() => {
      const x = tf.tensor2d(pixelRows(digits.images, rows), [rows.length, PIXELS]);
      return tf.stack(lossParts(vae, x, seeded(DRAWS).split(begin)).map(part => tf.sum(part)));
    });
    const [reconstructionSum, klSum] = (await sums.data()) as unknown as [number, number];
    sums.dispose();
    reconstruction += reconstructionSum;
    kl += klSum;
  }
  const {count} = digits;
  return {
    negativeElbo: (reconstruction + kl) / count,
    reconstruction: reconstruction / count,
    kl: kl / count,
    count,
  };
}

/** In words; training and --evaluate print the same line. */
export function describeEvaluation({negativeElbo, reconstruction, kl, count}: Evaluation): string {
  return (
    `test -ELBO ${negativeElbo.toFixed(2)} nats: reconstruction ${reconstruction.toFixed(2)}, KL ${kl.toFixed(2)} ` +
    `(${count.toLocaleString('en-US')} held-out digits, one draw each)`
  );
}
