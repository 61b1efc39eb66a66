// The network of a learned control variate: one hidden layer, read together with its derivative by the sample, both as expressions of the
// weights that tfjs can differentiate. A gradient of a gradient would not do: tfjs has no second derivative of leakyRelu.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import type {RandomSource} from '../../random/random-source.js';

/** The slope of LeakyReLU below 0. */
const LEAK = 0.3;

/** The weights of r(x, z) = LeakyReLU([x, z] W + b) w + a; W stands in two parts. */
export interface ControlNetwork {
  /** [contextSize, hiddenUnits]; absent where there is no context. */
  contextKernel: tf.Variable | undefined;
  /** [latentSize, hiddenUnits] */
  latentKernel: tf.Variable;
  /** [hiddenUnits] */
  hiddenBias: tf.Variable;
  /** [hiddenUnits, 1] */
  outputKernel: tf.Variable;
  /** [1] */
  outputBias: tf.Variable;
}

/** What a control variate is at one point of each example. */
export interface ControlValue {
  /** [batch] */
  value: tf.Tensor;
  /** d value / dz, of z's shape. */
  gradient: tf.Tensor;
}

/**
 * A network with Glorot's uniform kernel in the hidden layer and zeros elsewhere: it starts as the constant 0, so that an untrained one
 * adds no variance; its output kernel has a gradient from the first step on, the hidden layer from the second.
 */
export function createControlNetwork(
  latentSize: number,
  contextSize: number,
  hiddenUnits: number,
  random: RandomSource,
): ControlNetwork {
  const limit = Math.sqrt(6 / (contextSize + latentSize + hiddenUnits));
  const kernel = (rows: number) => {
    const values = Float32Array.from(random.uniform(rows * hiddenUnits), u => limit * (2 * u - 1));
    return tf.tidy(() => tf.variable(tf.tensor2d(values, [rows, hiddenUnits])));
  };
  const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape)));
  return {
    contextKernel: contextSize > 0 ? kernel(contextSize) : undefined,
    latentKernel: kernel(latentSize),
    hiddenBias: zeros([hiddenUnits]),
    outputKernel: zeros([hiddenUnits, 1]),
    outputBias: zeros([1]),
  };
}

/**
 * The network on a context, as a function of z.
 *
 * Its results are on the tape for the weights alone. The slopes of the LeakyReLU are constants almost everywhere and cut from it. An
 * infinite entry of z, that of a masked category, reads as 0 and has derivative 0.
 *
 * @param context [batch, contextSize], or undefined where there is none.
 */
export function readControlNetwork(
  {contextKernel, latentKernel, hiddenBias, outputKernel, outputBias}: ControlNetwork,
  context: tf.Tensor2D | undefined,
): (z: tf.Tensor) => ControlValue {
  const product = (x: tf.Tensor, weights: tf.Tensor, transpose = false) =>
    tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D, false, transpose);
  const ofContext =
    contextKernel && context ? tf.add(product(context, contextKernel), hiddenBias) : tf.clone(hiddenBias);

  return z => {
    const batch = z.shape[0]!;
    const flat = noGradient(() => tf.reshape(z, [batch, -1]));
    const finite = noGradient(() => toFloat(tf.isFinite(flat)));
    const latent = noGradient(() => tf.where(tf.isFinite(flat), flat, tf.zerosLike(flat)));
    const hidden = tf.add(product(latent, latentKernel), ofContext);
    const slope = noGradient(() => tf.add(LEAK, tf.mul(1 - LEAK, toFloat(tf.greater(hidden, 0)))));
    const value = tf.add(product(tf.mul(hidden, slope), outputKernel), outputBias);
    const upstream = tf.mul(slope, tf.reshape(outputKernel, [1, -1]));
    const gradient = tf.mul(product(upstream, latentKernel, true), finite);
    return {value: tf.reshape(value, [batch]), gradient: tf.reshape(gradient, z.shape)};
  };
}
