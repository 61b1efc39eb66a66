// A variational autoencoder whose code is discrete: encoder, categorical variables, decoder.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkCount, checkShape, show, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {toFloat} from '../ops/to-float.js';
import {type RandomSource, unseeded} from '../random/random-source.js';
import {CategoricalLatent, categoricalLatent} from './categorical-latent.js';
import type {CategoricalLatentArgs} from './categorical-latent-args.js';
import {type Activation, denseNetwork} from './dense-network.js';
import type {LayerArgs} from './tfjs-types.js';

/** Arguments of `discreteVAE`: those of `categoricalLatent`, and what stands around it. */
export interface DiscreteVAEArgs extends Omit<CategoricalLatentArgs, keyof LayerArgs> {
  /** How many values an example has, such as the pixels of an image; at least 1. */
  inputUnits: number;
  /** Widths of the encoder's hidden layers, each at least 1; the decoder's are the same in reverse. Default [512, 256]. */
  hiddenUnits?: number[];
  /** Activation of the hidden layers, by tfjs' name. Default 'relu'. */
  activation?: Activation;
  /**
   * A model of your own from [batch, inputUnits] to logits [batch, numLatents * numCategories], in place of dense layers. It stays yours: it
   * keeps its name, and shares its weights.
   */
  encoder?: tfl.LayersModel;
  /** A model of your own from codes [batch, numLatents * numCategories] to logits [batch, inputUnits], likewise. */
  decoder?: tfl.LayersModel;
}

const ENCODER = 'encoder';
const LATENT = 'latent';
const DECODER = 'decoder';

/** A discrete VAE: one model to train and save, and what one does with it afterwards. Made by `discreteVAE`. */
export class DiscreteVAE {
  /** [batch, inputUnits] -> logits [batch, inputUnits]: compile it with `sumBinaryCrossentropy`, fit it, save it. */
  readonly model: tfl.LayersModel;
  /** [batch, inputUnits] -> the logits of the latent variables, [batch, numLatents * numCategories]; shares its weights with the model. */
  readonly encoder: tfl.LayersModel;
  /** The layer in the middle. */
  readonly latent: CategoricalLatent;
  /** One-hot codes [batch, numLatents * numCategories] -> logits [batch, inputUnits]; shares its weights with the model. */
  readonly decoder: tfl.LayersModel;

  /**
   * Finds the parts of a model that `discreteVAE` built, also one that was saved and loaded.
   *
   * @throws ValueError if the model has no layers encoder, latent and decoder.
   */
  constructor(model: tfl.LayersModel) {
    const find = (name: string) => model.layers.find(layer => layer.name === name);
    const [encoder, latent, decoder] = [find(ENCODER), find(LATENT), find(DECODER)];
    const isWhole =
      encoder instanceof tfl.LayersModel && latent instanceof CategoricalLatent && decoder instanceof tfl.LayersModel;
    if (!isWhole) {
      throw new ValueError(
        `DiscreteVAE: model must be one of discreteVAE, with layers ${ENCODER}, ${LATENT} and ${DECODER}, ` +
          `but got layers ${show(model.layers.map(layer => layer.name))}.`,
      );
    }
    this.model = model;
    this.encoder = encoder;
    this.latent = latent;
    this.decoder = decoder;
  }

  /**
   * The likeliest code of each example.
   *
   * @param x [batch, inputUnits].
   * @returns int32 [batch, numLatents], each from 0 to numCategories - 1; owned by the caller.
   * @throws ValueError, where tensors are kept on the host, for logits with NaN.
   */
  encode(x: tf.Tensor): tf.Tensor2D {
    const {numLatents, numCategories} = this.latent;
    return tf.tidy(() => {
      const codes = this.#codes(x); // the layer's choice, which is no number where there is none
      return tf.argMax(tf.reshape(codes, [-1, numLatents, numCategories]), -1) as tf.Tensor2D;
    });
  }

  /**
   * What codes stand for.
   *
   * @param codes int32 [batch, numLatents], as `encode` gives them.
   * @returns float32 [batch, inputUnits], from 0 to 1: the mean of each value given the code; owned by the caller.
   * @throws ValueError for another shape, and, where tensors are kept on the host, for a code that is no category.
   */
  decode(codes: tf.Tensor): tf.Tensor2D {
    const {numLatents, numCategories} = this.latent;
    checkShape('DiscreteVAE.decode', 'codes', codes.shape, [null, numLatents], '[batch, numLatents]');
    if (isOnHost())
      for (const code of hostRead(codes)) checkCount('DiscreteVAE.decode', 'codes', code, 0, numCategories - 1);
    return tf.tidy(() => {
      const categories = tf.range(0, numCategories, 1, 'int32');
      const oneHot = toFloat(tf.equal(tf.expandDims(tf.cast(codes, 'int32'), -1), categories));
      return this.#means(tf.reshape(oneHot, [-1, numLatents * numCategories]));
    });
  }

