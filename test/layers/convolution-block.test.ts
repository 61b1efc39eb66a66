// The block of ReLU, convolution and batch normalisation, against the layers of tfjs that it stands for.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {ConvolutionBlock, type ConvolutionBlockArgs, convolutionBlock} from '../../src/layers/convolution-block.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {reload} from '../support/model.js';
import {slowBatchNormalize} from '../support/slow-batch-normalize.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Sums of some dozen products of about 1 in float32, over a deviation of about 1. */
const ROUNDING = 1e-5;

const TRAINING = {training: true};
const blockOf = (args: Partial<ConvolutionBlockArgs> = {}) =>
  convolutionBlock({filters: 4, kernelSize: 3, seed: 1, name: 'block', ...args});
const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;
const images = (seed: number, shape = [3, 5, 4, 2]) =>
  tf.tensor4d(numbers(seed, tf.util.sizeFromShape(shape)), shape as [number, number, number, number]);
const through = (layers: tfl.layers.Layer[], x: tf.Tensor, kwargs: object = {}) =>
  layers.reduce((y, layer) => run(layer, y, kwargs), x);
const valuesOf = (layers: tfl.layers.Layer[]) => layers.flatMap(layer => layer.getWeights().map(list));

/** A block whose weights are all different from those it begins with, and the plain layers with the same. */
function twins(args: Partial<ConvolutionBlockArgs>, x: tf.Tensor) {
  const block = blockOf(args);
  run(block, x);
  const weights = block.getWeights();
  block.setWeights(
    weights.map((weight, i) => tf.add(weight, tf.tensor(numbers(50 + i, weight.size, 0.1, 1), weight.shape))),
  );
  const plain = block.toPlainLayers();
  through(plain, x);
  block.copyWeightsTo(plain);
  return {block, plain};
}

/** dL/dx and dL/dw of every trained weight, for L = sum(output * dy). */
function gradientsOf(layers: tfl.layers.Layer[], x: tf.Tensor, dy: tf.Tensor): number[][] {
  const variables = layers.flatMap(layer => layer.trainableWeights.map(weight => weight.read()));
  return tf
    .grads((y, ..._weights) => through(layers, y, TRAINING))([x, ...variables], dy)
    .map(list);
}

