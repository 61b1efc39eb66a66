// The pieces of work that the cost of a Mixture-of-Experts is measured by: 4,096 tokens of width 128, experts 128-512-128, one a token.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe/layers';

/** Tokens, their width, and an expert's hidden units. */
export const SIZES = {tokens: 4096, width: 128, hidden: 512};

/** A piece of work, and its variables. */
export interface Step {
  run: () => void;
  variables: tf.Variable[];
}

/** Forward and backward of a layer, with the gradient for its input, from random tokens and a random gradient of its output. */
export function layerStep(layer: tfl.layers.Layer, numTokens = SIZES.tokens): Step {
  const {width} = SIZES;
  const x = tf.variable(tf.randomNormal([numTokens, width], 0, 1, 'float32', 1)) as tf.Variable;
  const dy = tf.randomNormal([numTokens, width], 0, 1, 'float32', 2);
  layer.apply(x);
  const variables = layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
  const run = () =>
    tf.tidy(() => {
      tf.variableGrads(() => {
        const y = layer.apply(x, {training: true}) as tf.Tensor;
        return tf.addN([tf.sum(tf.mul(y, dy)), ...layer.calculateLosses()]) as tf.Scalar;
      }, [x, ...variables]);
    });
  return {run, variables};
}

/** A mixture of so many experts. */
export function mixture(numExperts: number, args: Partial<GumbelMoEArgs> = {}): tfl.layers.Layer {
  const {hidden} = SIZES;
  return gumbelMoE({numExperts, hiddenUnits: hidden, compute: 'sparse', seed: 1, name: 'moe', ...args});
}

/** The dense feed-forward network that is as large as one expert. */
export function denseNetwork(): tfl.layers.Layer {
  const {width, hidden} = SIZES;
  return tfl.sequential({
    layers: [
      tfl.layers.dense({units: hidden, activation: 'relu', inputShape: [width]}),
      tfl.layers.dense({units: width}),
    ],
  });
}

/** One update of all variables by Adam. */
export function optimizerStep(variables: readonly tf.Variable[]): () => void {
  const optimizer = tf.train.adam(1e-3);
  const gradients = Object.fromEntries(
    variables.map(variable => [variable.name, tf.randomNormal(variable.shape, 0, 1, 'float32', 3)]),
  );
  return () => optimizer.applyGradients(gradients as tf.NamedTensorMap as never);
}

/**
 * The matrix products that a step cannot do without, for tokens that are shared out evenly: forward, for the weights and for what goes in, of
 * both layers of each expert; untransposed, and with a right operand that the backend has packed before.
 */
export function bareProducts(numExperts: number): () => void {
  const {tokens, width, hidden} = SIZES;
  const rows = tokens / numExperts;
  const sizes: [m: number, k: number, n: number][] = [
    [rows, width, hidden],
    [rows, hidden, width],
    [rows, width, hidden],
    [rows, hidden, width],
    [width, rows, hidden],
    [hidden, rows, width],
  ];
  const products = Array.from({length: numExperts}, () =>
    sizes.map(([m, k, n]) => {
      const a = tf.randomNormal([m, k], 0, 1, 'float32', 4) as tf.Tensor2D;
      const b = tf.randomNormal([k, n], 0, 1, 'float32', 5) as tf.Tensor2D;
      return () => tf.matMul(a, b).dispose();
    }),
  ).flat();
  return () => {
    for (const multiply of products) multiply();
  };
}
