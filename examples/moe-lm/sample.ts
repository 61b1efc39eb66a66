// Text that the network writes by itself.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from 'tfjs-moe/estimators';
import type {LanguageModel} from './model.js';

/** How to write. */
export interface SampleOptions {
  /** Bytes that stand before; one at least. */
  prompt: Uint8Array;
  /** How many bytes to write. */
  count: number;
  /** What the logits are divided by: below 1 the likely becomes likelier. Above 0. */
  temperature: number;
  random: RandomSource;
}

/** Draws bytes one by one, each from what the network foretells after those before it. */
export async function sampleBytes(
  {model, context}: LanguageModel,
  {prompt, count, temperature, random}: SampleOptions,
): Promise<Uint8Array> {
  const text = Int32Array.from({length: prompt.length + count});
  text.set(prompt);
  const uniforms = random.uniform(count);
  for (let i = 0; i < count; ++i) {
    const end = prompt.length + i;
    const logits = tf.tidy(() => {
      const seen = text.slice(Math.max(0, end - context), end);
      const all = model.predict(tf.tensor2d(seen, [1, seen.length], 'int32')) as tf.Tensor3D;
      return tf.reshape(tf.slice(all, [0, seen.length - 1, 0], [1, 1, -1]), [-1]);
    });
    text[end] = draw((await logits.data()) as Float32Array, temperature, uniforms[i]!);
    logits.dispose();
  }
  return Uint8Array.from(text.subarray(prompt.length));
}

/** The category in which the uniform falls when [0, 1) is parted by softmax(logits / temperature). */
export function draw(logits: Float32Array, temperature: number, uniform: number): number {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, logit => Math.exp((logit - highest) / temperature));
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex(weight => {
    left -= weight;
    return left < 0;
  });
  return found === -1 ? logits.indexOf(highest) : found; // rounding alone leads past the last
}

/** Bytes as text for a terminal: what is no text, and what would move the cursor, becomes a dot. */
export function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/[^\P{Cc}\n\t]|\uFFFD/gu, '·');
}

/** How many bytes of the held-out text stand before a sample if the user gives none. */
const PROMPT = 64;

/** The beginning of the held-out text from its first whole line on. */
export function defaultPrompt(heldOut: Uint8Array): Uint8Array {
  const begin = heldOut.indexOf(10) + 1;
  const prompt = heldOut.subarray(begin, begin + PROMPT);
  return prompt.length > 0 ? prompt : heldOut.subarray(0, PROMPT);
}