eachBackendAndKernels('ConvolutionBlock', backend => {
  const hasFilterGradient = () => tf.getKernel('Conv2DBackpropFilter', backend) !== undefined;

  test.each([
    {},
    {affine: true},
    {activation: 'linear', affine: true},
    {kernelSize: 1, affine: true},
    {kernelSize: 2, strides: 2, affine: true},
    {kernelSize: 4, momentum: 0.3},
    {strides: 2, epsilon: 0.01, affine: true, filters: 1},
    {strides: 3, kernelSize: 5},
  ] as Partial<ConvolutionBlockArgs>[])(
    '%j: in training and in inference it is its plain layers, and so are its gradients',
    args => {
      const x = images(2, [3, 6, 5, 2]);
      const {block, plain} = twins(args, x);
      expect(plain.map(layer => layer.getClassName())).toEqual([
        ...(args.activation === 'linear' ? [] : ['ReLU']),
        'Conv2D',
        'BatchNormalization',
      ]);
      const inference = run(block, x);
      expectClose(inference, list(through(plain, x)), ROUNDING);
      const training = run(block, x, TRAINING);
      expect(training.shape).toEqual(block.computeOutputShape(x.shape));
      expectClose(training, list(through(plain, x, TRAINING)), ROUNDING);
      expect(list(training)).not.toEqual(list(inference));
      // The moving statistics have followed in both, and inference with them.
      const [own, theirs] = [block.getWeights().slice(-2), plain.at(-1)!.getWeights().slice(-2)];
      own.forEach((weight, i) => {
        expectClose(weight, list(theirs[i]!), ROUNDING);
      });
      expectClose(run(block, x), list(through(plain, x)), ROUNDING);
      if (!hasFilterGradient()) return; // the stock wasm backend
      const dy = tf.tensor(numbers(3, training.size), training.shape);
      const [ours, stock] = [gradientsOf([block], x, dy), gradientsOf(plain, x, dy)];
      expect(ours.map(({length}) => length)).toEqual(stock.map(({length}) => length));
      ours.forEach((gradient, i) => {
        expectClose(gradient, stock[i]!, 3 * ROUNDING);
      });
    },
  );

  test('moving statistics start at 0 and 1 and go a part of the way at each training call, and not in inference', () => {
    const block = blockOf({momentum: 0.75, activation: 'linear', kernelSize: 1});
    const x = images(4);
    run(block, x);
    expect(valuesOf([block]).slice(1)).toEqual([new Array(4).fill(0), new Array(4).fill(1)]);
    const y = tf.conv2d(x, block.getWeights()[0] as tf.Tensor4D, 1, 'same');
    const {mean, variance} = slowBatchNormalize(list(y), list(y), {channels: 4, epsilon: 1});
    run(block, x, TRAINING);
    run(block, x, TRAINING);
    const left = 0.75 ** 2;
    const [movingMean, movingVariance] = block.getWeights().slice(1) as [tf.Tensor, tf.Tensor];
    expectClose(
      movingMean,
      mean.map(value => (1 - left) * value),
      ROUNDING,
    );
    expectClose(
      movingVariance,
      variance.map(value => left + (1 - left) * value),
      ROUNDING,
    );
  });

  test('images of one pixel are normalised over the batch alone, and one image of one pixel becomes beta', () => {
    const x = images(5, [6, 1, 1, 3]);
    const block = blockOf({epsilon: 1e-8}); // which takes nothing from variances of a hundredth
    const y = run(block, x, TRAINING);
    expect(y.shape).toEqual([6, 1, 1, 4]);
    expectClose(tf.mean(y, [0, 1, 2]), [0, 0, 0, 0], ROUNDING);
    expectClose(tf.mean(tf.square(y), [0, 1, 2]), [1, 1, 1, 1], ROUNDING);
    const affine = blockOf({affine: true});
    run(affine, x);
    const [kernel, gamma, , ...moving] = affine.getWeights();
    affine.setWeights([kernel!, gamma!, tf.tensor1d([1, 2, 3, 4]), ...moving]);
    expectClose(run(affine, images(6, [1, 1, 1, 3]), TRAINING), [1, 2, 3, 4], ROUNDING);
  });

  test('a batch without images goes through and leaves the moving statistics alone', () => {
    const block = blockOf({strides: 2});
    expect(run(block, tf.zeros([0, 5, 4, 2]), TRAINING).shape).toEqual([0, 3, 2, 4]);
    expect(run(block, tf.zeros([0, 5, 4, 2])).shape).toEqual([0, 3, 2, 4]);
    expect(valuesOf([block]).slice(1)).toEqual([new Array(4).fill(0), new Array(4).fill(1)]);
  });

  test('images of whole numbers are taken as numbers', () => {
    const block = blockOf();
    const whole = (dtype: 'int32' | 'float32') => tf.tensor(numbers(7, 24, 0, 5).map(Math.floor), [2, 3, 4, 1], dtype);
    const expected = list(run(block, whole('float32'), TRAINING));
    expect(list(run(block, whole('int32'), TRAINING))).toEqual(expected);
  });

  test('it trains in fit, saves and loads, with the plain layers in its place as well', async () => {
    if (!hasFilterGradient()) return;
    const x = images(8, [8, 5, 5, 2]);
    const y = tf.tensor2d(numbers(9, 8), [8, 1]);
    const input = tfl.input({shape: [5, 5, 2]});
    const headOf = (z: tfl.SymbolicTensor) =>
      tfl.layers.dense({units: 1}).apply(tfl.layers.globalAveragePooling2d({}).apply(z)) as tfl.SymbolicTensor;
    const block = blockOf({affine: true, filters: 3});
    const last = blockOf({name: 'last', strides: 2});
    const output = headOf(last.apply(block.apply(input)) as tfl.SymbolicTensor);
    const model = tfl.model({inputs: input, outputs: output});
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const before = model.getWeights().map(list);
    const {history} = await model.fit(x, y, {epochs: 4, shuffle: false});
    expect(history.loss!.at(-1)).toBeLessThan(history.loss![0] as number);
    model.getWeights().forEach((weight, i) => {
      expect(list(weight)).not.toEqual(before[i]);
    });
    const loaded = await reload(model);
    expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
    expect(loaded.layers[1]).toBeInstanceOf(ConvolutionBlock);
    expect(loaded.layers[1]!.getConfig()).toEqual(block.getConfig());
  });

  test('plain layers of a block that is not affine keep the factor 1 and the shift 0, also in a saved model', async () => {
    if (!hasFilterGradient()) return;
    const x = images(10);
    const input = tfl.input({shape: [5, 4, 2]});
    const block = blockOf();
    run(block, x);
    const plain = block.toPlainLayers();
    const model = tfl.model({
      inputs: input,
      outputs: plain.reduce((y, layer) => layer.apply(y) as tfl.SymbolicTensor, input as tfl.SymbolicTensor),
    });
    block.copyWeightsTo(plain);
    expect(model.trainableWeights.length).toBe(1);
    const {grads, value} = tf.variableGrads(
      () => tf.sum(tf.square(model.apply(x, TRAINING) as tf.Tensor)) as tf.Scalar,
    );
    const kernel = plain[1]!.trainableWeights[0]!.read() as tf.Variable;
    expect(Object.keys(grads).filter(name => plain.some(layer => name.includes(layer.name)))).toEqual([kernel.name]);
    tf.dispose([grads, value] as never);
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    await model.fit(x, tf.zeros([3, 5, 4, 4]), {epochs: 1});
    const [gamma, beta] = plain[2]!.getWeights().map(list);
    expect([gamma, beta]).toEqual([new Array(4).fill(1), new Array(4).fill(0)]);
    const loaded = await reload(model);
    expect(loaded.trainableWeights.length).toBe(1);
    expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
  });

  test('it leaks nothing, in training and in inference, and is gone when it is disposed', () => {
    const before = tf.memory().numTensors;
    const block = blockOf({affine: true});
    const x = images(11);
    const step = () => {
      run(block, x, TRAINING).dispose();
      run(block, x).dispose();
      if (hasFilterGradient()) {
        tf.dispose(tf.variableGrads(() => tf.sum(tf.square(run(block, x, TRAINING))) as tf.Scalar) as never);
      }
    };
    run(block, x).dispose();
    const built = tf.memory().numTensors;
    expect(built).toBe(before + 6); // the images and five weights
    step();
    step();
    const plain = block.toPlainLayers();
    tf.tidy(() => {
      through(plain, x);
    });
    expect(tf.memory().numTensors).toBe(built + 5);
    block.copyWeightsTo(plain);
    expect(tf.memory().numTensors).toBe(built + 5);
    for (const layer of [block, ...plain.filter(({weights}) => weights.length > 0)]) layer.dispose();
    x.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('ConvolutionBlock', () => {
  test('its weights are kernel, gamma, beta and the moving statistics, of which the last two are not trained', () => {
    const namesOf = (args: Partial<ConvolutionBlockArgs>) => {
      const block = blockOf(args);
      block.build([null, 8, 8, 3]);
      const names = (weights: tfl.LayerVariable[]) => weights.map(({originalName}) => originalName.split('/').at(-1));
      expect(names(block.nonTrainableWeights)).toEqual(['moving_mean', 'moving_variance']);
      expect(block.getWeights().map(({shape}) => shape)[0]).toEqual([3, 3, 3, 4]);
      return names(block.weights);
    };
    expect(namesOf({affine: true})).toEqual(['kernel', 'gamma', 'beta', 'moving_mean', 'moving_variance']);
    expect(namesOf({})).toEqual(['kernel', 'moving_mean', 'moving_variance']);
  });

  test('its output shape is that of a padded convolution, and a summary tells it', () => {
    const block = blockOf({strides: 2, name: 'half'});
    expect(block.computeOutputShape([null, 32, 7, 3])).toEqual([null, 16, 4, 4]);
    expect(block.computeOutputShape([null, null, null, 3])).toEqual([null, null, null, 4]);
    const model = tfl.sequential({layers: [tfl.layers.inputLayer({inputShape: [32, 7, 3]}), block]});
    const lines: string[] = [];
    model.summary(undefined, undefined, line => lines.push(line));
    expect(lines.some(line => /half \(ConvolutionBlock\).*\[null,16,4,4\].*116/.test(line))).toBe(true);
    expect(block.countParams()).toBe(3 * 3 * 3 * 4 + 4 + 4);
  });

  test('the initial kernel is a function of the seed and the name, unless its initializer is an object', () => {
    const kernelOf = (args: Partial<ConvolutionBlockArgs>) => {
      const block = blockOf(args);
      run(block, tf.zeros([1, 4, 4, 2]));
      return list(block.getWeights()[0]!);
    };
    expect(kernelOf({})).toEqual(kernelOf({}));
    expect(kernelOf({seed: 2})).not.toEqual(kernelOf({}));
    expect(kernelOf({name: 'other'})).not.toEqual(kernelOf({}));
    expect(kernelOf({seed: null})).not.toEqual(kernelOf({seed: null}));
    const kernelInitializer = tfl.initializers.constant({value: 2});
    expect(new Set(kernelOf({kernelInitializer}))).toEqual(new Set([2]));
  });

  test('the configuration holds every argument', () => {
    const args = {
      filters: 4,
      kernelSize: 5,
      strides: 2,
      activation: 'linear',
      affine: true,
      momentum: 0.5,
      epsilon: 0.01,
      kernelInitializer: 'glorotUniform',
      seed: 3,
    } as const;
    const config = blockOf(args).getConfig();
    expect(config).toMatchObject(args);
    expect(new ConvolutionBlock(config as unknown as ConvolutionBlockArgs).getConfig()).toEqual(config);
    const defaults = {strides: 1, activation: 'relu', affine: false, momentum: 0.9, epsilon: 1e-5};
    expect(convolutionBlock({filters: 1, kernelSize: 1}).getConfig()).toMatchObject({
      ...defaults,
      kernelInitializer: 'heNormal',
      seed: null,
    });
  });

  test.each([
    [{filters: 0}, 'filters must be a whole number of at least 1, but got 0.'],
    [{kernelSize: [3, 3]}, 'kernelSize must be a whole number of at least 1, but got [3, 3].'],
    [{strides: 0.5}, 'strides must be a whole number of at least 1, but got 0.5.'],
    [{activation: 'relu6'}, 'activation must be one of "relu", "linear", but got "relu6".'],
    [{affine: 1}, 'affine must be true or false, but got 1.'],
    [{momentum: 1.5}, 'momentum must be a finite number from 0 to 1, but got 1.5.'],
    [{epsilon: 0}, 'epsilon must be a positive finite number, but got 0.'],
    [{kernelInitializer: 'heNorm'}, 'kernelInitializer must be an initializer or one of'],
  ] as [object, string][])('%j is refused', (args, words) => {
    expect(() => blockOf(args)).toThrow(ValueError);
    expect(() => blockOf(args)).toThrow(`ConvolutionBlock: ${words}`);
  });

  test('a seed that is no whole number is refused', () => {
    expect(() => blockOf({seed: 0.5})).toThrow('seeded: seed must be a whole number');
  });

  test.each([[[null, 8, 8]], [[null, 8, 8, null]]] as [tfl.Shape][])('the input shape %j is refused', shape => {
    const words =
      'ConvolutionBlock: input must have shape [batch, height, width, channels] with known channels, but got';
    expect(() => blockOf().build(shape)).toThrow(words);
    expect(() => blockOf().computeOutputShape(shape)).toThrow(words);
  });

  test('weights go to plain layers that are built, and only from a block that is', () => {
    const block = blockOf();
    expect(() => block.copyWeightsTo(block.toPlainLayers())).toThrow(
      'must be built, with [0, 1, 4] weights, but they have [0, 0, 0], and this one is not built.',
    );
    const x = tf.zeros([1, 4, 4, 2]);
    run(block, x);
    expect(() => block.copyWeightsTo(block.toPlainLayers())).toThrow(ValueError);
    const linear = blockOf({activation: 'linear'}).toPlainLayers();
    through(linear, x);
    expect(() => block.copyWeightsTo(linear)).toThrow('with [0, 1, 4] weights, but they have [1, 4].');
  });
});
