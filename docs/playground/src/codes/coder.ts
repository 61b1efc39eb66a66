// What the lab asks of the model: the letters of a digit, and the digit of letters with each of them changed.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type DiscreteVAE, getEstimator, klToUniform, seeded, sumBinaryCrossentropy} from 'tfjs-moe';
import {PIXELS} from './asset.js';

/** A letter for each place: [numLatents], each from 0 to numCategories - 1. */
export type Code = readonly number[];

/** What the encoder says of a digit. */
export interface Encoding {
  /** The probability of each letter at each place, [numLatents * numCategories]. */
  probs: Float32Array;
  /** How far each place is from a letter at random, in nats, [numLatents]. */
  kl: Float32Array;
  /** The likeliest letters. */
  code: Code;
  /** What they cost to tell the digit, -ln p(digit | code), in nats. */
  cost: number;
}

/** A code, and all codes that differ from it in one place. */
export interface View {
  code: Code;
  /** The digit with the letter of a place changed, place by place, letter by letter: [numLatents * numCategories, PIXELS], 0 to 1. */
  pictures: Float32Array;
  /** What each of them costs to tell the input, -ln p(input | code), in nats. */
  costs: Float32Array;
}

/** The model with arrays in place of tensors. Nothing that it makes stays in memory. */
export class Coder {
  readonly #vae: DiscreteVAE;

  constructor(vae: DiscreteVAE) {
    this.#vae = vae;
  }

  get numLatents(): number {
    return this.#vae.latent.numLatents;
  }

  get numCategories(): number {
    return this.#vae.latent.numCategories;
  }

  /** The encoder's word on digits of PIXELS numbers each, in one batch. */
  async encode(digits: readonly Float32Array[]): Promise<Encoding[]> {
    const {numLatents, numCategories} = this;
    const units = numLatents * numCategories;
    const found = tf.tidy(() => {
      const x = batchOf(digits);
      const logits = tf.reshape(this.#vae.encoder.apply(x) as tf.Tensor, [-1, numLatents, numCategories]);
      const codes = this.#vae.encode(x);
      const costs = sumBinaryCrossentropy(x, this.#decode(codes));
      return {probs: tf.softmax(logits), kl: klToUniform(logits), codes, costs};
    });
    const {probs, kl, codes, costs} = await readAll(found);
    return digits.map((_, i) => ({
      probs: probs.slice(i * units, (i + 1) * units),
      kl: kl.slice(i * numLatents, (i + 1) * numLatents),
      code: [...codes.slice(i * numLatents, (i + 1) * numLatents)],
      cost: costs[i]!,
    }));
  }

  /** The pictures of a code and of its neighbours, in one batch, and what they cost for an input of PIXELS numbers. */
  async view(code: Code, input: Float32Array): Promise<View> {
    const {numLatents, numCategories} = this;
    const codes = neighbours(code, numCategories);
    const found = tf.tidy(() => {
      const logits = this.#decode(tf.tensor2d(codes.flat(), [codes.length, numLatents], 'int32'));
      const targets = tf.tile(tf.tensor2d(input, [1, PIXELS]), [codes.length, 1]);
      return {pictures: tf.sigmoid(logits), costs: sumBinaryCrossentropy(targets, logits)};
    });
    return {code, ...(await readAll(found))};
  }

  /** Letters drawn from the encoder's probabilities by the estimator with which the model was trained. */
  async draw({probs}: Encoding, seed: number): Promise<Code> {
    const {numLatents, numCategories} = this;
    const {estimator} = this.#vae.latent.getConfig();
    const drawn = tf.tidy(() => {
      // The logarithms of the probabilities are logits too; what is 0 in float32 is never drawn.
      const logits = tf.log(tf.tensor2d(probs, [numLatents, numCategories]));
      const estimate = getEstimator(estimator as Parameters<typeof getEstimator>[0]);
      const {sample} = estimate(logits, {temperature: this.#vae.latent.temperature, random: seeded(seed)});
      return tf.argMax(sample, -1);
    });
    return [...(await readAll({drawn})).drawn];
  }

  /** Letters drawn from the prior, under which all are equally likely. */
  drawPrior(seed: number): Code {
    return [...seeded(seed).uniform(this.numLatents)].map(u => Math.floor(u * this.numCategories));
  }

  /** Codes, int32 [batch, numLatents], to the logits of their pixels, [batch, PIXELS]; `DiscreteVAE.decode` gives the means alone. */
  #decode(codes: tf.Tensor2D): tf.Tensor2D {
    const categories = tf.range(0, this.numCategories, 1, 'int32');
    const oneHot = tf.cast(tf.equal(tf.expandDims(codes, -1), categories), 'float32');
    return this.#vae.decoder.apply(tf.reshape(oneHot, [codes.shape[0], -1])) as tf.Tensor2D;
  }
}

/** All codes that differ from one in at most one place, place by place, letter by letter; the code itself is among each place's. */
export function neighbours(code: Code, numCategories: number): Code[] {
  return code.flatMap((_, place) => Array.from({length: numCategories}, (_, letter) => changed(code, place, letter)));
}

/** A code with another letter at one place. */
export function changed(code: Code, place: number, letter: number): Code {
  return code.map((own, at) => (at === place ? letter : own));
}

/** The codes on the way from one to another, which change one letter after another from the first place on; both ends are among them. */
export function walk(from: Code, to: Code): Code[] {
  const way = [from];
  to.forEach((letter, place) => {
    const last = way.at(-1)!;
    if (last[place] !== letter) way.push(changed(last, place, letter));
  });
  return way;
}

/** Whether two codes have the same letter at each place. */
export function sameCode(one: Code, other: Code): boolean {
  return one.every((letter, place) => letter === other[place]);
}

/** Where a code stands among its own neighbours. */
export function ownIndex(code: Code): number {
  return code[0]!;
}

function batchOf(digits: readonly Float32Array[]): tf.Tensor2D {
  const values = new Float32Array(digits.length * PIXELS);
  digits.forEach((digit, i) => {
    values.set(digit, i * PIXELS);
  });
  return tf.tensor2d(values, [digits.length, PIXELS]);
}

/** The values of tensors, which are disposed. */
async function readAll<Name extends string>(tensors: Record<Name, tf.Tensor>): Promise<Record<Name, Float32Array>> {
  const named = Object.entries<tf.Tensor>(tensors).map(async ([name, tensor]) => [name, await tensor.data()] as const);
  const values = Object.fromEntries(await Promise.all(named)) as Record<Name, Float32Array>; // int32 where codes are
  tf.dispose(tensors);
  return values;
}
