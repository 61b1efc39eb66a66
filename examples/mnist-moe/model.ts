// The network: one dense layer, a residual Mixture-of-Experts, and ten logits.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {type GumbelMoE, gumbelMoE} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import {CLASSES, PIXELS} from '../data/mnist.js';
import type {Settings} from './settings.js';

/** The network, with what the program asks of its inside. */
export interface DigitModel {
  /** [batch, 784] -> logits [batch, 10]. */
  model: tfl.LayersModel;
  /** The layer of experts. */
  moe: GumbelMoE;
  /** [batch, 784] -> what the experts and their router see, [batch, hiddenUnits]; shares its weights with the model. */
  trunk: tfl.LayersModel;
}

const MOE = 'moe';
const HIDDEN = 'hidden';
const LOGITS = 'logits';
/** The first word of the ids of random streams; the second counts within. */
const INITIAL_WEIGHTS = 0;

/** Builds the network with weights drawn from the seed. */
export function createModel(settings: Settings): DigitModel {
  const {estimator, temperature, experts, balanceWeight, hiddenUnits, seed} = settings;
  const initializer = (layer: number) =>
    tfl.initializers.glorotUniform({
      seed: 1 + Math.floor(seeded(seed).split(INITIAL_WEIGHTS, layer).uniform(1)[0]! * 2 ** 31), // tfjs takes 0 for none
    });
  const pixels = tfl.input({shape: [PIXELS], name: 'pixels'});
  const hidden = tfl.layers
    .dense({units: hiddenUnits, activation: 'relu', kernelInitializer: initializer(0), name: HIDDEN})
    .apply(pixels) as tfl.SymbolicTensor;
  const mixed = gumbelMoE({
    name: MOE,
    numExperts: experts,
    hiddenUnits,
    units: hiddenUnits,
    activation: 'relu',
    estimator,
    temperature,
    loadBalancingWeight: balanceWeight,
    seed,
  }).apply(hidden) as tfl.SymbolicTensor;
  const sum = tfl.layers.add({name: 'residual'}).apply([hidden, mixed]) as tfl.SymbolicTensor;
  const logits = tfl.layers.dense({units: CLASSES, kernelInitializer: initializer(1), name: LOGITS}).apply(sum);
  return withParts(tfl.model({inputs: pixels, outputs: logits as tfl.SymbolicTensor, name: 'mnist_moe'}));
}

/** Finds the parts of a network that createModel built, also one that was saved and loaded. */
export function withParts(model: tfl.LayersModel): DigitModel {
  const find = (name: string) => {
    const layer = model.layers.find(candidate => candidate.name === name);
    if (!layer) throw new ValueError(`mnist-moe: the saved model has no layer "${name}"; it is not of this program.`);
    return layer;
  };
  const moe = find(MOE) as GumbelMoE;
  const trunk = tfl.model({inputs: model.inputs, outputs: find(HIDDEN).output as tfl.SymbolicTensor});
  return {model, moe, trunk};
}

/** Pixels of 0 to 255 as the network wants them, 0 to 1. */
export function toInput(images: Uint8Array, count: number): tf.Tensor2D {
  const pixels = new Float32Array(images); // a loop takes a tenth of the time that from() with a function takes
  for (let i = 0; i < pixels.length; ++i) pixels[i]! /= 255;
  return tf.tensor2d(pixels, [count, PIXELS]);
}
