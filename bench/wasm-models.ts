// Small models of the layers that stock wasm cannot train, or trains slowly: each must learn the same on cpu and on wasm with our kernels.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';

/** A model with its data, and how long it trains. */
interface Case {
  layers(): tfl.layers.Layer[];
  inputs(): tf.Tensor;
  numExamples: number;
}

const NUM_CLASSES = 5;

/** Numbers in [-1, 1) of a seed. */
function numbers(seed: number, shape: number[]): tf.Tensor {
  return tf.tensor(
    Float32Array.from(seeded(seed).uniform(tf.util.sizeFromShape(shape)), u => 2 * u - 1),
    shape,
  );
}

/** Indices below `depth` of a seed. */
function indices(seed: number, shape: number[], depth: number): tf.Tensor {
  return tf.tensor(
    Int32Array.from(seeded(seed).uniform(tf.util.sizeFromShape(shape)), u => Math.floor(depth * u)),
    shape,
    'int32',
  );
}

const start = (seed: number) => tfl.initializers.glorotUniform({seed});
const classify = () => tfl.layers.dense({units: NUM_CLASSES, activation: 'softmax', kernelInitializer: start(9)});

/** By the name of the layer that they are about. */
const CASES: Record<string, Case> = {
  Embedding: {
    numExamples: 64,
    layers: () => [
      tfl.layers.embedding({inputDim: 500, outputDim: 32, inputLength: 20, embeddingsInitializer: start(1)}),
      tfl.layers.flatten(),
      classify(),
    ],
    inputs: () => tf.cast(indices(2, [64, 20], 500), 'float32'),
  },
  Conv2D: {
    numExamples: 32,
    layers: () => [
      tfl.layers.conv2d({
        filters: 8,
        kernelSize: 3,
        activation: 'relu',
        kernelInitializer: start(1),
        inputShape: [16, 16, 3],
      }),
      tfl.layers.maxPooling2d({poolSize: 2}),
      tfl.layers.conv2d({filters: 16, kernelSize: 3, padding: 'same', strides: 2, kernelInitializer: start(2)}),
      tfl.layers.flatten(),
      classify(),
    ],
    inputs: () => numbers(2, [32, 16, 16, 3]),
  },
  DepthwiseConv2D: {
    numExamples: 32,
    layers: () => [
      tfl.layers.depthwiseConv2d({
        kernelSize: 3,
        depthMultiplier: 2,
        depthwiseInitializer: start(1),
        inputShape: [16, 16, 4],
      }),
      tfl.layers.averagePooling2d({poolSize: 2}),
      tfl.layers.flatten(),
      classify(),
    ],
    inputs: () => numbers(2, [32, 16, 16, 4]),
  },
  LSTM: {
    numExamples: 32,
    layers: () => [
      tfl.layers.lstm({units: 32, kernelInitializer: start(1), recurrentInitializer: start(2), inputShape: [12, 16]}),
      classify(),
    ],
    inputs: () => numbers(2, [32, 12, 16]),
  },
  BatchNormalization: {
    numExamples: 64,
    layers: () => [
      tfl.layers.dense({units: 64, kernelInitializer: start(1), inputShape: [32]}),
      tfl.layers.batchNormalization(),
      tfl.layers.activation({activation: 'relu'}),
      classify(),
    ],
    inputs: () => numbers(2, [64, 32]),
  },
};

/** The names of the models. */
export const MODEL_NAMES = Object.keys(CASES);

/** Losses of a training run and what a step of it took. */
export interface TrainingRun {
  losses: number[];
  /** Median over the steps after the first. */
  milliseconds: number;
}

/** Trains a model on the active backend for some steps of Adam, each on all its examples. */
export async function trainModel(name: string, numSteps: number): Promise<TrainingRun> {
  const {layers, inputs, numExamples} = CASES[name]!;
  const x = inputs();
  const y = tf.tidy(() =>
    tf.cast(tf.oneHot(indices(3, [numExamples], NUM_CLASSES) as tf.Tensor1D, NUM_CLASSES), 'float32'),
  );
  const model = tfl.sequential({layers: layers()});
  const optimizer = tf.train.adam(0.01);
  try {
    model.compile({optimizer, loss: 'categoricalCrossentropy'});
    const losses: number[] = [];
    const times: number[] = [];
    for (let step = 0; step < numSteps; ++step) {
      const begin = performance.now();
      losses.push((await model.trainOnBatch(x, y)) as number);
      if (step > 0) times.push(performance.now() - begin);
    }
    times.sort((a, b) => a - b);
    return {losses, milliseconds: times[Math.floor(times.length / 2)]!};
  } finally {
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
  }
}
