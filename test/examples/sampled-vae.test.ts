// What the programs with a sampled code share, for codes of categories; bernoulli-vae-parts.test.ts has the same for bits.
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {describe, expect, test} from 'vitest';
import {PIXELS} from '../../examples/data/image-files.js';
import type {Images} from '../../examples/data/images.js';
import {presetFor} from '../../examples/gumbel-rao-vae/presets.js';
import {codeUnits, drawCodes, largestEntries, priorCodes} from '../../examples/sampled-vae/code.js';
import type {Design} from '../../examples/sampled-vae/design.js';
import {evaluate} from '../../examples/sampled-vae/evaluate.js';
import {createMethod, METHOD_NAMES, type MethodName} from '../../examples/sampled-vae/methods.js';
import {createVae, negativeElbo, vaeOf} from '../../examples/sampled-vae/model.js';
import {type Run, resumeRun, saveRun, startRun} from '../../examples/sampled-vae/run-state.js';
import type {Settings} from '../../examples/sampled-vae/settings.js';
import {train} from '../../examples/sampled-vae/training.js';
import {loadCheckpoint} from '../../examples/shared/checkpoint.js';
import {onBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Sums of 784 terms in float32, against float64. */
const SUM = 2e-3;
/** Standard errors that a Monte Carlo mean may be away. */
const DEVIATIONS = 5;

const [L, K] = [3, 4];
const DESIGN: Design = {program: 'a-test', numLatents: L, numCategories: K, hiddenUnits: [9, 6], leak: 0};
const UNITS = L * K;
const BITS_ONLY: MethodName[] = ['disarm', 'arms', 'foust', 'doubleCV', 'rodeo'];
const CATEGORICAL = METHOD_NAMES.filter(name => !BITS_ONLY.includes(name));
const drawsOf = (name: MethodName) => (name === 'leaveOneOut' ? 2 : 1);

const bits = (count: number, stream: number) =>
  Float32Array.from(seeded(11).split(stream).uniform(count), u => (u < 0.4 ? 1 : 0));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const logSumExp = (values: number[]) => Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
const softmax = (values: number[]) => values.map(value => Math.exp(value - logSumExp(values)));
/** One-hot codes, row by row. */
const oneHot = (categories: number[], numCategories = K) =>
  Float32Array.from(categories.flatMap(c => Array.from({length: numCategories}, (_, i) => (i === c ? 1 : 0))));

describe('the networks', () => {
  onBackend('cpu', () => {});
  test('the decoder has the widths of the encoder in reverse, and a code of categories a unit each', () => {
    const {model, encoder, decoder} = createVae(DESIGN, 0);
    const kernels = (network: typeof encoder) =>
      network.getWeights().flatMap(({shape}) => (shape.length > 1 ? [shape] : []));
    expect(kernels(encoder)).toEqual([
      [784, 9],
      [9, 6],
      [6, UNITS],
    ]);
    expect(kernels(decoder)).toEqual([
      [UNITS, 6],
      [6, 9],
      [9, 784],
    ]);
    expect(model.name).toBe('a_test');
    expect(codeUnits({numLatents: 5, numCategories: 2})).toBe(5);
    expect(vaeOf(model, DESIGN).code).toEqual({numLatents: L, numCategories: K});
  });

  test('without a leak the hidden units are plain ReLUs, and the last layer is linear', () => {
    const {encoder} = createVae({...DESIGN, hiddenUnits: [1]}, 0);
    // One hidden unit that is minus the first pixel, and outputs that are minus that unit less 1.
    const kernel = tf.buffer([PIXELS, 1]);
    kernel.set(-1, 0, 0);
    encoder.setWeights([kernel.toTensor(), tf.zeros([1]), tf.fill([1, UNITS], -1), tf.fill([UNITS], -1)]);
    const image = (first: number) => Float32Array.from({length: PIXELS}, (_, i) => (i === 0 ? first : 0));
    const outputs = list(encoder.apply(tf.tensor2d([...image(2), ...image(-2)], [2, PIXELS])) as tf.Tensor);
    expectClose(outputs, [...new Array(UNITS).fill(-1), ...new Array(UNITS).fill(-3)], 0);
  });
});

eachBackendOfPrograms('the code', () => {
  test('is drawn from the softmax of each variable, one category of each', async () => {
    const numSamples = 4000;
    const logits = tf.randomNormal([2, UNITS], 0, 1.5, 'float32', 3) as tf.Tensor2D;
    const codes = await drawCodes(logits, numSamples, seeded(1), DESIGN);
    expect(codes.shape).toEqual([2, numSamples, UNITS]);
    const ofVariables = tf.sum(tf.reshape(codes, [2, numSamples, L, K]), 3);
    expectClose(ofVariables, new Array(2 * numSamples * L).fill(1), 0);
    const means = list(tf.mean(codes, 1));
    const odds = list(logits);
    for (let first = 0; first < 2 * UNITS; first += K) {
      softmax(odds.slice(first, first + K)).forEach((p, i) => {
        const error = Math.sqrt((p * (1 - p)) / numSamples);
        expect(Math.abs(means[first + i]! - p)).toBeLessThan(DEVIATIONS * error);
      });
    }
  });

  test('of the prior has every category alike', () => {
    const count = 4000;
    const codes = tf.tensor2d(priorCodes(count, seeded(2), DESIGN), [count, UNITS]);
    expectClose(tf.sum(tf.reshape(codes, [count, L, K]), 2), new Array(count * L).fill(1), 0);
    const error = Math.sqrt((0.25 * 0.75) / count);
    expectClose(tf.mean(codes, 0), new Array(UNITS).fill(1 / K), DEVIATIONS * error);
  });

  test('that is likeliest has the largest entry of each variable', () => {
    const entries = tf.tensor2d([0, 3, 1, 2, -1, -3, -2, -4, 5, 5.5, 5.2, 6], [1, UNITS]);
    expectClose(largestEntries(entries, DESIGN, 0), oneHot([1, 0, 3]), 0);
    expectClose(largestEntries(tf.tensor2d([[-1, 0, 2]]), {numLatents: 3, numCategories: 2}, 0), [0, 0, 1], 0);
  });
});

eachBackendOfPrograms('the bound of categories', () => {
  test('is the sum over pixels and variables of a slow loop', () => {
    const vae = createVae(DESIGN, 1);
    const pixels = bits(2 * PIXELS, 0);
    const codes = oneHot([0, 3, 1, 2, 2, 0]);
    const logits = tf.randomNormal([2, UNITS], 0, 2, 'float32', 5) as tf.Tensor2D;
    const bound = negativeElbo(vae, tf.tensor2d(pixels, [2, PIXELS]), logits);
    const code = tf.tensor2d(codes, [2, UNITS]);
    const [decoded, odds] = [list(vae.decoder.apply(code) as tf.Tensor), list(logits)];
    const expected = [0, 1].map(row => {
      let total = 0;
      for (let i = row * PIXELS; i < (row + 1) * PIXELS; ++i) total += softplus(decoded[i]!) - pixels[i]! * decoded[i]!;
      for (let first = row * UNITS; first < (row + 1) * UNITS; first += K) {
        const q = softmax(odds.slice(first, first + K));
        q.forEach((probability, i) => {
          total += codes[first + i]! * (Math.log(probability) + Math.log(K));
        });
      }
      return total;
    });
    expectClose(bound.ofCodes(code), expected, SUM);
  });

  test('where the code is certain, every method reports and minimises the bound of that code', () => {
    const vae = createVae(DESIGN, 2);
    const x = tf.tensor2d(bits(2 * PIXELS, 2), [2, PIXELS]);
    const codes = tf.tensor2d(oneHot([0, 3, 1, 2, 2, 0]), [2, UNITS]);
    const logits = tf.mul(60, codes) as tf.Tensor2D;
    const bound = negativeElbo(vae, x, logits);
    const expected = list(bound.ofCodes(codes));
    for (const name of CATEGORICAL) {
      const {temperature} = presetFor(name);
      const options = {code: DESIGN, numSamples: drawsOf(name), temperature, seed: 0, contextSize: PIXELS};
      const method = createMethod(name, options);
      const {value, minimised} = method.estimate(bound, logits, x, seeded(4));
      expectClose(value, expected, SUM);
      expectClose(minimised, [(expected[0]! + expected[1]!) / 2], SUM);
      method.dispose();
    }
  });

  // One variable matters, with the loss f_k of its category k; the others have logits 0, so that any code of theirs costs the same. With
  // a_k = f_k + log p_k, the gradient of sum_k p_k a_k with respect to h_j is p_j (a_j - sum_k p_k a_k). The loss is linear in the
  // one-hot code, for which straight-through is exact at temperature 1.
  test('the mean gradient of both families is that of -ELBO', () => {
    const rows = 1000;
    const [h, f] = [
      [0.8, -0.5, 0.1, -1],
      [3, -1, 0.5, 2],
    ];
    const p = softmax(h!);
    const a = p.map((probability, k) => f![k]! + Math.log(probability));
    const mean = p.reduce((sum, probability, k) => sum + probability * a[k]!, 0);
    const truth = p.map((probability, k) => probability * (a[k]! - mean));
    const vae = createVae(DESIGN, 0);
    const x = tf.zeros<tf.Rank.R2>([rows, PIXELS]);
    const row = tf.tensor1d([...h!, ...new Array(UNITS - K).fill(0)]);
    const logits = tf.add(tf.zeros([rows, UNITS]), row) as tf.Tensor2D;
    const losses = tf.tensor2d([...f!, ...new Array(UNITS - K).fill(0)], [UNITS, 1]);
    const reconstruction = (codes: tf.Tensor2D) => tf.reshape(tf.matMul(codes, losses), [-1]) as tf.Tensor1D;
    for (const name of ['straightThrough', 'reinmax', 'reinforce', 'leaveOneOut', 'relax'] as const) {
      const options = {code: DESIGN, numSamples: drawsOf(name), temperature: 1, seed: 0, contextSize: PIXELS};
      const method = createMethod(name, options);
      const gradient = tf.grad(theta => {
        const {codeCost} = negativeElbo(vae, x, theta as tf.Tensor2D);
        const ofCodes = (codes: tf.Tensor2D) => tf.add(reconstruction(codes), codeCost(codes)) as tf.Tensor1D;
        return method.estimate({reconstruction, codeCost, ofCodes}, theta as tf.Tensor2D, x, seeded(5)).minimised;
      })(logits);
      method.dispose();
      const ofRows = tf.mul(rows, tf.slice(gradient, [0, 0], [rows, K])); // each row's own estimate
      const {mean: means, variance} = tf.moments(ofRows, 0);
      const [found, spread] = [list(means), list(variance)];
      truth.forEach((value, k) => {
        const error = Math.sqrt(spread[k]! / rows) + 1e-5; // the first two methods do not vary, but for rounding
        expect(Math.abs(found[k]! - value), `${name}, category ${k}: ${found[k]}, expected ${value}`).toBeLessThan(
          DEVIATIONS * error,
        );
      });
    }
  });

  // Both take the same noise; only the straight-through sample is one-hot, with the sum of squares 3.
  test('a relaxed code is reported at the draw to which it is nearest, and minimised where it is', () => {
    const vae = createVae(DESIGN, 2);
    const x = tf.zeros<tf.Rank.R2>([2, PIXELS]);
    const logits = tf.randomNormal([2, UNITS], 0, 2, 'float32', 5) as tf.Tensor2D;
    const {codeCost} = negativeElbo(vae, x, logits);
    const reconstruction = (codes: tf.Tensor2D) => tf.sum(tf.square(codes), 1) as tf.Tensor1D;
    const ofCodes = (codes: tf.Tensor2D) => tf.add(reconstruction(codes), codeCost(codes)) as tf.Tensor1D;
    const [relaxed, hard] = (['gumbelSoftmax', 'straightThroughGumbelSoftmax'] as const).map(name => {
      const options = {code: DESIGN, numSamples: 1, temperature: 5, seed: 0, contextSize: PIXELS};
      return createMethod(name, options).estimate({reconstruction, codeCost, ofCodes}, logits, x, seeded(4));
    });
    expectClose(relaxed!.value, list(hard!.value), 0);
    expect(list(relaxed!.minimised)[0]).toBeLessThan(list(hard!.minimised)[0]! - 0.5);
  });

  test('more noise samples leave the codes of Gumbel-Rao and make its gradient vary less', () => {
    const rows = 100;
    const vae = createVae(DESIGN, 0);
    const x = tf.zeros<tf.Rank.R2>([rows, PIXELS]);
    const logits = tf.zeros<tf.Rank.R2>([rows, UNITS]);
    const found = [1, 50].map(noiseSamples => {
      const options = {code: DESIGN, numSamples: 1, temperature: 0.1, noiseSamples, seed: 0, contextSize: PIXELS};
      const {estimate} = createMethod('gumbelRao', options);
      let value: tf.Tensor1D | undefined;
      const gradient = tf.grad(theta => {
        const estimated = estimate(negativeElbo(vae, x, theta as tf.Tensor2D), theta as tf.Tensor2D, x, seeded(6));
        value = tf.keep(estimated.value);
        return estimated.minimised;
      })(logits);
      return {value: value!, variance: list(tf.mean(tf.moments(gradient, 0).variance))[0]!};
    });
    expectClose(found[0]!.value, list(found[1]!.value), 0);
    expect(found[1]!.variance).toBeLessThan(0.5 * found[0]!.variance);
    tf.dispose(found.map(({value}) => value));
  });
});

eachBackendOfPrograms('evaluation', () => {
  // The decoder answers every code alike, so that f = r + log q + L log K, r the reconstruction: -ELBO is r + KL, and as q exp(-f) sums to
  // exp(-r), the bound of many draws comes to r.
  test('-ELBO has the divergence of the code, which the bound of many draws has not', async () => {
    const vae = createVae(DESIGN, 0);
    const constant = (network: typeof vae.encoder, bias: number[]) => {
      const weights = network.getWeights();
      const last = weights.length - 1;
      network.setWeights(weights.map((weight, i) => (i < last ? tf.zerosLike(weight) : tf.tensor1d(bias))));
    };
    const logits = [1, 0, 0, 0];
    constant(vae.encoder, [...logits, ...new Array(UNITS - K).fill(0)]);
    constant(vae.decoder, new Array(PIXELS).fill(0));
    const images = {images: Uint8Array.from(bits(8 * PIXELS, 6)), count: 8};
    const found = await evaluate(vae, images, {isBinary: true, numSamples: 300, count: 5});
    const reconstruction = PIXELS * Math.LN2;
    const divergence = softmax(logits).reduce((sum, p) => sum + p * Math.log(K * p), 0); // 0.139
    // f has a deviation of .5 and exp(r - f) one of .6 about its mean 1: five standard errors of 1,500 draws, and the rounding of 543.4.
    expect(Math.abs(found.negativeElbo - reconstruction - divergence)).toBeLessThan(0.067);
    expect(Math.abs(found.negativeBound - reconstruction)).toBeLessThan(0.08);
    expect(found).toMatchObject({numSamples: 300, count: 5});
  });
});

describe('training', () => {
  onBackend('wasm', () => {}); // a step on the cpu backend takes seconds
  const settings = (method: MethodName): Settings => ({
    dataset: 'binarized-mnist',
    method,
    numSamples: drawsOf(method),
    ...presetFor(method),
    noiseSamples: method === 'gumbelRao' ? 10 : null,
    updates: 6,
    batchSize: 4,
    reportEvery: 2,
    seed: 1,
    backend: 'wasm',
    trainingKernels: false,
    data: 'made up',
    dataDir: null,
    download: false,
    limit: null,
  });
  const set = (count: number) => ({images: Uint8Array.from(bits(count * PIXELS, 8)), count});
  const data: Images = {source: 'made up', train: set(14), valid: set(3), test: set(3), isBinary: true};
  const progress = {isBar: false, update: () => {}, line: () => {}, stop: () => {}};
  const history = (run: Run) => run.state.history.map(({seconds: _, ...figures}) => figures);

  test('pixels that are bits are taken as they are', async () => {
    const run = startRun(DESIGN, settings('reinmax'));
    const seen = new Set<number>();
    const {estimate} = run.method;
    run.method.estimate = (bound, logits, x, random) => {
      for (const pixel of list(x)) seen.add(pixel);
      return estimate(bound, logits, x, random);
    };
    const ones = {images: new Uint8Array(14 * PIXELS).fill(1), count: 14};
    await train(run, {...data, train: ones}, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
    expect([...seen]).toEqual([1]);
  });

  test('a run that was saved and taken up has the numbers of the whole one, and no tensor stays behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-sampled-'));
    for (const name of ['gumbelRao', 'gumbelSoftmax', 'relax'] as const) {
      const whole = startRun(DESIGN, settings(name));
      await train(whole, data, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
      const path = join(folder, name);
      const first = startRun(DESIGN, settings(name));
      const interrupt = {
        get exitCode() {
          return first.state.step === 3 ? 130 : undefined;
        },
        dispose: () => {},
      };
      await train(first, data, progress, interrupt, async () => {});
      const numTensors = tf.memory().numTensors;
      await saveRun(path, first);
      expect(tf.memory().numTensors).toBe(numTensors);
      const second = await resumeRun(DESIGN, settings(name), await loadCheckpoint(path, DESIGN.program));
      expect(second.state.step).toBe(3);
      await train(second, data, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
      expect(history(second)).toEqual(history(whole));
    }
    await rm(folder, {recursive: true});
  });
});
