// The layer that joins two nodes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {BinaryTreeLSTM, type BinaryTreeLSTMArgs, binaryTreeLSTM} from '../../src/layers/binary-tree-lstm.js';
import {orthogonalMatrix} from '../../src/layers/orthogonal.js';
import {composePair} from '../../src/ops/tree-lstm.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {reload} from '../support/model.js';

/** A few products of unit vectors in float32. */
const ROUNDING = 1e-6;

const joinOf = (args: Partial<BinaryTreeLSTMArgs> = {}) => binaryTreeLSTM({units: 3, seed: 1, name: 'join', ...args});
const run = (layer: tfl.layers.Layer, inputs: tf.Tensor[]) => layer.apply(inputs) as tf.Tensor;
const state = (seed: number, shape = [4, 6]) => tf.tensor(numbers(seed, tf.util.sizeFromShape(shape)), shape);

/** A model of two inputs that joins them. */
function modelWith(layer: BinaryTreeLSTM): tfl.LayersModel {
  const inputs = ['left', 'right'].map(name => tfl.input({shape: [2 * layer.units], name}));
  return tfl.model({inputs, outputs: layer.apply(inputs) as tfl.SymbolicTensor});
}

eachBackend('BinaryTreeLSTM', () => {
  test('its output is composePair of its weights, for any leading axes', () => {
    const layer = joinOf({biasInitializer: tfl.initializers.randomNormal({seed: 3})});
    for (const shape of [
      [4, 6],
      [2, 5, 6],
    ]) {
      const [left, right] = [state(1, shape), state(2, shape)];
      const parents = run(layer, [left, right]);
      const {kernel, bias} = layer.variables;
      expect(parents.shape).toEqual(shape);
      expect(list(parents)).toEqual(list(composePair(left, right, kernel, bias)));
    }
  });

  test('it begins with an orthogonal kernel and a bias of zeros, in the order of Keras', () => {
    const layer = joinOf();
    layer.build([
      [null, 6],
      [null, 6],
    ]);
    const {kernel, bias} = layer.variables;
    const identity = list(tf.reshape(tf.eye(6), [-1]));
    expectClose(tf.matMul(kernel, kernel, false, true), identity, ROUNDING);
    expect(list(bias)).toEqual(new Array(15).fill(0));
    expect(layer.getWeights().map(weight => weight.shape)).toEqual([[6, 15], [15]]);
    expect(layer.trainableWeights.map(weight => weight.originalName.split('/').at(-1))).toEqual(['kernel', 'bias']);
  });

  test('initial weights are a function of the seed and the name, unless the initializer is an object', () => {
    const kernelOf = (args: Partial<BinaryTreeLSTMArgs>) => {
      const layer = joinOf(args);
      run(layer, [tf.zeros([1, 6]), tf.zeros([1, 6])]);
      return list(layer.variables.kernel);
    };
    for (const kernelInitializer of ['orthogonal', 'glorotUniform']) {
      expect(kernelOf({kernelInitializer})).toEqual(kernelOf({kernelInitializer}));
      expect(kernelOf({kernelInitializer, seed: 2})).not.toEqual(kernelOf({kernelInitializer}));
      expect(kernelOf({kernelInitializer, name: 'other'})).not.toEqual(kernelOf({kernelInitializer}));
    }
    const biasOf = (args: Partial<BinaryTreeLSTMArgs>) => {
      const layer = joinOf({biasInitializer: 'randomNormal', ...args});
      run(layer, [tf.zeros([1, 6]), tf.zeros([1, 6])]);
      return list(layer.variables.bias);
    };
    expect(biasOf({})).toEqual(biasOf({}));
    expect(biasOf({seed: 2})).not.toEqual(biasOf({}));
    expect(kernelOf({seed: null})).not.toEqual(kernelOf({seed: null}));
    const kernelInitializer = orthogonalMatrix({seed: 5});
    expect(kernelOf({kernelInitializer})).toEqual(list(kernelInitializer.apply([6, 15])));
  });

  test('it trains in fit, saves and loads', async () => {
    const x = [state(5, [8, 6]), state(6, [8, 6])];
    const y = state(7, [8, 6]);
    const model = modelWith(joinOf());
    const before = model.getWeights().map(list);
    model.compile({optimizer: tf.train.sgd(0.5), loss: 'meanSquaredError'});
    const {history} = await model.fit(x, y, {epochs: 3, shuffle: false});
    expect(history.loss!.at(-1)).toBeLessThan(history.loss![0] as number);
    model.getWeights().forEach((weight, i) => {
      expect(list(weight)).not.toEqual(before[i]);
    });
    const loaded = await reload(model);
    expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
    expect(loaded.layers[2]).toBeInstanceOf(BinaryTreeLSTM);
    expect(loaded.layers[2]!.getConfig()).toEqual(model.layers[2]!.getConfig());
  });

  test('a batch without pairs and inputs of whole numbers go through', () => {
    const layer = joinOf();
    expect(run(layer, [tf.zeros([0, 6]), tf.zeros([0, 6])]).shape).toEqual([0, 6]);
    const whole = (dtype: 'int32' | 'float32') => tf.tensor([1, 0, 2, 0, 1, 1], [1, 6], dtype);
    const expected = list(run(layer, [whole('float32'), whole('float32')]));
    expect(list(run(layer, [whole('int32'), whole('int32')]))).toEqual(expected);
  });

  test('it leaks nothing, and is gone when it is disposed', () => {
    const before = tf.memory().numTensors;
    const layer = joinOf();
    const inputs = [state(1), state(2)];
    const variablesOf = () => [layer.variables.kernel, layer.variables.bias] as unknown as tf.Variable[];
    const step = () => {
      run(layer, inputs).dispose();
      tf.dispose(tf.variableGrads(() => tf.sum(run(layer, inputs)) as tf.Scalar, variablesOf()) as never);
    };
    run(layer, inputs).dispose();
    const built = tf.memory().numTensors;
    expect(built).toBe(before + 4); // two inputs and two weights
    step();
    step();
    expect(tf.memory().numTensors).toBe(built);
    layer.dispose();
    tf.dispose(inputs);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('inputs that are not two of one shape are refused when it is called', () => {
    const layer = joinOf();
    run(layer, [state(1), state(2)]);
    const call =
      (...inputs: tf.Tensor[]) =>
      () =>
        layer.call(inputs);
    const states =
      'BinaryTreeLSTM: inputs must be two, left and right, of shape [batch, ..., 2 units] = [..., 6], but got ';
    expect(() => layer.call(state(1))).toThrow(`${states}[[4, 6]].`);
    expect(call(state(1))).toThrow(`${states}[[4, 6]].`);
    expect(call(state(1), state(2), state(3))).toThrow(`${states}[[4, 6], [4, 6], [4, 6]].`);
    expect(call(state(1), state(2, [4, 5]))).toThrow(`${states}[[4, 6], [4, 5]].`);
    expect(call(state(1), state(2, [1, 6]))).toThrow(
      'BinaryTreeLSTM: left and right must have one shape, but got [4, 6] and [1, 6].',
    );
    expect(call(state(1), state(2, [1, 4, 6]))).toThrow('but got [4, 6] and [1, 4, 6].');
  });
});

describe('BinaryTreeLSTM', () => {
  test.each([
    [{units: 0}, 'BinaryTreeLSTM: units must be a whole number of at least 1, but got 0.'],
    [{kernelInitializer: 'orthogonl'}, 'BinaryTreeLSTM: kernelInitializer must be an initializer or one of'],
    [{biasInitializer: 'zero'}, 'BinaryTreeLSTM: biasInitializer must be an initializer or one of'],
    [{seed: 0.5}, 'seeded: seed must be a whole number'],
  ])('%j is refused', (args, words) => {
    expect(() => joinOf(args)).toThrow(ValueError);
    expect(() => joinOf(args)).toThrow(words);
  });

  test.each([
    [[null, 6], 'must be two'],
    [[[null, 6]], 'must be two'],
    [
      [
        [null, 6],
        [null, 8],
      ],
      'must be two',
    ],
    [[[6], [6]], 'must be two'],
    [
      [
        [null, 3, 6],
        [null, 4, 6],
      ],
      'must have one shape',
    ],
    [
      [
        [null, 6],
        [null, 4, 6],
      ],
      'must have one shape',
    ],
  ] as [tfl.Shape[], string][])('the input shapes %j are refused', (shapes, words) => {
    expect(() => joinOf().build(shapes)).toThrow(words);
    expect(() => joinOf().computeOutputShape(shapes)).toThrow(words);
  });

  test('a length that is not known goes with any', () => {
    const shapes = [
      [null, null, 6],
      [8, 3, 6],
    ];
    expect(joinOf().computeOutputShape(shapes)).toEqual([8, 3, 6]);
  });

  test('variables are there once it is built', () => {
    expect(() => joinOf().variables).toThrow('BinaryTreeLSTM: variables are there once the layer is built.');
  });

  test('the configuration holds every argument', () => {
    const args = {units: 3, kernelInitializer: orthogonalMatrix({gain: 2}), biasInitializer: 'ones', seed: 11};
    const config = joinOf(args).getConfig();
    const kernelInitializer = {className: 'OrthogonalMatrix', config: {gain: 2, seed: null}};
    expect(config).toMatchObject({...args, kernelInitializer});
    expect(new BinaryTreeLSTM(config as unknown as BinaryTreeLSTMArgs).getConfig()).toEqual(config);
    expect(joinOf({seed: undefined} as object).getConfig()).toMatchObject({
      kernelInitializer: 'orthogonal',
      biasInitializer: 'zeros',
      seed: null,
    });
  });
});