  /**
   * Examples as the likeliest code gives them back.
   *
   * @param x [batch, inputUnits].
   * @returns float32 [batch, inputUnits], from 0 to 1; owned by the caller.
   */
  reconstruct(x: tf.Tensor): tf.Tensor2D {
    return tf.tidy(() => this.#means(this.#codes(x)));
  }

  /**
   * New examples, of codes drawn from the uniform prior.
   *
   * @param count How many.
   * @param random Source of the codes, one uniform a variable. Default: a fresh unseeded one.
   * @returns float32 [count, inputUnits], from 0 to 1; owned by the caller.
   */
  sample(count: number, random: RandomSource = unseeded()): tf.Tensor2D {
    checkCount('DiscreteVAE.sample', 'count', count, 1);
    const {numLatents, numCategories} = this.latent;
    const codes = Int32Array.from(random.uniform(count * numLatents), u => Math.floor(u * numCategories));
    return tf.tidy(() => this.decode(tf.tensor2d(codes, [count, numLatents], 'int32')));
  }

  /** The likeliest code, one-hot. */
  #codes(x: tf.Tensor): tf.Tensor {
    return this.latent.apply(this.encoder.apply(x) as tf.Tensor) as tf.Tensor;
  }

  #means(codes: tf.Tensor): tf.Tensor2D {
    return tf.sigmoid(this.decoder.apply(codes) as tf.Tensor2D);
  }
}

/**
 * Builds a discrete VAE: encoder, `categoricalLatent`, decoder.
 *
 * Trained with `sumBinaryCrossentropy`, the model's loss is the negative evidence lower bound with one draw, in nats: the cross entropy of the
 * inputs given a draw of the code, and the divergence of the code from the uniform prior, which the layer adds. The networks are dense with
 * a linear last layer, all weights uniform in +-1 / sqrt(inputs) at first, as in Liu et al. 2023 (https://arxiv.org/abs/2304.08612); or
 * your own.
 *
 * @param args inputUnits, numLatents and numCategories; the rest has defaults.
 * @returns The model and its parts. After `tfl.loadLayersModel`, `new DiscreteVAE(model)` finds them again.
 * @throws ValueError for arguments out of range, and for models of your own that do not fit.
 * @example
 * ```ts
 * const vae = discreteVAE({inputUnits: 784, numLatents: 4, numCategories: 8, estimator: 'reinmax', temperature: 1.3});
 * vae.model.compile({optimizer: tf.train.adam(5e-4), loss: sumBinaryCrossentropy});
 * await vae.model.fit(digits, digits, {epochs: 1, batchSize: 100});
 * const pictures = vae.sample(10, seeded(0)); // [10, 784]
 * ```
 */
export function discreteVAE(args: DiscreteVAEArgs): DiscreteVAE {
  const {inputUnits, hiddenUnits = [512, 256], activation = 'relu', encoder, decoder, ...latentArgs} = args;
  const owner = 'discreteVAE';
  checkCount(owner, 'inputUnits', inputUnits, 1);
  if (!Array.isArray(hiddenUnits)) {
    throw new ValueError(`${owner}: hiddenUnits must be a list of widths, but got ${show(hiddenUnits)}.`);
  }
  for (const units of hiddenUnits) checkCount(owner, 'hiddenUnits', units, 1);
  const latent = categoricalLatent({...latentArgs, name: LATENT});
  const codeUnits = latent.numLatents * latent.numCategories;
  const seed = latentArgs.seed ?? undefined;
  const network = (name: string, from: number, widths: number[], to: number) =>
    denseNetwork({name, inputUnits: from, hiddenUnits: widths, outputUnits: to, activation, seed});
  const encode = encoder
    ? ownNetwork(owner, ENCODER, encoder, inputUnits, codeUnits)
    : network(ENCODER, inputUnits, hiddenUnits, codeUnits);
  const decode = decoder
    ? ownNetwork(owner, DECODER, decoder, codeUnits, inputUnits)
    : network(DECODER, codeUnits, [...hiddenUnits].reverse(), inputUnits);
  const input = tfl.input({shape: [inputUnits], name: 'input'});
  const codes = latent.apply(encode.apply(input) as tfl.SymbolicTensor) as tfl.SymbolicTensor;
  const output = decode.apply(codes) as tfl.SymbolicTensor;
  const model = tfl.model({inputs: input, outputs: output, name: 'discrete_vae'});
  checkWeightNames(owner, model);
  return new DiscreteVAE(model);
}

/** A model of the caller's in one by the name that `DiscreteVAE` looks for: to rename it would break the models that it is in already. */
function ownNetwork(owner: string, name: string, network: tfl.LayersModel, from: number, to: number): tfl.LayersModel {
  if (!(network instanceof tfl.LayersModel) || network.inputs?.length !== 1 || network.outputs?.length !== 1) {
    throw new ValueError(`${owner}: ${name} must be a model of one input and one output, but got ${show(network)}.`);
  }
  checkShape(owner, `the input of ${name}`, network.inputs[0]!.shape, [null, from], `[batch, ${from}]`);
  checkShape(owner, `the output of ${name}`, network.outputs[0]!.shape, [null, to], `[batch, ${to}]`);
  const input = tfl.input({shape: [from], name: `${name}_input`});
  return tfl.model({inputs: input, outputs: network.apply(input) as tfl.SymbolicTensor, name});
}

/** tfjs saves two weights of one name without a word, and then cannot load the model. */
function checkWeightNames(owner: string, model: tfl.LayersModel): void {
  const names = model.weights.map(weight => weight.originalName);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new ValueError(
      `${owner}: the weights of encoder and decoder must have different names, for the model to be saved and loaded, ` +
        `but got two of ${show(twice)}. Name their layers.`,
    );
  }
}
