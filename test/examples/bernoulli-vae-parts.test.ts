// The parts of the program bernoulli-vae: bound, estimators in one form, variance of the gradient, evaluation, checkpoint, charts.
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {describe, expect, test} from 'vitest';
import {defaultNumSamples, presetFor} from '../../examples/bernoulli-vae/presets.js';
import {DESIGN, PROGRAM} from '../../examples/bernoulli-vae/settings.js';
import {PIXELS} from '../../examples/data/image-files.js';
import type {Images} from '../../examples/data/images.js';
import {comparisonChart, runChart} from '../../examples/sampled-vae/chart.js';
import {evaluate} from '../../examples/sampled-vae/evaluate.js';
import {GradientVariance} from '../../examples/sampled-vae/gradient-variance.js';
import {
  checkNumSamples,
  createMethod,
  evaluationsOf,
  METHOD_NAMES,
  type MethodName,
} from '../../examples/sampled-vae/methods.js';
import {createVae, negativeElbo, type Vae} from '../../examples/sampled-vae/model.js';
import {lastUpdates} from '../../examples/sampled-vae/report.js';
import {type HistoryRecord, type Run, resumeRun, saveRun, startRun} from '../../examples/sampled-vae/run-state.js';
import type {Settings} from '../../examples/sampled-vae/settings.js';
import {train} from '../../examples/sampled-vae/training.js';
import {renderChart} from '../../examples/shared/charts.js';
import {loadCheckpoint} from '../../examples/shared/checkpoint.js';
import {onBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Sums of 784 terms in float32, against float64. */
const SUM = 2e-3;
const LATENTS = DESIGN.numLatents;
/** Standard errors that a Monte Carlo mean may be away. */
const DEVIATIONS = 5;

const bits = (count: number, stream: number) =>
  Float32Array.from(seeded(11).split(stream).uniform(count), u => (u < 0.4 ? 1 : 0));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Log-odds of 50 and more: the code is certain but for e^-50 or less, and with it every draw. */
const certain = (codes: Float32Array) =>
  tf.tensor2d(
    codes.map((bit, i) => (bit ? 1 : -1) * (50 + (i % 7))),
    [3, LATENTS],
  );

describe('the settings of a method', () => {
  test('are those of the papers', () => {
    expect(presetFor('disarm', 'mnist', 2)).toEqual({
      optimizer: 'adam',
      learningRate: 1e-3,
      temperature: null,
      controlLearningRate: null,
    });
    expect(presetFor('rodeo', 'fashion-mnist', 2)).toMatchObject({learningRate: 3e-4, controlLearningRate: 1e-3});
    expect(presetFor('relax', 'fashion-mnist', 1)).toMatchObject({learningRate: 3e-4, controlLearningRate: 3e-4});
    const reinmax = {optimizer: 'radam', learningRate: 3e-4, temperature: 1.1, controlLearningRate: null};
    expect(presetFor('reinmax', 'mnist', 3)).toEqual(reinmax);
    expect(presetFor('reinmax', 'omniglot', 2)).toEqual(reinmax);
    expect(presetFor('reinmax', 'omniglot', 3)).toEqual({...reinmax, learningRate: 5e-4, temperature: 1.2});
  });

  test('the number of draws is that of Table 6, or the fewest but one', () => {
    const names: MethodName[] = ['reinmax', 'disarm', 'doubleCV', 'rodeo', 'arms', 'relax', 'foust', 'reinforce'];
    expect(names.map(defaultNumSamples)).toEqual([2, 2, 2, 2, 3, 1, 1, 2]);
    expect(names.map(name => evaluationsOf(name, defaultNumSamples(name)))).toEqual([2, 2, 2, 2, 3, 3, 2, 2]);
  });

  test('what a method cannot draw is refused', () => {
    expect(() => checkNumSamples('disarm', 3)).toThrow(
      '--num-samples: disarm draws at least 2 and a multiple of 2, but got 3.',
    );
    expect(() => checkNumSamples('leaveOneOut', 1)).toThrow('--num-samples: leaveOneOut draws at least 2, but got 1.');
    expect(() => checkNumSamples('relax', 3)).toThrow('--num-samples: relax draws 1, but got 3.');
    for (const method of METHOD_NAMES) checkNumSamples(method, defaultNumSamples(method));
    checkNumSamples('reinmax', 1);
    checkNumSamples('arms', 4);
  });
});

eachBackendOfPrograms('the bound', () => {
  test('is the sum over pixels and bits of a slow loop, with 200 ln 2 for the prior', () => {
    const vae = createVae(DESIGN, 1);
    const [pixels, codes] = [bits(3 * PIXELS, 0), bits(3 * LATENTS, 1)];
    const logits = tf.randomNormal([3, LATENTS], 0, 2, 'float32', 5) as tf.Tensor2D;
    const bound = negativeElbo(vae, tf.tensor2d(pixels, [3, PIXELS]), logits);
    const code = tf.tensor2d(codes, [3, LATENTS]);
    const [decoded, odds] = [list(vae.decoder.apply(code) as tf.Tensor), list(logits)];
    const expected = [0, 1, 2].map(row => {
      let [reconstruction, cost] = [0, LATENTS * Math.LN2];
      for (let i = row * PIXELS; i < (row + 1) * PIXELS; ++i)
        reconstruction += softplus(decoded[i]!) - pixels[i]! * decoded[i]!;
      for (let i = row * LATENTS; i < (row + 1) * LATENTS; ++i) cost += codes[i]! * odds[i]! - softplus(odds[i]!);
      return {reconstruction, cost};
    });
    expectClose(
      bound.reconstruction(code),
      expected.map(({reconstruction}) => reconstruction),
      SUM,
    );
    expectClose(
      bound.codeCost(code),
      expected.map(({cost}) => cost),
      SUM,
    );
    expectClose(
      bound.ofCodes(code),
      expected.map(({reconstruction, cost}) => reconstruction + cost),
      SUM,
    );
  });

  test('sends no gradient to the logits, and to the code its log-odds', () => {
    const vae = createVae(DESIGN, 1);
    const x = tf.zeros<tf.Rank.R2>([3, PIXELS]);
    const code = tf.tensor2d(bits(3 * LATENTS, 1), [3, LATENTS]);
    const logits = tf.randomNormal([3, LATENTS], 0, 2, 'float32', 5) as tf.Tensor2D;
    const [ofCode, ofLogits] = tf.grads((b, h) => {
      const bound = negativeElbo(vae, x, h as tf.Tensor2D);
      return tf.add(tf.sum(bound.codeCost(b as tf.Tensor2D)), tf.mul(0, tf.sum(h)));
    })([code, logits]);
    expectClose(ofCode!, list(logits), 0);
    expectClose(ofLogits!, new Array(3 * LATENTS).fill(0), 0);
  });

  test('where the code is certain, every method reports and minimises the bound of that code', () => {
    const vae = createVae(DESIGN, 2);
    const x = tf.tensor2d(bits(3 * PIXELS, 2), [3, PIXELS]);
    const codes = bits(3 * LATENTS, 3);
    const logits = certain(codes);
    const bound = negativeElbo(vae, x, logits);
    const expected = list(bound.ofCodes(tf.tensor2d(codes, [3, LATENTS])));
    const mean = expected.reduce((sum, value) => sum + value, 0) / 3;
    for (const name of METHOD_NAMES) {
      const numSamples = defaultNumSamples(name);
      const {temperature} = presetFor(name, 'mnist', numSamples);
      const method = createMethod(name, {code: DESIGN, numSamples, temperature, seed: 0, contextSize: PIXELS});
      const {value, minimised} = method.estimate(bound, logits, x, seeded(4));
      expectClose(value, expected, SUM);
      // The control variates' own loss is the square of estimates that are all but 0 here.
      expectClose(minimised, [mean], SUM);
      method.dispose();
    }
  });

  // Two bits matter, in a loss that is quadratic in them; the others have log-odds 0, so that any code of theirs costs the same. The
  // gradient of -ELBO is that of sum_b q(b) f(b) + KL(q, uniform), by enumeration: with p = sigmoid(h) it is
  // p_i (1 - p_i) (E[f | b_i = 1] - E[f | b_i = 0] + h_i). ReinMax at temperature 1 is exact for it too, as the loss is quadratic.
  test('the mean gradient of both families is that of -ELBO', () => {
    const rows = 800;
    const [h1, h2] = [0.8, -0.5];
    const lossOf = (a: number, b: number) => 3 * a - b + 4 * a * b;
    const [p1, p2] = [h1, h2].map(h => 1 / (1 + Math.exp(-h))) as [number, number];
    const truth = [
      p1 * (1 - p1) * (lossOf(1, 0) * (1 - p2) + lossOf(1, 1) * p2 - lossOf(0, 0) * (1 - p2) - lossOf(0, 1) * p2 + h1),
      p2 * (1 - p2) * (lossOf(0, 1) * (1 - p1) + lossOf(1, 1) * p1 - lossOf(0, 0) * (1 - p1) - lossOf(1, 0) * p1 + h2),
    ];
    const vae = createVae(DESIGN, 0);
    const x = tf.zeros<tf.Rank.R2>([1, PIXELS]);
    const row = new Float32Array(LATENTS);
    row.set([h1, h2]);
    const logits = tf.add(tf.zeros([rows, LATENTS]), tf.tensor1d(row)) as tf.Tensor2D;
    const reconstruction = (codes: tf.Tensor2D) => {
      const [a, b] = [0, 1].map(i => tf.reshape(tf.slice(codes, [0, i], [-1, 1]), [-1])) as [tf.Tensor, tf.Tensor];
      return tf.add(tf.sub(tf.mul(3, a), b), tf.mul(4, tf.mul(a, b))) as tf.Tensor1D;
    };
    for (const name of ['reinmax', 'reinforce', 'leaveOneOut', 'disarm', 'doubleCV'] as const) {
      const method = createMethod(name, {code: DESIGN, numSamples: 2, temperature: 1, seed: 0, contextSize: PIXELS});
      const gradient = tf.grad(h => {
        const {codeCost} = negativeElbo(vae, x, h as tf.Tensor2D);
        const ofCodes = (codes: tf.Tensor2D) => tf.add(reconstruction(codes), codeCost(codes)) as tf.Tensor1D;
        return method.estimate({reconstruction, codeCost, ofCodes}, h as tf.Tensor2D, x, seeded(5)).minimised;
      })(logits);
      const values = list(gradient).map(value => value * rows); // each row's own estimate
      method.dispose();
      for (const i of [0, 1]) {
        const draws = Array.from({length: rows}, (_, r) => values[r * LATENTS + i]!);
        const mean = draws.reduce((sum, value) => sum + value, 0) / rows;
        const deviation = Math.sqrt(draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / rows);
        const message = `${name}, bit ${i}: ${mean} with error ${deviation / Math.sqrt(rows)}, expected ${truth[i]}`;
        expect(Math.abs(mean - truth[i]!), message).toBeLessThan((DEVIATIONS * deviation) / Math.sqrt(rows));
        expect(deviation).toBeGreaterThan(0);
      }
    }
  });
});

eachBackendOfPrograms('the variance of the gradient', () => {
  // Two parameters in two tensors of one: 1, 3, 1, 3, ... and 2, 2, 2, ... The loop keeps the means in float64.
  test('is the mean over parameters of E[g^2] - E[g]^2 of running means with decay 0.999, corrected for their start', async () => {
    const variance = new GradientVariance([tf.variable(tf.zeros([1])), tf.variable(tf.zeros([1, 1]))]);
    const means = [0, 0];
    const squares = [0, 0];
    const updates = 7;
    for (let i = 0; i < updates; ++i) {
      const gradients = [i % 2 === 0 ? 1 : 3, 2];
      variance.update([tf.tensor1d([gradients[0]!]), tf.tensor2d([[gradients[1]!]])]);
      gradients.forEach((g, j) => {
        means[j] = 0.999 * means[j]! + 0.001 * g;
        squares[j] = 0.999 * squares[j]! + 0.001 * g * g;
      });
    }
    const weight = 1 - 0.999 ** updates;
    const each = means.map((mean, j) => squares[j]! / weight - (mean / weight) ** 2);
    // By hand: of the second 0, and of the first about 4 * (4/7) * (3/7).
    expect(each[0]).toBeCloseTo(4 * (4 / 7) * (3 / 7), 2);
    expect(await variance.read(updates)).toBeCloseTo((each[0]! + each[1]!) / 2, 5);
    const other = new GradientVariance([tf.variable(tf.zeros([1])), tf.variable(tf.zeros([1, 1]))]);
    other.restore(variance.tensors());
    expect(await other.read(updates)).toBe(await variance.read(updates));
  });
});

/** Images whose bytes are 0 or 255: nothing about them is drawn. */
function images(count: number, stream: number): Images['train'] {
  return {images: Uint8Array.from(bits(count * PIXELS, stream), bit => 255 * bit), count};
}

/** A network that answers every image with the same logits and every code with the same pixels. */
function constantVae(bitLogits: Float32Array, pixelLogits: Float32Array): Vae {
  const vae = createVae(DESIGN, 0);
  const set = (network: Vae['encoder'], bias: Float32Array) => {
    const weights = network.getWeights();
    network.setWeights(weights.map((weight, i) => (i < weights.length - 1 ? tf.zerosLike(weight) : tf.tensor1d(bias))));
  };
  set(vae.encoder, bitLogits);
  set(vae.decoder, pixelLogits);
  return vae;
}

eachBackendOfPrograms('evaluation', () => {
  test('of a network that knows nothing is 784 ln 2, whatever the draws', async () => {
    const vae = constantVae(new Float32Array(LATENTS), new Float32Array(PIXELS));
    const found = await evaluate(vae, images(7, 5), {isBinary: false, numSamples: 3});
    expect(found).toMatchObject({numSamples: 3, count: 7});
    expectClose([found.negativeElbo, found.negativeBound], [PIXELS * Math.LN2, PIXELS * Math.LN2], SUM);
  });

  // The decoder answers every code alike, with log-odds 1 or -1. One bit has log-odds 2, so that f = r + ln 2 + b 2 - softplus(2) and
  // -ELBO = r + KL, r the reconstruction. exp(-f) has the mean exp(-r) over q, as q sums to 1: with many draws the bound comes to r.
  test('-ELBO has the divergence of the code, which the bound of many draws has not', async () => {
    const bitLogits = new Float32Array(LATENTS);
    bitLogits[17] = 2;
    const pixelLogits = Float32Array.from({length: PIXELS}, (_, i) => (i % 2 === 0 ? 1 : -1));
    const set = images(9, 6);
    const vae = constantVae(bitLogits, pixelLogits);
    const found = await evaluate(vae, set, {isBinary: false, numSamples: 200, count: 5});
    let reconstruction = 0;
    // Five of nine, evenly apart.
    for (const row of [0, 1, 3, 5, 7]) {
      pixelLogits.forEach((logit, j) => {
        reconstruction += (softplus(logit) - (set.images[row * PIXELS + j]! / 255) * logit) / 5;
      });
    }
    const p = 1 / (1 + Math.exp(-2));
    const divergence = Math.LN2 + p * Math.log(p) + (1 - p) * Math.log(1 - p); // 0.328
    // f takes two values 2 apart, and so has a deviation of 0.65, and exp(r - f) one of 1.17 about its mean 1: five standard errors of 1,000
    // draws, for the logarithm of the second mean.
    expect(Math.abs(found.negativeElbo - reconstruction - divergence)).toBeLessThan(0.11);
    expect(Math.abs(found.negativeBound - reconstruction)).toBeLessThan(0.19);
    expect(found.count).toBe(5);
  });

  test('with one draw the bound is -ELBO, and the same bits and codes are drawn again', async () => {
    const vae = createVae(DESIGN, 3);
    const set = {images: Uint8Array.from({length: 5 * PIXELS}, (_, i) => i % 256), count: 5};
    const first = await evaluate(vae, set, {isBinary: false, numSamples: 1});
    expect(first.negativeElbo).toBeCloseTo(first.negativeBound, 3);
    expect(await evaluate(vae, set, {isBinary: false, numSamples: 1})).toEqual(first);
    const more = await evaluate(vae, set, {isBinary: false, numSamples: 50});
    expect(more.negativeBound).toBeLessThan(more.negativeElbo);
  });
});

const settings = (method: MethodName): Settings => {
  const numSamples = defaultNumSamples(method);
  return {
    dataset: 'mnist',
    method,
    numSamples,
    ...presetFor(method, 'mnist', numSamples),
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
  };
};
const gray = (count: number) => ({images: Uint8Array.from({length: count * PIXELS}, (_, i) => (7 * i) % 256), count});
const data: Images = {source: 'made up', train: gray(14), valid: gray(3), test: gray(3), isBinary: false};
const progress = {isBar: false, update: () => {}, line: () => {}, stop: () => {}};
const history = (run: Run) => run.state.history.map(({seconds: _, ...figures}) => figures);

describe('training', () => {
  onBackend('wasm', () => {}); // a step on the cpu backend takes seconds
  test.each(METHOD_NAMES)('by %s moves the encoder, the decoder and what the method learns', async name => {
    const run = startRun(DESIGN, {...settings(name), updates: 2});
    const control = run.method.variables.filter(({trainable}) => trainable);
    expect(run.controlOptimizer !== undefined).toBe(control.length > 0);
    const watched = [...run.vae.encoder.getWeights(), ...run.vae.decoder.getWeights(), ...run.method.variables];
    const before = watched.map(tensor => tf.clone(tensor));
    await train(run, data, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
    const after = [...run.vae.encoder.getWeights(), ...run.vae.decoder.getWeights(), ...run.method.variables];
    const hasMoved = after.map((tensor, i) => list(tf.sum(tf.abs(tf.sub(tensor, before[i]!))))[0]! > 0);
    // Two updates: what multiplies the outputs of a control network starts at 0, and its weights move once that has.
    expect(hasMoved).toEqual(hasMoved.map(() => true));
    expect(history(run)).toHaveLength(1);
    expect(history(run)[0]!.gradientVariance).toBeGreaterThan(0);
  });

  test('each update has noise of its own, and each visit of an image pixels of its own', async () => {
    const run = startRun(DESIGN, settings('disarm'));
    const noise = new Set<number>();
    const visits: number[][] = [];
    const {estimate} = run.method;
    run.method.estimate = (bound, logits, x, random) => {
      noise.add(random.split(99).uniform(1)[0]!); // a split reads nothing of the stream
      visits.push(...(x.arraySync() as number[][]));
      return estimate(bound, logits, x, random);
    };
    // All alike, so that the same draws would give the same pixels.
    const alike = {...data, train: {images: new Uint8Array(14 * PIXELS).fill(128), count: 14}};
    await train(run, alike, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
    expect(noise.size).toBe(6);
    expect(visits).toHaveLength(24);
    expect(visits.flat().every(pixel => pixel === 0 || pixel === 1)).toBe(true);
    expect(new Set(visits.map(pixels => pixels.join(''))).size).toBe(24);
  });

  test('a run that was saved and taken up has the numbers of the whole one, and no tensor stays behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-bernoulli-'));
    for (const name of ['rodeo', 'relax', 'reinforce', 'reinmax'] as const) {
      const whole = startRun(DESIGN, settings(name));
      await train(whole, data, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
      const path = join(folder, name);
      // The signal comes after the third update, in the middle of an epoch and of a line of the history.
      const first = startRun(DESIGN, settings(name));
      const interrupt = {
        get exitCode() {
          return first.state.step === 3 ? 130 : undefined;
        },
        dispose: () => {},
      };
      await train(first, data, progress, interrupt, async () => {});
      await saveRun(path, first); // RAdam keeps the counters that it gave until it gives others
      const numTensors = tf.memory().numTensors;
      await saveRun(path, first);
      expect(tf.memory().numTensors).toBe(numTensors);
      const second = await resumeRun(DESIGN, settings(name), await loadCheckpoint(path, PROGRAM));
      expect(second.state.step).toBe(3);
      await train(second, data, progress, {exitCode: undefined, dispose: () => {}}, async () => {});
      expect(history(second)).toEqual(history(whole));
    }
    await rm(folder, {recursive: true});
  });
});

describe('the figures of a run', () => {
  const record = (step: number, updates: number, trainNegativeElbo: number): HistoryRecord => ({
    step,
    updates,
    trainNegativeElbo,
    gradientVariance: 1e-3 / step,
    validNegativeElbo: trainNegativeElbo + 1,
    seconds: step,
  });

  test('the last training figure is the mean of at most 1,000 updates, or of one line', () => {
    const records = [record(400, 400, 9), record(800, 400, 7), record(1200, 400, 5), record(1300, 100, 1)];
    expect(lastUpdates(records)).toEqual({negativeElbo: (7 * 400 + 5 * 400 + 1 * 100) / 900, updates: 900});
    expect(lastUpdates([record(2000, 2000, 8), record(4000, 2000, 6)])).toEqual({negativeElbo: 6, updates: 2000});
  });

  test('the charts draw a curve a run, and leave the fall at the start out', async () => {
    const records = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(i => record(100 * i, 100, i === 1 ? 987 : 100 + i));
    const one = await renderChart(runChart(records, 'a title'));
    for (const text of ['a title', 'to choose by', "Variance of the encoder's gradient", '\u2212ELBO']) {
      expect(one).toContain(text);
    }
    expect(one).not.toContain('NaN');
    expect(one).toContain("titled '\u2212ELBO (nats an image)' for a linear scale with values from 103 to 113");
    const runs = ['A, K = 2', 'B, K = 3'].map(label => ({panel: 'mnist', label, history: records}));
    const several = await renderChart(
      comparisonChart([...runs, {panel: 'omniglot', label: 'A, K = 2', history: records.slice(0, 1)}], 'all'),
    );
    for (const text of ['A, K = 2', 'B, K = 3', 'omniglot']) expect(several).toContain(text);
    expect(several).not.toContain('NaN');
  });
});
