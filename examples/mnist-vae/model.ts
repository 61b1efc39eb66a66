// The network of mnist-vae, and its loss on digits.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type RandomSource, straightThrough} from 'tfjs-moe/estimators';
import {type DiscreteVAE, discreteVAE} from 'tfjs-moe/layers';
import {klToUniform, sumBinaryCrossentropy} from 'tfjs-moe/training';
import {PIXELS} from '../data/mnist.js';
import {parseSize, type Settings} from './settings.js';

/** 784-512-256-codes-256-512-784, with weights drawn from the seed. */
export function createModel({size, estimator, temperature, numSamples, seed}: Settings): DiscreteVAE {
  return discreteVAE({
    ...parseSize(size),
    inputUnits: PIXELS,
    hiddenUnits: [512, 256],
    estimator: numSamples === null ? estimator : {name: estimator, numSamples},
    temperature,
    seed,
  });
}

/** The two parts of the negative evidence lower bound of each example, [batch] in nats, with one draw of the code. */
export function lossParts(vae: DiscreteVAE, x: tf.Tensor2D, random: RandomSource): [tf.Tensor1D, tf.Tensor1D] {
  const {numLatents, numCategories} = vae.latent;
  return tf.tidy(() => {
    const logits = tf.reshape(vae.encoder.apply(x) as tf.Tensor, [-1, numLatents, numCategories]);
    const codes = tf.reshape(straightThrough(logits, {random}).sample, [-1, numLatents * numCategories]);
    const reconstruction = sumBinaryCrossentropy(x, vae.decoder.apply(codes) as tf.Tensor);
    return [reconstruction, tf.sum(klToUniform(logits), 1) as tf.Tensor1D];
  });
}
