import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {sumBinaryCrossentropy} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

const ROUNDING = 1e-5;

/** -(y ln p + (1 - y) ln(1 - p)) in float64. */
const entropy = (y: number, z: number) => Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)));

eachBackend('sumBinaryCrossentropy', () => {
  const [y, z] = [numbers(1, 12, 0, 1), numbers(2, 12, -4, 4)];

  test('it sums the cross entropy of all outputs of an example, of whatever rank', () => {
    const expected = [0, 1].map(row =>
      Array.from({length: 6}, (_, i) => entropy(y[6 * row + i]!, z[6 * row + i]!)).reduce((a, b) => a + b),
    );
    for (const shape of [
      [2, 6],
      [2, 3, 2],
    ]) {
      const loss = sumBinaryCrossentropy(tf.tensor(y, shape), tf.tensor(z, shape));
      expect(loss.shape).toEqual([2]);
      expectClose(loss, expected, ROUNDING);
    }
  });

  test('its gradient is sigmoid(logits) - targets, weighted by example', () => {
    const weights = [2, -0.5];
    const gradient = tf.grad(x =>
      tf.sum(tf.mul(sumBinaryCrossentropy(tf.tensor2d(y, [2, 6]), x as tf.Tensor2D), tf.tensor1d(weights))),
    )(tf.tensor2d(z, [2, 6]));
    expectClose(
      gradient,
      z.map((v, i) => (1 / (1 + Math.exp(-v)) - y[i]!) * weights[Math.floor(i / 6)]!),
      ROUNDING,
    );
  });

  test('logits of 1e4 cost what they should, and no NaN', () => {
    const targets = tf.tensor2d([[0, 1, 0, 1]]);
    const logits = tf.tensor2d([[-1e4, 1e4, 1e4, -1e4]]);
    expectClose(sumBinaryCrossentropy(targets, logits), [2e4], 0.01);
    const gradient = tf.grad(x => tf.sum(sumBinaryCrossentropy(targets, x)))(logits);
    expectClose(gradient, [0, 0, 1, -1], ROUNDING);
  });

  test('it is a loss for compile and fit', async () => {
    // One weight w on an input of 1, targets (1, 0): the sum is softplus(w) - w + softplus(w), least at w = 0, where it is 2 ln 2 over two examples.
    const model = tfl.sequential({
      layers: [tfl.layers.dense({units: 1, useBias: false, inputShape: [1], kernelInitializer: 'ones'})],
    });
    model.compile({optimizer: tf.train.sgd(0.5), loss: sumBinaryCrossentropy});
    const history = await model.fit(tf.ones([2, 1]), tf.tensor2d([[1], [0]]), {epochs: 60});
    expect(history.history.loss!.at(-1)).toBeCloseTo(Math.LN2, 4);
    expect(list(model.getWeights()[0]!)[0]).toBeCloseTo(0, 2);
  });

  test('integers and booleans are read as numbers, among targets and logits', () => {
    const [targets, logits] = [tf.tensor2d([[1, 0]]), tf.tensor2d([[1, -2]])];
    const expected = [entropy(1, 1) + entropy(0, -2)];
    for (const dtype of ['int32', 'bool'] as const) {
      const cast = tf.cast(targets, dtype);
      expectClose(sumBinaryCrossentropy(cast, logits), expected, ROUNDING);
      const gradient = tf.grad(x => tf.sum(sumBinaryCrossentropy(cast, x)))(logits);
      expectClose(gradient, [1 / (1 + Math.exp(-1)) - 1, 1 / (1 + Math.exp(2))], ROUNDING);
    }
    expectClose(sumBinaryCrossentropy(targets, tf.cast(logits, 'int32')), expected, ROUNDING);
  });

  test('an example may be one number, and a batch may hold none', () => {
    expectClose(
      sumBinaryCrossentropy(tf.tensor1d([1, 0]), tf.tensor1d([0.5, 2])),
      [entropy(1, 0.5), entropy(0, 2)],
      ROUNDING,
    );
    expect(sumBinaryCrossentropy(tf.zeros([0, 3]), tf.zeros([0, 3])).shape).toEqual([0]);
    const gradient = tf.grad(x => sumBinaryCrossentropy(tf.zeros([0, 3]), x))(tf.zeros([0, 3]));
    expect(gradient.shape).toEqual([0, 3]);
  });

  test('its gradient has the shape of the logits, of whatever rank, each example weighted by its own', () => {
    const weights = tf.tensor1d([2, -0.5]);
    const gradient = tf.grad(x => tf.sum(tf.mul(sumBinaryCrossentropy(tf.tensor3d(y, [2, 3, 2]), x), weights)))(
      tf.tensor3d(z, [2, 3, 2]),
    );
    expect(gradient.shape).toEqual([2, 3, 2]);
    expectClose(
      gradient,
      z.map((v, i) => (1 / (1 + Math.exp(-v)) - y[i]!) * (i < 6 ? 2 : -0.5)),
      ROUNDING,
    );
  });

  test('a logit without a batch is refused', () => {
    expect(() => sumBinaryCrossentropy(tf.scalar(1), tf.scalar(1))).toThrow(
      'sumBinaryCrossentropy: logits must have shape [batch, ...], but got [].',
    );
  });

  test('other shapes are refused', () => {
    expect(() => sumBinaryCrossentropy(tf.zeros([2, 3]), tf.zeros([2, 4]))).toThrow(
      "sumBinaryCrossentropy: targets must have shape the logits' shape = [2, 4], but got [2, 3].",
    );
  });
});
