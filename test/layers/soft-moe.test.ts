import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {expect, test} from 'vitest';
import {type SoftMoEArgs, softMoE} from '../../src/layers/soft-moe.js';
import {softMoEWeights} from '../../src/router/soft-moe.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {reload} from '../support/model.js';

const NETWORK = 1e-5;
const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;
const input = (batch = 2, length = 5) => tf.tensor3d(numbers(3, batch * length * 4), [batch, length, 4]);
const soft = (args: Partial<SoftMoEArgs> = {}) =>
  softMoE({numExperts: 3, slotsPerExpert: 2, hiddenUnits: 6, units: 3, seed: 1, name: 'soft', ...args});

eachBackend('SoftMoE', () => {
  test('each expert reads the means of its slots, and each token is a mean of the outputs', () => {
    const layer = soft();
    const x = input();
    const output = run(layer, x);
    const weight = (name: string) => layer.weights.find(({originalName}) => originalName.endsWith(name))!.read();
    const {dispatch, combine} = softMoEWeights(x, weight('/phi') as tf.Tensor2D, weight('/scale') as tf.Scalar);
    for (const b of [0, 1]) {
      const of = <T extends tf.Tensor3D>(y: T) => tf.squeeze<tf.Tensor2D>(tf.slice(y, [b, 0, 0], [1, -1, -1]), [0]);
      const outputs = layer.experts.map((expert, e) => {
        const means = tf.matMul(tf.slice(of(dispatch), [0, 2 * e], [-1, 2]), of(x), true);
        return run(expert, means) as tf.Tensor2D;
      });
      const expected = tf.matMul(of(combine), tf.concat2d(outputs, 0));
      expectClose(of(output as tf.Tensor3D), list(expected), NETWORK);
    }
  });

  test('padding that holds NaN gives zeros and changes no token', () => {
    const layer = soft();
    const x = input();
    const expected = run(layer, x);
    const padded = tf.concat([x, tf.fill([2, 3, 4], Number.NaN)], 1);
    const mask = tf.tensor2d([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0], [2, 8]);
    const output = run(layer, padded, {mask});
    expectClose(tf.slice(output, [0, 0, 0], [-1, 5, -1]), list(expected), NETWORK);
    expect(list(tf.slice(output, [0, 5, 0], [-1, 3, -1])).every(value => value === 0)).toBe(true);
  });

  test('it trains all its weights in fit, saves and loads, and frees all with dispose', async () => {
    const before = tf.memory().numTensors;
    const layer = soft({gated: true, activation: 'swish'});
    const model = tfl.sequential({layers: [tfl.layers.dense({units: 4, inputShape: [5, 4]}), layer]});
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const [x, y] = [input(), tf.tensor3d(numbers(8, 30), [2, 5, 3])];
    const start = layer.getWeights().map(list);
    await model.fit(x, y, {epochs: 3});
    expect(
      layer
        .getWeights()
        .map(list)
        .every((values, i) => String(values) !== String(start[i])),
    ).toBe(true);
    expect(layer.countParams()).toBe(1 + 4 * 6 + 3 * (2 * (4 * 6 + 6) + 6 * 3 + 3));
    const loaded = await reload(model);
    expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
    loaded.dispose();
    model.dispose();
    tf.dispose([x, y]);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 4); // what list() and predict made
  });

  test('an empty batch gives none, and bad arguments are refused in words', () => {
    expect(run(soft(), tf.zeros([0, 5, 4])).shape).toEqual([0, 5, 3]);
    expect(() => soft({slotsPerExpert: 0})).toThrow('SoftMoE: slotsPerExpert must be a whole number of at least 1');
    expect(() => run(soft(), tf.zeros([2, 4]))).toThrow('SoftMoE: input must have shape [batch, sequence, features]');
  });
});
