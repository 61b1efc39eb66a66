// Small convolutional models on wasm train to the losses of the cpu backend.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {expect, test} from 'vitest';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

/** Two backends round differently, and the steps of an optimizer carry it on. */
const TRAINING = 1e-4;

/** Numbers in (-1, 1), the same each time, on any backend. */
function tensor(shape: number[], seed: number): tf.Tensor {
  let state = Math.imul(seed, 2654435761) >>> 0;
  const values = Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // the generator of Numerical Recipes; its high bits are good enough
    return (state >>> 16) / 32768 - 1;
  });
  return tf.tensor(values, shape);
}

const {layers} = tfl;

/** A stack of layers, and what it takes; three numbers are read off its end. */
const MODELS: [title: string, inputShape: number[], stack: () => tfl.layers.Layer[]][] = [
  [
    'Conv1D with strides and MaxPooling1D',
    [17, 3],
    () => [
      layers.conv1d({filters: 6, kernelSize: 3, padding: 'same', activation: 'relu'}),
      layers.maxPooling1d({poolSize: 2}),
      layers.conv1d({filters: 5, kernelSize: 4, strides: 2, activation: 'tanh'}),
      layers.averagePooling1d({poolSize: 2, strides: 1, padding: 'same'}),
    ],
  ],
  [
    'Conv2D, valid and same, with strides, and MaxPooling2D',
    [13, 11, 3],
    () => [
      layers.conv2d({filters: 9, kernelSize: 3, activation: 'relu'}),
      layers.maxPooling2d({poolSize: 2}),
      layers.conv2d({filters: 7, kernelSize: [2, 3], strides: [2, 1], padding: 'same', useBias: false}),
      layers.conv2d({filters: 4, kernelSize: 1, strides: 2, padding: 'same', activation: 'sigmoid'}),
    ],
  ],
  [
    'Conv2D with BatchNormalization between',
    [9, 9, 2],
    () => [
      layers.conv2d({filters: 8, kernelSize: 3, padding: 'same', useBias: false}),
      layers.batchNormalization({}),
      layers.activation({activation: 'relu'}),
      layers.conv2d({filters: 8, kernelSize: 3, strides: 2, padding: 'same'}),
      layers.batchNormalization({}),
      layers.globalAveragePooling2d({dataFormat: 'channelsLast'}),
    ],
  ],
  [
    'Conv2DTranspose, valid and same',
    [4, 5, 3],
    () => [
      layers.conv2dTranspose({filters: 6, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu'}),
      layers.conv2dTranspose({filters: 2, kernelSize: [2, 4], padding: 'valid', activation: 'tanh'}),
    ],
  ],
  [
    'SeparableConv2D and AveragePooling2D',
    [10, 9, 3],
    () => [
      layers.separableConv2d({filters: 6, kernelSize: 3, depthMultiplier: 2, padding: 'same', activation: 'relu'}),
      layers.averagePooling2d({poolSize: [2, 3], strides: 2, padding: 'same'}),
      layers.separableConv2d({filters: 5, kernelSize: 2}),
    ],
  ],
  [
    'DepthwiseConv2D and GlobalMaxPooling2D',
    [11, 10, 9],
    () => [
      layers.depthwiseConv2d({kernelSize: 3, padding: 'same', activation: 'relu'}),
      layers.depthwiseConv2d({kernelSize: [3, 2], strides: [2, 2], depthMultiplier: 3}),
      layers.globalMaxPooling2d({dataFormat: 'channelsLast'}),
    ],
  ],
  [
    'ConvLSTM2D',
    [3, 6, 5, 2],
    () => [layers.convLstm2d({filters: 3, kernelSize: 3, padding: 'same', recurrentInitializer: 'glorotUniform'})],
  ],
];

/** Losses of some epochs, from weights that are the same each time. */
async function train(inputShape: number[], stack: () => tfl.layers.Layer[]): Promise<number[]> {
  const [first, ...rest] = stack();
  const input = tfl.input({shape: inputShape});
  let output = first!.apply(input) as tfl.SymbolicTensor;
  for (const layer of rest) output = layer.apply(output) as tfl.SymbolicTensor;
  if (output.shape.length > 2) output = layers.flatten().apply(output) as tfl.SymbolicTensor;
  output = layers.dense({units: 3}).apply(output) as tfl.SymbolicTensor;
  const model = tfl.model({inputs: input, outputs: output});
  model.setWeights(
    model.weights.map(({name, shape}, i) => {
      const values = tf.mul(tensor(shape as number[], 10 + i), 0.3);
      return /variance|gamma/.test(name) ? tf.add(values, 1) : values;
    }),
  );
  model.compile({optimizer: tf.train.adam(0.01), loss: 'meanSquaredError'});
  const {history} = await model.fit(tensor([10, ...inputShape], 1), tensor([10, 3], 2), {
    ...{epochs: 4, batchSize: 4, shuffle: false, verbose: 0},
  });
  return history.loss as number[];
}

withAndWithoutBinary('training of convolutions', () => {
  test.each(MODELS)('%s: the losses are those of the cpu backend', async (_, inputShape, stack) => {
    await tf.setBackend('cpu');
    const onCpu = await train(inputShape, stack);
    await tf.setBackend('wasm');
    const onWasm = await train(inputShape, stack);
    expect(onCpu.at(-1)! / onCpu[0]!).toBeLessThan(0.999); // it learns
    expect(onWasm).toHaveLength(4);
    onCpu.forEach((loss, i) => {
      expect(Math.abs(onWasm[i]! / loss - 1), `epoch ${i}: ${onWasm[i]} on wasm, ${loss} on cpu`).toBeLessThan(
        TRAINING,
      );
    });
  });
});
