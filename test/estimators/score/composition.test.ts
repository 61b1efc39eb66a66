// The score-function estimators as a part of something larger: between an encoder and a decoder, twice in a step, on objectives of other kinds.
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {getScoreEstimator, SCORE_ESTIMATORS, type ScoreEntry} from '../../../src/estimators/score/registry.js';
import type {Distribution, Objective, ScoreEstimate} from '../../../src/estimators/score/types.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';

const ROUNDING = 2e-5;

const CASES = Object.entries(SCORE_ESTIMATORS as Record<string, ScoreEntry>).flatMap(([name, entry]) =>
  entry.distributions.map(distribution => [name, distribution, entry] as [string, Distribution, ScoreEntry]),
);

const total = ({loss, controlLoss}: ScoreEstimate) => (controlLoss ? tf.add(loss, controlLoss) : loss) as tf.Scalar;
const perExample = (x: tf.Tensor) => tf.sum(tf.reshape(x, [x.shape[0]!, -1]), 1) as tf.Tensor1D;

eachBackend('score-function estimators in something larger', () => {
  describe.each(CASES)('%s, %s', (name, distribution, {estimate, createState, usesGradient}) => {
    const input = () => tf.tensor2d(numbers(1, 12, -1, 1), [3, 4]);
    const target = () => tf.tensor3d(numbers(2, 18, -1, 1), [3, 2, 3]);
    /** Both networks use `shared`; the objective uses the encoder's output too, as a divergence does. */
    const encode = (kernel: tf.Tensor, shared: tf.Tensor) =>
      tf.reshape(tf.mul(tf.matMul(input(), kernel as tf.Tensor2D), shared), [3, 2, 3]);
    const reconstruct = (sample: tf.Tensor, shared: tf.Tensor) =>
      perExample(tf.square(tf.sub(tf.mul(sample, shared), target())));
    const divergence = (logits: tf.Tensor) => tf.mul(0.3, perExample(tf.square(logits)));

    test('minimize moves encoder and decoder by the estimate, the ordinary gradient and their sum', () => {
      const kernel = tf.variable(tf.tensor2d(numbers(3, 24, -1, 1), [4, 6]));
      const shared = tf.variable(tf.scalar(1.3));
      const options = {distribution, state: createState?.({latentSize: 6, seed: 4})};
      const draws: tf.Tensor[] = [];
      const ofLogits = tf.grad(logits => {
        const objective: Objective = (sample, kind) => {
          if (kind === 'hard') draws.push(tf.keep(tf.clone(sample)));
          return tf.add(reconstruct(sample, tf.scalar(1.3)), divergence(encode(kernel.clone(), tf.scalar(1.3))));
        };
        return estimate(objective, logits, {...options, random: seeded(5)}).loss;
      })(encode(kernel, shared));
      options.state?.dispose();
      const {grads: expected} = tf.variableGrads(() => {
        const logits = encode(kernel, shared);
        const atDraws = tf.mean(tf.stack(draws.map(draw => reconstruct(draw, shared))));
        return tf.addN([tf.sum(tf.mul(logits, ofLogits)), atDraws, tf.mean(divergence(logits))]) as tf.Scalar;
      }, [kernel, shared]);
      const before = [kernel, shared].map(variable => tf.clone(variable));
      const state = createState?.({latentSize: 6, seed: 4});
      const optimizer = tf.train.sgd(1);
      optimizer.minimize(() => {
        const logits = encode(kernel, shared);
        const objective: Objective = sample => tf.add(reconstruct(sample, shared), divergence(logits));
        return total(estimate(objective, logits, {...options, state, random: seeded(5)}));
      });
      [kernel, shared].forEach((variable, i) => {
        expectClose(tf.sub(before[i]!, variable), list(expected[variable.name]!), ROUNDING);
      });
      state?.dispose();
      optimizer.dispose();
      tf.dispose([kernel, shared, ...draws]);
    });

    test('two calls in a step, with one state, add up to what they give one after the other', () => {
      const logits = encode(tf.tensor2d(numbers(3, 24, -1, 1), [4, 6]), tf.scalar(1));
      const runs = [true, false].map(together => {
        const state = createState?.({latentSize: 6, seed: 4});
        const call = (seed: number) => (x: tf.Tensor) =>
          estimate(b => reconstruct(b, tf.scalar(2)), x, {distribution, state, random: seeded(seed)}).loss;
        const [first, second] = [call(1), call(2)];
        const gradient = together
          ? tf.grad(x => tf.add(first(x), second(x)))(logits)
          : tf.addN([first, second].map(fn => tf.grad(fn)(logits)));
        state?.dispose();
        return gradient;
      });
      expectClose(runs[0]!, list(runs[1]!), ROUNDING);
    });

    // Differences of booleans wrap round on the cpu backend, and their sums stop at 1.
    test.skipIf(usesGradient)('an objective of booleans or integers is read as numbers', () => {
      const logits = encode(tf.tensor2d(numbers(3, 24, -1, 1), [4, 6]), tf.scalar(1));
      const isHit = (sample: tf.Tensor) => tf.greater(perExample(tf.slice(sample, [0, 0, 0], [-1, -1, 1])), 0.5);
      const numSamples = name === 'reinforce' ? 3 : 4;
      const run = (objective: Objective) => {
        const options = () => ({distribution, numSamples, random: seeded(8)});
        const {value} = estimate(objective, logits, options());
        expect(value.dtype).toBe('float32');
        return [...list(value), ...list(tf.grad(x => estimate(objective, x, options()).loss)(logits))];
      };
      const expected = run(sample => tf.cast(isHit(sample), 'float32') as tf.Tensor1D);
      expect(expected.slice(0, 3).some(value => value > 0 && value < 1)).toBe(true);
      expect(run(sample => isHit(sample) as tf.Tensor1D)).toEqual(expected);
      expect(run(sample => tf.cast(isHit(sample), 'int32') as tf.Tensor1D)).toEqual(expected);
    });

    const ofNothing = () => {
      const logits = encode(tf.tensor2d(numbers(3, 24, -1, 1), [4, 6]), tf.scalar(1));
      return estimate(() => tf.tensor1d([1, 2, 3]), logits, {distribution});
    };
    test.skipIf(usesGradient)('an objective without the sample in it has its value', () => {
      expect(list(ofNothing().value)).toEqual([1, 2, 3]);
    });

    test.runIf(usesGradient)(
      'an objective without a gradient by the sample is refused in words, and nothing leaks',
      () => {
        const words = `${name}: objective must depend on the sample through differentiable operations`;
        const before = tf.memory().numTensors;
        expect(() => tf.tidy(() => ofNothing().loss)).toThrow(words);
        expect(tf.memory().numTensors).toBe(before);
      },
    );
  });

  test('a registered name with options stands for the function in a training loop', () => {
    // Two bits, of which the loss counts those that are 0: both become likely.
    const logits = tf.variable(tf.zeros([50, 2]));
    const optimizer = tf.train.sgd(5);
    const random = seeded(1);
    const learn = getScoreEstimator({name: 'rloo', distribution: 'binary', numSamples: 3});
    for (let i = 0; i < 60; ++i) {
      optimizer.minimize(() => learn(b => perExample(tf.sub(1, b)), logits, {random}).loss, false, [logits]);
    }
    expect(list(tf.mean(tf.sigmoid(logits)))[0]).toBeGreaterThan(0.75);
    optimizer.dispose();
    logits.dispose();
  });
});
