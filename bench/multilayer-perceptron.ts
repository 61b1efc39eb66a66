// The network that training on wasm is measured by: 784-512-256-10 with Adam, 100 examples a step.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

const BATCH = 100;
const WIDTHS = [784, 512, 256, 10];

/** Builds the network on the active backend. The function that comes back makes one training step and returns when it is done. */
export function multilayerPerceptronStep(): () => void {
  const layers = WIDTHS.slice(1).map((units, i) =>
    tfl.layers.dense({
      units,
      activation: i === WIDTHS.length - 2 ? 'linear' : 'relu',
      kernelInitializer: tfl.initializers.glorotUniform({seed: i}),
      ...(i === 0 ? {inputShape: [WIDTHS[0]!]} : {}),
    }),
  );
  const model = tfl.sequential({layers});
  const optimizer = tf.train.adam(0.001);
  const x = tf.randomUniform([BATCH, WIDTHS[0]!], 0, 1, 'float32', 1);
  const labels = tf.tidy(() =>
    tf.cast(tf.oneHot(tf.randomUniform([BATCH], 0, 10, 'int32', 2) as tf.Tensor1D, 10), 'float32'),
  );
  return () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, model.apply(x) as tf.Tensor) as tf.Scalar,
      true,
    )!;
    loss.dataSync();
    loss.dispose();
  };
}

/**
 * The matrix products that such a step cannot do without, each untransposed and with a right operand that the backend has packed before:
 * forward and weight gradient of each layer, and the gradient of what goes into each but the first.
 */
export function bareProducts(): () => void {
  const product = (m: number, k: number, n: number) => {
    const a = tf.randomUniform([m, k], -1, 1, 'float32', 1) as tf.Tensor2D;
    const b = tf.randomUniform([k, n], -1, 1, 'float32', 2) as tf.Tensor2D;
    return () => tf.matMul(a, b).dispose();
  };
  const products = WIDTHS.slice(1).flatMap((output, i) => {
    const input = WIDTHS[i]!;
    const forwardAndWeights = [product(BATCH, input, output), product(input, BATCH, output)];
    return i === 0 ? forwardAndWeights : [...forwardAndWeights, product(BATCH, output, input)];
  });
  return () => {
    for (const multiply of products) multiply();
  };
}
