// The exact gradient at a code, and the estimators beside it: tables and sums against brute force through a small decoder.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {
  allCodes,
  checkSize,
  codeProbabilities,
  countCodes,
  drawCodes,
  exactGradient,
  latentProbabilities,
  placeValues,
} from '../../examples/gradient-quality/codes.js';
import {decodeAll, type SplitDecoder, splitDecoder} from '../../examples/gradient-quality/decoder.js';
import {drawEstimates, type ImageCase} from '../../examples/gradient-quality/estimates.js';
import {measure} from '../../examples/gradient-quality/measure.js';
import {DEFAULT_VARIANTS, estimatorOf, readVariant, titleOf} from '../../examples/gradient-quality/settings.js';
import {cosineOf, figuresOf, figuresOfBatch, meanOverImages} from '../../examples/gradient-quality/statistics.js';
import {seeded} from '../../src/estimators/index.js';
import {discreteVAE} from '../../src/layers/index.js';
import {sumBinaryCrossentropy} from '../../src/training/index.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';
import {chiSquare, chiSquareBound, meanAndError} from '../support/statistics.js';

/** Of float32, on gradients of the size of 1. */
const ROUNDING = 2e-5;
/** How many standard errors a right program may be off, by chance alone once in 16,000 times. */
const ERRORS = 4;

const SIZE = {numLatents: 2, numCategories: 3};
const UNITS = 6;
const PIXELS = 5;
const IMAGES = 2;
const LOGITS = numbers(1, IMAGES * UNITS, -1.5, 1.5);
const INTENSITIES = numbers(2, IMAGES * PIXELS, 0, 1);

const smallDecoder = () =>
  discreteVAE({inputUnits: PIXELS, hiddenUnits: [4, 7], seed: 3, activation: 'tanh', ...SIZE}).decoder;

describe('codes', () => {
  test('all codes are one-hot in each variable, and their place values count them', () => {
    const size = {numLatents: 3, numCategories: 4};
    const [codes, places] = [allCodes(size), placeValues(size)];
    expect(countCodes(size)).toBe(64);
    for (let code = 0; code < 64; ++code) {
      const row = Array.from(codes.subarray(code * 12, (code + 1) * 12));
      expect(row.reduce((sum, bit, i) => sum + bit * places[i]!, 0)).toBe(code);
      for (const begin of [0, 4, 8]) expect(row.slice(begin, begin + 4).sort()).toEqual([0, 0, 0, 1]);
    }
  });

  test('the probability of a code is the product over its variables', () => {
    const probs = latentProbabilities(LOGITS.slice(0, UNITS), SIZE);
    const codes = allCodes(SIZE);
    const expected = Array.from({length: 9}, (_, code) =>
      probs.reduce((product, p, i) => (codes[code * UNITS + i] === 1 ? product * p : product), 1),
    );
    const found = codeProbabilities(probs, SIZE);
    expectClose(found, expected, 1e-15);
    expect(found.reduce((sum, q) => sum + q, 0)).toBeCloseTo(1, 14);
  });

  test('the exact gradient is the slope of the expected loss, by central differences in float64', () => {
    const logits = LOGITS.slice(0, UNITS);
    const losses = numbers(4, 9, 80, 120);
    const expected = (at: number[]) =>
      codeProbabilities(latentProbabilities(at, SIZE), SIZE).reduce((sum, q, code) => sum + q * losses[code]!, 0);
    const moved = (k: number, by: number) => logits.map((logit, i) => (i === k ? logit + by : logit));
    const slopes = logits.map((_, k) => (expected(moved(k, 1e-4)) - expected(moved(k, -1e-4))) / 2e-4);
    const probs = latentProbabilities(logits, SIZE);
    expectClose(exactGradient(codeProbabilities(probs, SIZE), probs, losses, SIZE), slopes, 1e-6);
  });

  test('drawn codes follow their probabilities', () => {
    const probs = codeProbabilities(latentProbabilities(LOGITS.slice(0, UNITS), SIZE), SIZE);
    const counts = new Array<number>(9).fill(0);
    for (const code of drawCodes(probs, 20_000, seeded(1))) counts[code]!++;
    const expected = Array.from(probs, q => q * 20_000);
    expect(chiSquare(counts, expected)).toBeLessThan(chiSquareBound(8));
    // A category that cannot be is never drawn, also not at the ends.
    const sparse = Float64Array.of(0, 0.5, 0, 0.5, 0);
    expect(new Set(drawCodes(sparse, 1000, seeded(2)))).toEqual(new Set([1, 3]));
  });

  test('a code that cannot be enumerated is refused', () => {
    checkSize({numLatents: 4, numCategories: 8});
    expect(() => checkSize({numLatents: 30, numCategories: 10})).toThrow(
      '--size: the codes must be enumerated, at most 16384 of 2 categories or more, but 10x30 has 1e+30.',
    );
  });
});

