// The networks of a VAE whose code is drawn, and its bound.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {sumBinaryCrossentropy} from 'tfjs-moe/training';
import {PIXELS} from '../data/image-files.js';
import {type CodeShape, codeUnits, logNormaliser} from './code.js';
import type {Design} from './design.js';

const ENCODER = 'encoder';
const DECODER = 'decoder';
/** The first word of the ids of random streams; see training.ts. */
const WEIGHTS = 0;

/** The two halves, and one model of both, to save. */
export interface Vae {
  /** Has both halves for layers; what it computes is of no use. */
  model: tfl.LayersModel;
  /** Images [batch, PIXELS] of 0 and 1 -> logits of the code, [batch, units]. */
  encoder: tfl.LayersModel;
  /** Codes [batch, units] -> log-odds of the pixels, [batch, PIXELS]. */
  decoder: tfl.LayersModel;
  code: CodeShape;
}

/** Dense networks with Glorot's uniform weights drawn from the seed, and biases of 0. */
export function createVae(design: Design, seed: number): Vae {
  const {program, hiddenUnits, leak, numLatents, numCategories} = design;
  const units = codeUnits(design);
  const random = seeded(seed).split(WEIGHTS);
  const encoder = network(ENCODER, [PIXELS, ...hiddenUnits, units], leak, random.split(0));
  const decoder = network(DECODER, [units, ...hiddenUnits.toReversed(), PIXELS], leak, random.split(1));
  const [images, codes] = [PIXELS, units].map(units => tfl.input({shape: [units]})) as [
    tfl.SymbolicTensor,
    tfl.SymbolicTensor,
  ];
  const outputs = [encoder.apply(images), decoder.apply(codes)] as tfl.SymbolicTensor[];
  const model = tfl.model({inputs: [images, codes], outputs, name: program.replaceAll('-', '_')});
  return {model, encoder, decoder, code: {numLatents, numCategories}};
}

/** Finds the halves in a model that was saved and loaded. @throws ValueError for a model of something else. */
export function vaeOf(model: tfl.LayersModel, {numLatents, numCategories}: CodeShape): Vae {
  const [encoder, decoder] = [ENCODER, DECODER].map(name => model.layers.find(layer => layer.name === name));
  if (!(encoder instanceof tfl.LayersModel && decoder instanceof tfl.LayersModel)) {
    throw new ValueError(`--evaluate: the model must have the layers ${ENCODER} and ${DECODER}.`);
  }
  return {model, encoder, decoder, code: {numLatents, numCategories}};
}

function network(name: string, widths: readonly number[], leak: number, random: RandomSource): tfl.Sequential {
  const [inputUnits, ...outputs] = widths as [number, ...number[]];
  const layers = outputs.flatMap((units, i) => {
    const isLast = i === outputs.length - 1;
    const dense = tfl.layers.dense({
      name: `${name}_${i}`,
      units,
      ...(i === 0 && {inputShape: [inputUnits]}),
      ...(!isLast && leak === 0 && {activation: 'relu'}),
      kernelInitializer: tfl.initializers.glorotUniform({
        seed: Math.floor(random.split(i).uniform(1)[0]! * 2 ** 31),
      }),
    });
    return isLast || leak === 0 ? [dense] : [dense, tfl.layers.leakyReLU({name: `${name}_leaky_${i}`, alpha: leak})];
  });
  return tfl.sequential({name, layers});
}

/** f(b) = -(log p(x | b) + log p(b) - log q(b | x)) of a batch of images, in nats, [batch]; its mean over q is -ELBO. */
export interface NegativeElbo {
  /** f, the sum of the other two. */
  ofCodes(codes: tf.Tensor2D): tf.Tensor1D;
  /** -log p(x | b). */
  reconstruction(codes: tf.Tensor2D): tf.Tensor1D;
  /** log q(b | x) - log p(b), linear in the code; no gradient flows to the logits. */
  codeCost(codes: tf.Tensor2D): tf.Tensor1D;
}

/**
 * The bound of images with a uniform prior.
 *
 * The logits are cut from the tape. What is lost is the gradient of log q(b | x) with respect to them at a fixed b, whose mean over q is
 * zero; the code of Shi et al. leaves it out too.
 */
export function negativeElbo({decoder, code}: Vae, x: tf.Tensor2D, logits: tf.Tensor2D): NegativeElbo {
  const [odds, constant] = [cutOff(() => tf.clone(logits)), cutOff(() => codeConstant(logits, code))];
  const reconstruction = (codes: tf.Tensor2D) => sumBinaryCrossentropy(x, decoder.apply(codes) as tf.Tensor);
  const codeCost = (codes: tf.Tensor2D) => tf.add(tf.sum(tf.mul(codes, odds), 1), constant) as tf.Tensor1D;
  return {reconstruction, codeCost, ofCodes: codes => tf.add(reconstruction(codes), codeCost(codes))};
}

/** What log q(b | x) - log p(b) is beside <b, logits>: -log p(b) less the normaliser of q, [batch]. */
export function codeConstant(logits: tf.Tensor2D, code: CodeShape): tf.Tensor1D {
  return tf.sub(code.numLatents * Math.log(code.numCategories), logNormaliser(logits, code));
}

/** fn(), computed off the tape; a tensor of its own. */
function cutOff<T extends tf.Tensor>(fn: () => T): T {
  return tf.customGrad(() => ({value: fn(), gradFunc: () => []}))() as T;
}
