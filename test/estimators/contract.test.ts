// What every estimator of the registry promises, whatever its formula. A new row of the registry is tested here with no further line.
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type Estimator, type EstimatorEntry, type EstimatorName, seeded} from 'tfjs-moe/estimators';
import {describe, expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {CPU_AND_BACKENDS} from '../support/each-backend.js';
import {gradientOf, numbers, unit} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {numDraws} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** float32 sums of up to sixteen terms of magnitude one. */
const ROUNDING = 2e-6;

const REGISTRY = Object.entries(ESTIMATORS) as [EstimatorName, EstimatorEntry][];

/** A loss with a gradient at every category that differs from draw to draw: sum of (w * x)^2 + w * x. */
const loss = (weights: tf.Tensor) => (x: tf.Tensor) => {
  const y = tf.mul(x, weights);
  return tf.add(tf.square(y), y);
};

/** The one-hot of the draw, also for relaxed samples. */
const drawn = (sample: tf.Tensor, hard: boolean) =>
  hard ? sample : tf.cast(tf.equal(sample, tf.max(sample, -1, true)), 'float32');

describe.each(REGISTRY)('%s', (name, {estimate, hard}) => {
  // Two laws speak of one-hot samples only; the registry says which estimators they do not concern.
  const testIfHard = (title: string, law: () => void) => hard && test(title, law);

  // Gumbel-Rao draws its conditional noise backward: a few samples are enough for what is said here.
  const cheap: Estimator = (logits, options) =>
    estimate(logits, {...(name === 'gumbelRao' ? {numSamples: 4} : {}), ...options});

  eachBackendAndKernels(name, () => {
    test.each([[[5]], [[7, 3]], [[2, 3, 4]], [[2, 1, 3, 2]]])('has the shape of logits %j and sums to 1', shape => {
      const size = tf.util.sizeFromShape(shape);
      const logits = tf.tensor(numbers(1, size, -2, 2), shape);
      const {sample, probs} = cheap(logits, {random: seeded(2)});
      expect([sample.shape, sample.dtype, probs.shape, probs.dtype]).toEqual([shape, 'float32', shape, 'float32']);
      const rows = size / shape[shape.length - 1]!;
      expectClose(tf.sum(sample, -1), new Array(rows).fill(1), ROUNDING);
      expectClose(probs, tf.softmax(logits).dataSync(), 0);
    });

    testIfHard('the sample holds zeros and a single one, exactly', () => {
      const {sample} = cheap(tf.tensor2d(numbers(3, 600), [100, 6]), {random: seeded(1)});
      const values = list(sample);
      expect(new Set(values)).toEqual(new Set([0, 1]));
      expectClose(tf.sum(sample, -1), new Array(100).fill(1), 0);
    });

    test('draws follow softmax(logits), whatever the temperature', () => {
      const logits = tf.tensor1d([0.5, -1, 0.25, 1.5]);
      const n = numDraws(20_000);
      const rows = tf.tile(tf.reshape(logits, [1, 4]), [n, 1]);
      const {sample} = cheap(rows, {random: seeded(17), temperature: 2.5});
      const expected = list(tf.softmax(logits)).map(p => p * n);
      expect(chiSquare(tf.sum(drawn(sample, hard), 0).dataSync(), expected)).toBeLessThan(chiSquareBound(3));
    });

    test('draws follow softmax(logits) also next to logits so large that float32 has no place for noise', () => {
      // 1e8 is a multiple of 8 apart from its neighbours in float32.
      const n = numDraws(20_000);
      const {sample} = cheap(tf.fill([n, 4], 1e8), {random: seeded(18)});
      expect(chiSquare(tf.sum(drawn(sample, hard), 0).dataSync(), new Array(4).fill(n / 4))).toBeLessThan(
        chiSquareBound(3),
      );
    });

    test('two equal rows are drawn independently', () => {
      // The rows of tf.multinomial on the cpu backend agree always. Independent ones agree in binomial(400, 1/4) places: mean 100,
      // deviation 8.7; the bound is 5 of them.
      const sample = drawn(cheap(tf.zeros([2, 400, 4]), {random: seeded(1)}).sample, hard);
      const [first, second] = tf.unstack(sample);
      const agreements = tf.sum(tf.mul(first!, second!)).dataSync()[0]!;
      expect(Math.abs(agreements - 100)).toBeLessThan(44);
    });

    test('a source that goes on gives another draw', () => {
      const random = seeded(4);
      const first = list(cheap(tf.zeros([50, 4]), {random}).sample);
      expect(list(cheap(tf.zeros([50, 4]), {random}).sample)).not.toEqual(first);
    });

    test('without a source, draws differ from call to call', () => {
      expect(list(cheap(tf.zeros([50, 4])).sample)).not.toEqual(list(cheap(tf.zeros([50, 4])).sample));
    });

    testIfHard('a given sample is returned as it is, in another tensor', () => {
      const given = tf.tensor2d([0, 0, 1, 1, 0, 0], [2, 3]);
      const {sample} = cheap(tf.tensor2d([2, -1, -4, 0, 3, 1], [2, 3]), {given, random: seeded(1)});
      expect(list(sample)).toEqual(list(given));
      sample.dispose();
      expect(given.isDisposed).toBe(false);
    });

    test('the argmax of the sample is the given category, however unlikely', () => {
      const logits = tf.tensor1d([3, -6, 0.5]);
      for (let category = 0; category < 3; ++category) {
        const {sample} = cheap(logits, {given: unit(category, 3), random: seeded(category)});
        expect(tf.argMax(sample).dataSync()[0]).toBe(category);
      }
    });

    test('the gradient sums to zero over the categories', () => {
      const logits = tf.tensor2d(numbers(5, 40, -3, 3), [8, 5]);
      const weights = tf.tensor1d([3, -1, 0.5, 2, -2]);
      const gradient = gradientOf(cheap, loss(weights), logits, {random: seeded(1), temperature: 0.7});
      expect(tf.max(tf.abs(gradient)).dataSync()[0]!).toBeGreaterThan(0.01);
      expectClose(tf.sum(gradient, -1), new Array(8).fill(0), 1e-5);
    });

    test('a constant added to the logits changes neither draw nor gradient', () => {
      const values = numbers(6, 30, -2, 2);
      const weights = tf.tensor1d([3, -1, 0.5]);
      const [plain, shifted] = [0, 16].map(constant => {
        const logits = tf.add(tf.tensor2d(values, [10, 3]), constant);
        const sample = list(cheap(logits, {random: seeded(3)}).sample);
        return {sample, gradient: list(gradientOf(cheap, loss(weights), logits, {random: seeded(3)}))};
      });
      // logits + 16 is rounded to 2^-20.
      expectClose(shifted!.sample, plain!.sample, 1e-5);
      expectClose(shifted!.gradient, plain!.gradient, 1e-4);
    });

    test('a constant added to the upstream gradient changes nothing', () => {
      const logits = tf.tensor1d([0.5, -1, 0.25, 1.5]);
      const [plain, shifted] = [0, 5].map(constant => {
        const g = tf.add(tf.tensor1d([1, -2, 0.5, 3]), constant);
        return gradientOf(cheap, x => tf.mul(x, g), logits, {given: unit(2, 4), random: seeded(8)});
      });
      expectClose(shifted!, plain!.dataSync(), 1e-5);
    });

    test('each row has its own gradient: that of a batch is that of its rows', () => {
      const logits = tf.tensor2d([0.5, -1, 2, 1, 1, -0.5], [2, 3]);
      const weights = tf.tensor1d([3, -1, 0.5]);
      const given = tf.tensor2d([0, 1, 0, 1, 0, 0], [2, 3]);
      const uniforms = seeded(9).uniform(1000);
      // The same noise for a row alone: conditional noise comes sample by sample, [K, rows, categories].
      const source = (row: number | undefined) => {
        const random = {
          uniform(count: number) {
            if (row === undefined) return uniforms.slice(0, count);
            const rowOfSample = Array.from({length: count / 3}, (_, k) =>
              uniforms.slice(k * 6 + row * 3, k * 6 + row * 3 + 3),
            );
            return Float64Array.from(rowOfSample.flatMap(part => Array.from(part)));
          },
          split: () => random,
        };
        return random;
      };
      const whole = gradientOf(cheap, loss(weights), logits, {given, random: source(undefined)});
      const parts = [0, 1].map(row =>
        gradientOf(cheap, loss(weights), tf.slice(logits, [row, 0], [1, 3]), {
          given: tf.slice(given, [row, 0], [1, 3]),
          random: source(row),
        }),
      );
      expectClose(whole, tf.concat(parts).dataSync(), ROUNDING);
    });

    test('probs have the ordinary gradient of softmax', () => {
      const logits = tf.tensor1d([0.5, -1, 0.25, 1.5]);
      const weights = tf.tensor1d([1, -2, 0.5, 3]);
      const through = (probs: (x: tf.Tensor) => tf.Tensor) => tf.grad(x => tf.sum(tf.mul(probs(x), weights)))(logits);
      const ours = through(x => cheap(x, {random: seeded(1)}).probs);
      expectClose(ours, through(x => tf.softmax(x)).dataSync(), ROUNDING);
    });

    test.each([1e4, -1e4, 1e30])('logits of %d give finite samples and gradients', extreme => {
      const logits = tf.tensor2d([extreme, 0, -extreme, extreme, extreme, 1, 0, extreme, -1], [3, 3]);
      const {sample, probs} = cheap(logits, {random: seeded(1)});
      expectFinite(sample);
      expectFinite(probs);
      for (const temperature of [0.1, 1, 3]) {
        expectFinite(gradientOf(cheap, loss(tf.tensor1d([3, -1, 0.5])), logits, {random: seeded(1), temperature}));
      }
      for (let category = 0; category < 3; ++category) {
        const given = tf.tile(tf.reshape(unit(category, 3), [1, 3]), [3, 1]);
        expectFinite(gradientOf(cheap, loss(tf.tensor1d([3, -1, 0.5])), logits, {random: seeded(1), given}));
      }
    });

    test('temperatures at the ends of float32 give finite samples and no NaN in the gradient, and those beyond are refused', () => {
      const logits = tf.tensor2d([[1e4, 0, -1e4, Number.NEGATIVE_INFINITY]]);
      for (const temperature of [1e-30, 1e-6, 1e6, 1e30]) {
        expectFinite(cheap(logits, {random: seeded(1), temperature}).sample);
        const gradient = list(
          gradientOf(cheap, loss(tf.tensor1d([3, -1, 0.5, 1])), logits, {random: seeded(1), temperature}),
        );
        expect(gradient.some(Number.isNaN)).toBe(false);
      }
      for (const temperature of [1e-46, 1e39]) {
        expect(() => cheap(logits, {temperature})).toThrow(
          `${name}: temperature must be within the range of float32, but got ${temperature}.`,
        );
      }
    });

    test('a masked category is never drawn and gets neither probability nor gradient', () => {
      const n = numDraws(2000);
      const logits = tf.tile(tf.tensor2d([[Number.NEGATIVE_INFINITY, 0.3, Number.NEGATIVE_INFINITY, -0.4]]), [n, 1]);
      const {sample, probs} = cheap(logits, {random: seeded(1)});
      const counts = list(tf.sum(drawn(sample, hard), 0));
      expect([counts[0], counts[2]]).toEqual([0, 0]);
      expect([counts[1]! > 0, counts[3]! > 0]).toEqual([true, true]);
      expectClose(tf.slice(tf.sum(probs, 0), 0, 1), [0], 0);
      for (const temperature of [0.5, 1, 1.5]) {
        const gradient = gradientOf(cheap, loss(tf.tensor1d([3, -1, 0.5, 2])), logits, {
          random: seeded(1),
          temperature,
        });
        expectFinite(gradient);
        const perCategory = list(tf.sum(tf.abs(gradient), 0));
        expect([perCategory[0], perCategory[2]]).toEqual([0, 0]);
        expect(perCategory[1]!).toBeGreaterThan(0);
      }
    });

    test('with all categories but one masked, that one is drawn, with gradient zero', () => {
      const logits = tf.tensor2d([[Number.NEGATIVE_INFINITY, -3, Number.NEGATIVE_INFINITY]]);
      expectClose(cheap(logits, {random: seeded(1)}).sample, [0, 1, 0], 0);
      expectClose(gradientOf(cheap, loss(tf.tensor1d([3, -1, 0.5])), logits, {random: seeded(1)}), [0, 0, 0], 0);
    });

    test.skipIf(!ON_HOST)(`a bad row is refused by name: all masked, or with NaN or Infinity${WHY_ON_HOST}`, () => {
      const never = Number.NEGATIVE_INFINITY;
      for (const bad of [
        [never, never],
        [Number.NaN, 0],
        [0, Number.POSITIVE_INFINITY],
      ]) {
        expect(() => cheap(tf.tensor2d([[0, 1], bad as [number, number]]), {random: seeded(1)})).toThrow(
          `${name}: row 1 of the logits leaves nothing to choose from`,
        );
      }
    });

    test('one category is drawn with certainty and has gradient zero', () => {
      const logits = tf.tensor2d([[2], [-3], [0]]);
      expectClose(cheap(logits, {random: seeded(1)}).sample, [1, 1, 1], 0);
      // tfjs-node divides by way of a reciprocal: the softmax of one number is 1 - 2^-24 there.
      expectClose(gradientOf(cheap, loss(tf.tensor1d([3])), logits, {random: seeded(1)}), [0, 0, 0], ROUNDING);
    });

    test('a batch of no rows gives no rows, and leaves alone what is computed beside it', () => {
      const logits = tf.zeros([0, 4]);
      // A device takes several operations at once, and drops all of them where one of them is refused.
      const before = tf.add(tf.tensor1d([1, 2]), 1);
      const {sample, probs} = cheap(logits, {random: seeded(1)});
      expect([sample.shape, probs.shape]).toEqual([
        [0, 4],
        [0, 4],
      ]);
      const gradient = tf.grad(x => tf.mul(cheap(x, {random: seeded(1)}).sample, tf.ones([0, 4])))(logits);
      expect(gradient.shape).toEqual([0, 4]);
      expect([list(before), list(tf.mul(before, 2))]).toEqual([
        [2, 3],
        [4, 6],
      ]);
    });

    test.skipIf(!ON_HOST)(`nothing leaks where a row is refused${WHY_ON_HOST}`, () => {
      const bad = tf.tensor2d([[Number.NaN, 0]]);
      const before = tf.memory().numTensors;
      expect(() => cheap(bad)).toThrow();
      expect(tf.memory().numTensors).toBe(before);
    });

    test('nothing leaks: forward, with a gradient, given, or on an error', () => {
      const logits = tf.tensor2d(numbers(1, 12), [4, 3]);
      const given = tf.tile(tf.tensor2d([[0, 1, 0]]), [4, 1]);
      const before = tf.memory().numTensors;
      for (const options of [{}, {given}, {temperature: 0.5}]) {
        const {sample, probs} = cheap(logits, options);
        expect(tf.memory().numTensors).toBe(before + 2);
        tf.dispose([sample, probs]);
        tf.tidy(() => {
          gradientOf(cheap, x => tf.square(x), logits, options);
        });
      }
      expect(() => cheap(logits, {temperature: 0})).toThrow();
      expect(tf.memory().numTensors).toBe(before);
    });

    test('bad arguments are refused in words', () => {
      const logits = tf.zeros([2, 3]);
      const words = (bad: string) => `${name}: temperature must be a positive finite number, but got ${bad}.`;
      expect(() => cheap(logits, {temperature: -0.5})).toThrow(words('-0.5'));
      expect(() => cheap(logits, {temperature: 0})).toThrow(words('0'));
      expect(() => cheap(logits, {temperature: Number.NaN})).toThrow(words('NaN'));
      expect(() => cheap(logits, {temperature: '1' as unknown as number})).toThrow(words('"1"'));
      expect(() => cheap(tf.scalar(1))).toThrow(
        `${name}: logits must be a float32 tensor of shape [..., categories] with at least one category, but got float32 of shape [].`,
      );
      expect(() => cheap(tf.zeros([2, 0]))).toThrow('but got float32 of shape [2, 0].');
      expect(() => cheap(tf.zeros([2, 3], 'int32'))).toThrow('but got int32 of shape [2, 3].');
      expect(() => cheap(logits, {given: tf.zeros([3])})).toThrow(
        `${name}: given must have shape the logits' shape = [2, 3], but got [3].`,
      );
    });

    test.skipIf(!ON_HOST)(`a given sample that is not one-hot is refused in words${WHY_ON_HOST}`, () => {
      const given = tf.tensor2d([1, 0, 0, 1, 1, 0], [2, 3]);
      expect(() => cheap(tf.zeros([2, 3]), {given})).toThrow(
        `${name}: given must hold a single 1 and zeros in each row, but row 1 is [1, 1, 0].`,
      );
    });
  });

  test('the same seed gives the same sample on every backend', async () => {
    const values = numbers(8, 900, -2, 2);
    const samples: number[][] = [];
    for (const backend of CPU_AND_BACKENDS) {
      await tf.setBackend(backend);
      samples.push(tf.tidy(() => list(drawn(cheap(tf.tensor2d(values, [300, 3]), {random: seeded(21)}).sample, hard))));
      samples.push(tf.tidy(() => list(drawn(cheap(tf.zeros([300, 3]), {random: seeded(21)}).sample, hard))));
    }
    expect(samples[2]).toEqual(samples[0]);
    expect(samples[3]).toEqual(samples[1]);
  });
});