describe('statistics', () => {
  test('figures of drawn rows, by hand', () => {
    // Rows (2, 0) and (0, 2), each drawn once: mean (1, 1), variances 2 and 2, so deviation 2 / sqrt 2; exact (2, 0) is sqrt 2 away from
    // the mean over its length 2, and at 45 degrees from it; the cosines with the rows are 1 and 0. The third row is not drawn.
    const rows = Float32Array.of(2, 0, 0, 2, 9, 9);
    const found = figuresOf({exact: Float64Array.of(2, 0), rows, drawn: [0, 1]});
    expect(found).toMatchObject({expectedBias: null, expectedCosine: null});
    expect(found.bias).toBeCloseTo(Math.SQRT1_2, 12);
    expect(found.deviation).toBeCloseTo(Math.SQRT2, 12);
    expect(found.cosine).toBeCloseTo(Math.SQRT1_2, 12);
    expect(found.singleCosine).toBeCloseTo(0.5, 12);
    // With the probabilities 3/4, 1/4, 0 of the rows the expectation is (1.5, .5): sqrt .5 away, over 2.
    const probabilities = Float64Array.of(0.75, 0.25, 0);
    const enumerated = figuresOf({exact: Float64Array.of(2, 0), rows, drawn: [0, 1], probabilities});
    expect(enumerated.expectedBias).toBeCloseTo(Math.sqrt(0.5) / 2, 12);
    expect(enumerated.expectedCosine).toBeCloseTo(1.5 / Math.sqrt(2.5), 12);
  });

  test('the cosine with a vector of zeros is 0, and two means of no length do not differ', () => {
    expect(cosineOf([0, 0], [1, 2])).toBe(0);
    expect(cosineOf([1, 2], [-2, -4])).toBeCloseTo(-1, 12);
    const found = figuresOf({exact: new Float64Array(2), rows: new Float32Array(4), drawn: [0, 1]});
    expect(found).toMatchObject({bias: 0, deviation: 0, cosine: 0, singleCosine: 0});
  });

  test('a mean over images has the standard error of its values, and none where a figure is missing', () => {
    const values = [1, 2, 4, 7];
    expect(meanOverImages(values)).toEqual(meanAndError(values));
    expect(meanOverImages([1, null])).toBeNull();
  });

  test('in the batch the images are one vector', () => {
    const [first, second] = [Float64Array.of(3, 0), Float64Array.of(0, 4)];
    const ofImage = (mean: Float64Array) => ({mean, variance: Float64Array.of(0.5, 0.5)});
    const found = figuresOfBatch([first, second], [ofImage(first), ofImage(Float64Array.of(4, 0))]);
    // Exact (3, 0, 0, 4) of length 5, mean (3, 0, 4, 0) of length 5: product 9, distance sqrt 32; deviation sqrt 2.
    expect(found.cosine.mean).toBeCloseTo(9 / 25, 12);
    // Without the first the cosine is 0, without the second 1: the jackknife's error is sqrt(1/2 (1/4 + 1/4)).
    expect(found.cosine.error).toBeCloseTo(0.5, 12);
    expect(found.bias).toBeCloseTo(Math.sqrt(32) / 5, 12);
    expect(found.deviation).toBeCloseTo(Math.SQRT2 / 5, 12);
  });
});

describe('variants', () => {
  test('are read from names and temperatures', () => {
    expect(readVariant('gst:0.7')).toEqual({family: 'pathwise', name: 'gappedStraightThrough', temperature: 0.7});
    expect(readVariant('leaveOneOut')).toEqual({family: 'score', name: 'leaveOneOut', temperature: null});
    expect(titleOf(readVariant('reinmax:1.3'))).toBe('ReinMax, 1.3');
    expect(DEFAULT_VARIANTS.split(',').map(readVariant)).toHaveLength(13);
  });

  test.each([
    ['reinmax', /"reinmax" must be a name, a colon and a temperature above 0/],
    ['reinmax:0', /temperature above 0/],
    ['reinmax:1:2', /temperature above 0/],
    ['reimax:1', /unknown name "reimax"\. Expected one of: straightThrough, /],
  ])('%s is refused', (text, expected) => {
    expect(() => readVariant(text)).toThrow(expected);
  });
});

