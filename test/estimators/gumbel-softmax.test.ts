import * as tf from '@tensorflow/tfjs-core';
import {gumbelSoftmax, seeded, straightThroughGumbelSoftmax} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {gradientOf, numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {fromGumbels} from '../support/injected.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const GOLDEN = 1e-6;
const THETA = [0.5, -1, 0.25, 1.5];
const NOISE = [0.2, 0.7, -0.3, -0.9];

eachBackendAndKernels('gumbelSoftmax', () => {
  // s * (g - <s, g>) / temperature, s = softmax((theta + G) / temperature), g = [1, -2, .5, 3], in float64.
  test.each([
    [0.5, [-0.472509399202, -0.436909308932, -0.20791619343, 1.117334901564]],
    [1, [-0.062352106696, -0.424979875443, -0.115491701688, 0.602823683827]],
  ])('the gradient at temperature %d is that of the relaxed sample, for both forms', (temperature, expected) => {
    const g = tf.tensor1d([1, -2, 0.5, 3]);
    for (const estimate of [gumbelSoftmax, straightThroughGumbelSoftmax]) {
      const options = {temperature, random: fromGumbels(NOISE)};
      expectClose(
        gradientOf(estimate, x => tf.mul(x, g), tf.tensor1d(THETA), options),
        expected,
        GOLDEN,
      );
    }
  });

  test('the relaxed sample is softmax((theta + G) / temperature), and the straight-through one its argmax', () => {
    const weights = THETA.map((t, i) => Math.exp((t + NOISE[i]!) / 0.5));
    const z = weights.reduce((a, b) => a + b);
    const relaxed = gumbelSoftmax(tf.tensor1d(THETA), {temperature: 0.5, random: fromGumbels(NOISE)}).sample;
    expectClose(
      relaxed,
      weights.map(w => w / z),
      GOLDEN,
    );
    // theta + G = [.7, -.3, -.05, .6].
    const hard = straightThroughGumbelSoftmax(tf.tensor1d(THETA), {
      temperature: 0.5,
      random: fromGumbels(NOISE),
    }).sample;
    expect(list(hard)).toEqual([1, 0, 0, 0]);
  });

  test('the relaxed sample has the gradient that tfjs itself derives', () => {
    const weights = tf.tensor1d(numbers(1, 4));
    const noise = tf.tensor1d(NOISE);
    const loss = (x: tf.Tensor) => tf.mul(tf.square(x), weights);
    const taped = tf.grad(x => tf.sum(loss(tf.softmax(tf.div(tf.add(x, noise), 0.7)))))(tf.tensor1d(THETA));
    const ours = gradientOf(gumbelSoftmax, loss, tf.tensor1d(THETA), {temperature: 0.7, random: fromGumbels(NOISE)});
    expectClose(ours, taped.dataSync(), GOLDEN);
  });

  test('towards temperature 0 the relaxed sample becomes one-hot', () => {
    const {sample} = gumbelSoftmax(tf.zeros([100, 4]), {temperature: 1e-3, random: seeded(2)});
    expect(tf.mean(tf.max(sample, -1)).dataSync()[0]!).toBeGreaterThan(0.99);
  });
});
