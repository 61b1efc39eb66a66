// Discrete latent variables and the score-function family as on a backend that keeps its tensors on a device: nothing is read back.
import * as tf from '@tensorflow/tfjs-core';
import {categoricalLatent, discreteVAE} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ESTIMATORS, type EstimatorName} from '../../src/estimators/registry.js';
import {SCORE_ESTIMATORS, type ScoreEntry} from '../../src/estimators/score/registry.js';
import {hostRead, isOnHost} from '../../src/ops/host-read.js';
import {seeded} from '../../src/random/random-source.js';
import {onDevice, onHost} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

const ROUNDING = 5e-6;
const NaNs = (x: tf.Tensor) => list(x).filter(Number.isNaN).length;

test('what runs on the device of these tests cannot read back', async () => {
  await tf.setBackend('cpu');
  expect([isOnHost(), onDevice(isOnHost)]).toEqual([true, false]);
  expect(() => onDevice(() => hostRead(tf.scalar(1)))).toThrow('read back');
});

eachBackend('discrete latents on a device', () => {
  const logits = () => tf.tensor2d(numbers(7, 30, -2, 2), [5, 6]);

  test.each(Object.keys(ESTIMATORS) as EstimatorName[])(
    'a latent by %s draws and decides as on the host',
    estimator => {
      const run = () => {
        const layer = categoricalLatent({numLatents: 2, numCategories: 3, seed: 1, name: 'latent', estimator});
        const gradient = tf.grad(x => {
          const codes = layer.apply(x, {training: true}) as tf.Tensor;
          return tf.add(tf.sum(tf.mul(codes, [1, -2, 3, 0, 1, 2])), tf.addN(layer.calculateLosses()));
        })(logits());
        return [gradient, layer.apply(logits(), {training: true}), layer.apply(logits())] as tf.Tensor[];
      };
      const expected = onHost(run);
      onDevice(run).forEach((tensor, i) => {
        expectClose(tensor, list(expected[i]!), ROUNDING);
      });
    },
  );

  test('NaN among the logits is NaN in the code of its variable alone, in training and in inference', () => {
    const layer = categoricalLatent({numLatents: 2, numCategories: 3, seed: 1});
    const x = tf.tensor2d([[0, 1, 2, 0, Number.NaN, 1]]);
    for (const training of [true, false]) {
      const codes = onDevice(() => layer.apply(x, {training}) as tf.Tensor);
      expect(NaNs(tf.slice(codes, [0, 3], [1, 3]))).toBeGreaterThan(0);
      expect(NaNs(tf.slice(codes, [0, 0], [1, 3]))).toBe(0);
    }
  });

  test('a discrete VAE encodes, decodes, reconstructs and samples', () => {
    const vae = discreteVAE({inputUnits: 4, hiddenUnits: [5], numLatents: 2, numCategories: 3, seed: 1});
    const x = tf.tensor2d(numbers(1, 12, 0, 1), [3, 4]);
    const run = () => {
      const codes = vae.encode(x);
      return [codes, vae.decode(codes), vae.reconstruct(x), vae.sample(3, seeded(1))];
    };
    const expected = onHost(run);
    onDevice(run).forEach((tensor, i) => {
      expectClose(tensor, list(expected[i]!), ROUNDING);
    });
  });

  const SCORES = Object.entries(SCORE_ESTIMATORS as Record<string, ScoreEntry>).flatMap(([name, entry]) =>
    entry.distributions.map(distribution => [name, distribution, entry] as const),
  );
  test.each(SCORES)('%s, %s, gives the loss and the gradients that it gives on the host', (_, distribution, entry) => {
    const run = () => {
      const state = entry.createState?.({latentSize: 6, seed: 2});
      const x = tf.variable(tf.reshape(logits(), [5, 2, 3]));
      const variables = [x, ...(state?.variables.filter(variable => variable.trainable) ?? [])];
      const {value, grads} = tf.variableGrads(() => {
        const options = {distribution, state, random: seeded(3)};
        const f = (b: tf.Tensor) => tf.sum(tf.square(tf.sub(b, 0.3)), [1, 2]) as tf.Tensor1D;
        const {loss, controlLoss = tf.scalar(0)} = entry.estimate(f, x, options);
        return tf.add(loss, controlLoss) as tf.Scalar;
      }, variables);
      state?.dispose();
      return [value, ...variables.map(variable => grads[variable.name]!)];
    };
    const expected = onHost(run);
    onDevice(run).forEach((tensor, i) => {
      expectClose(tensor, list(expected[i]!), ROUNDING);
    });
  });
});