eachBackendOfPrograms('gradient-quality', () => {
  const pixelsOf = (i: number) => tf.tensor2d([INTENSITIES.slice(i * PIXELS, (i + 1) * PIXELS)]);
  /** The loss of image i at codes [rows, units], straight through the decoder. */
  const lossOf = (decoder: SplitDecoder, i: number) => (codes: tf.Tensor) => {
    const logits = tf.add(tf.matMul(decoder.features(codes as tf.Tensor2D), decoder.kernel), decoder.bias);
    return sumBinaryCrossentropy(tf.tile(pixelsOf(i), [codes.shape[0]!, 1]), logits);
  };
  const codeTensor = () => tf.tensor2d(allCodes(SIZE), [9, UNITS]);

  /** What measure() makes of image 0. */
  const imageCase = (decoder: SplitDecoder, draws: number): ImageCase & {probs: Float64Array; exact: Float64Array} => {
    const own = Float32Array.from(LOGITS.slice(0, UNITS));
    const decoded = decodeAll(decoder, codeTensor());
    const probs = latentProbabilities(own, SIZE);
    const codeProbs = codeProbabilities(probs, SIZE);
    const losses = Float32Array.from(list(decoded.losses(pixelsOf(0))));
    const lossGradients = Float32Array.from(list(decoded.gradients(pixelsOf(0))));
    const drawn = drawCodes(codeProbs, draws, seeded(6));
    const exact = exactGradient(codeProbs, probs, losses, SIZE);
    const rest = {size: SIZE, logits: own, pixels: pixelsOf(0), codes: allCodes(SIZE)};
    return {...rest, losses, lossGradients, drawn, probs: codeProbs, exact};
  };

  test('a split decoder gives the logits of the whole one', () => {
    const whole = smallDecoder();
    const {features, kernel, bias} = splitDecoder(whole);
    const expected = list(whole.predict(codeTensor()) as tf.Tensor);
    expectClose(tf.add(tf.matMul(features(codeTensor()), kernel), bias), expected, ROUNDING);
  });

  test('the tables of losses and of their derivatives are those of each code and image by itself', () => {
    const decoder = splitDecoder(smallDecoder());
    const decoded = decodeAll(decoder, codeTensor());
    const pixels = tf.tensor2d(INTENSITIES, [IMAGES, PIXELS]);
    const losses = list(decoded.losses(pixels));
    for (let i = 0; i < IMAGES; ++i) {
      expectClose(losses.slice(9 * i, 9 * i + 9), list(lossOf(decoder, i)(codeTensor())), ROUNDING);
      const derivatives = tf.grad(codes => tf.sum(lossOf(decoder, i)(codes)))(codeTensor());
      expectClose(decoded.gradients(pixelsOf(i)), list(derivatives), ROUNDING);
    }
  });

  test.each(['st:1.3', 'gst:0.7', 'reinmax:1', 'reinmax:1.3'])(
    'the expectation of %s over the table is that of the estimator in front of the decoder',
    async text => {
      const variant = readVariant(text) as Parameters<typeof estimatorOf>[0];
      const decoder = splitDecoder(smallDecoder());
      const image = imageCase(decoder, 10);
      const {rows, isEnumerated} = await drawEstimates(variant, image, decoder, seeded(1));
      expect(isEnumerated).toBe(true);
      const estimate = estimatorOf(variant);
      const expected = new Array<number>(UNITS).fill(0);
      const found = new Array<number>(UNITS).fill(0);
      for (let code = 0; code < 9; ++code) {
        const given = tf.tensor3d(image.codes.slice(code * UNITS, (code + 1) * UNITS), [1, 2, 3]);
        const one = tf.grad(theta => {
          const {sample} = estimate(theta, {given});
          return tf.sum(lossOf(decoder, 0)(tf.reshape(sample, [1, UNITS])));
        })(tf.tensor3d(image.logits, [1, 2, 3]));
        list(one).forEach((g, k) => {
          expected[k]! += image.probs[code]! * g;
          found[k]! += image.probs[code]! * rows[code * UNITS + k]!;
        });
      }
      expectClose(found, expected, ROUNDING);
      const figures = figuresOf({exact: image.exact, rows, drawn: image.drawn, probabilities: image.probs});
      expect(figures.expectedCosine).toBeCloseTo(cosineOf(image.exact, expected), 4);
    },
  );

  test.each([
    ['stgs:0.7', 6000],
    ['gr:0.7', 400],
    ['gs:0.7', 6000],
  ] as const)('draws of %s have the mean that the estimator has in front of the decoder', async (text, count) => {
    const variant = readVariant(text) as Parameters<typeof estimatorOf>[0];
    const decoder = splitDecoder(smallDecoder());
    const image = imageCase(decoder, count);
    const {rows, isEnumerated} = await drawEstimates(variant, image, decoder, seeded(1));
    expect(isEnumerated).toBe(false);
    expect(rows).toHaveLength(count * UNITS);
    const estimate = estimatorOf(variant);
    const direct = list(
      tf.grad(theta => {
        const {sample} = estimate(theta, {random: seeded(2)});
        return tf.sum(lossOf(decoder, 0)(tf.reshape(sample, [count, UNITS])));
      })(tf.tile(tf.tensor3d(image.logits, [1, 2, 3]), [count, 1, 1])),
    );
    for (let k = 0; k < UNITS; ++k) {
      const column = (values: ArrayLike<number>) =>
        meanAndError(Array.from({length: count}, (_, i) => values[i * UNITS + k]!));
      const [a, b] = [column(rows), column(direct)];
      expect(Math.abs(a.mean - b.mean)).toBeLessThan(ERRORS * Math.hypot(a.error, b.error));
    }
  });

  test.each(['reinforce', 'leaveOneOut'])('the mean of %s is the exact gradient', async text => {
    const count = 20_000;
    const decoder = splitDecoder(smallDecoder());
    const image = imageCase(decoder, count);
    const {rows} = await drawEstimates(readVariant(text), image, decoder, seeded(5));
    for (let k = 0; k < UNITS; ++k) {
      const {mean, error} = meanAndError(Array.from({length: count}, (_, i) => rows[i * UNITS + k]!));
      expect(Math.abs(mean - image.exact[k]!)).toBeLessThan(ERRORS * error);
    }
  });

  test('where the loss is nearly quadratic in the code, ReinMax at temperature 1 has a tenth of the bias of the others', async () => {
    // Logits linear in the code and small: softplus(x) = ln 2 + x / 2 + x^2 / 8 - x^4 / 192 + ...
    const kernel = tf.tensor2d(numbers(7, UNITS * PIXELS, -0.25, 0.25), [UNITS, PIXELS]);
    const decoder: SplitDecoder = {features: codes => codes, kernel, bias: tf.zeros([PIXELS])};
    const subject = {
      size: SIZE,
      logits: tf.tensor2d(LOGITS, [IMAGES, UNITS]),
      pixels: tf.tensor2d(INTENSITIES, [IMAGES, PIXELS]),
      decoder,
    };
    const texts = ['reinmax:1', 'reinmax:1.3', 'st:1', 'gst:1'];
    const {variants} = await measure(subject, texts.map(readVariant), 20, seeded(1));
    const [exact, ...others] = variants.map(({expectedBias}) => expectedBias!.mean);
    for (const bias of others) expect(exact!).toBeLessThan(bias / 10);
    expect(variants[0]!.expectedCosine!.mean).toBeGreaterThan(0.999);
  });

  test('a measurement is the same for the same seed, describes the code, and leaves no tensor', async () => {
    const decoder = splitDecoder(smallDecoder());
    const subject = {
      size: SIZE,
      logits: tf.tensor2d(LOGITS, [IMAGES, UNITS]),
      pixels: tf.tensor2d(INTENSITIES, [IMAGES, PIXELS]),
      decoder,
    };
    const variants = DEFAULT_VARIANTS.split(',').map(readVariant);
    const before = tf.memory().numTensors;
    const found = await measure(subject, variants, 30, seeded(1));
    expect(tf.memory().numTensors).toBe(before);
    expect(await measure(subject, variants, 30, seeded(1))).toEqual(found);
    expect(await measure(subject, variants, 30, seeded(2))).not.toEqual(found);
    const {probs, losses} = imageCase(decoder, 1);
    const second = codeProbabilities(latentProbabilities(LOGITS.slice(UNITS), SIZE), SIZE);
    expect(found.topProbability).toBeCloseTo((Math.max(...probs) + Math.max(...second)) / 2, 5);
    const secondLosses = list(lossOf(decoder, 1)(codeTensor()));
    const mean = (q: Float64Array, of: ArrayLike<number>) => q.reduce((sum, p, code) => sum + p * of[code]!, 0);
    expect(found.loss).toBeCloseTo((mean(probs, losses) + mean(second, secondLosses)) / 2, 4);
    expect(found.variants.map(({expectedCosine}) => expectedCosine !== null)).toEqual(
      variants.map(({name}) => ['straightThrough', 'gappedStraightThrough', 'reinmax'].includes(name)),
    );
  });
});
