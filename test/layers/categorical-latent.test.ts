import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import {CategoricalLatent, type CategoricalLatentArgs, categoricalLatent} from 'tfjs-moe/layers';
import {AnnealTemperature, klToUniform, linearSchedule} from 'tfjs-moe/training';
import {describe, expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {CPU_AND_BACKENDS, eachBackend} from '../support/each-backend.js';
import {gradientOf, numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {numDraws} from '../support/long-tests.js';
import {reload} from '../support/model.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';

const ROUNDING = 2e-6;

const latent = (args: Partial<CategoricalLatentArgs> = {}) =>
  categoricalLatent({numLatents: 2, numCategories: 3, seed: 1, name: 'latent', ...args});
const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;
const logitsOf = (batch: number) => tf.tensor2d(numbers(7, batch * 6, -2, 2), [batch, 6]);

/** A model whose logits are a dense layer of its input. */
function modelWith(layer: CategoricalLatent): tfl.Sequential {
  const kernelInitializer = tfl.initializers.glorotUniform({seed: 3});
  const logits = tfl.layers.dense({units: 6, inputShape: [4], kernelInitializer});
  return tfl.sequential({layers: [logits, layer]});
}

eachBackend('CategoricalLatent', () => {
  test('inference gives the likeliest category of each variable, the same each time', () => {
    const layer = latent();
    const x = tf.tensor2d([
      [0, 2, 1, 5, -1, 0],
      [9, 8, 7, 0, 0, 1],
    ]);
    const expected = [0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1];
    expect(list(run(layer, x))).toEqual(expected);
    expect(list(run(layer, x))).toEqual(expected);
    expect(layer.step).toBe(0);
  });

  test('training draws every variable of softmax(its logits), anew each step', () => {
    const layer = latent();
    const n = numDraws(10_000);
    const logits = [0.5, -1, 0.2, 2, 0, -0.5];
    const x = tf.tile(tf.tensor2d([logits]), [n, 1]);
    const codes = run(layer, x, {training: true});
    const counts = list(tf.sum(codes, 0));
    for (const begin of [0, 3]) {
      const part = logits.slice(begin, begin + 3);
      const z = part.reduce((sum, t) => sum + Math.exp(t), 0);
      const expected = part.map(t => (n * Math.exp(t)) / z);
      expect(chiSquare(counts.slice(begin, begin + 3), expected)).toBeLessThan(chiSquareBound(2));
    }
    expect(list(run(layer, x, {training: true}))).not.toEqual(list(codes));
    expect(layer.step).toBe(2);
  });

  test('the gradient is that of the estimator at the draw and the temperature, each variable by itself', () => {
    for (const estimator of ['straightThrough', 'gappedStraightThrough', 'reinmax'] as const) {
      const layer = latent({estimator, temperature: 0.7, klWeight: 0});
      const x = logitsOf(5);
      const weights = tf.tensor2d(numbers(9, 30), [5, 6]);
      const loss = (codes: tf.Tensor) => tf.mul(tf.square(tf.sub(codes, 0.3)), weights);
      let given: tf.Tensor | undefined;
      const gradient = tf.grad(logits => {
        const codes = run(layer, logits, {training: true});
        given = tf.keep(tf.clone(codes));
        return tf.sum(loss(codes));
      })(x);
      const byVariable = (t: tf.Tensor) => tf.reshape(t, [10, 3]);
      const expected = gradientOf(
        ESTIMATORS[estimator].estimate,
        sample => loss(tf.reshape(sample, [5, 6])),
        byVariable(x),
        {given: byVariable(given!), temperature: 0.7},
      );
      expectClose(gradient, list(expected), ROUNDING);
      given!.dispose();
    }
  });

  test('the added loss is klWeight times the divergence, summed over variables and positions, averaged over the batch', () => {
    for (const [shape, batch] of [
      [[5, 6], 5],
      [[2, 3, 6], 2],
    ] as const) {
      const layer = latent({klWeight: 0.25});
      const x = tf.tensor(numbers(4, tf.util.sizeFromShape([...shape]), -2, 2), [...shape]);
      let reported = 0;
      tf.grad(logits => {
        const codes = run(layer, logits, {training: true});
        const loss = tf.addN(layer.calculateLosses());
        reported = list(loss)[0]!;
        return tf.add(tf.sum(codes), loss);
      })(x);
      const expected = (0.25 * list(tf.sum(klToUniform(tf.reshape(x, [-1, 3]))))[0]!) / batch;
      expect(Math.abs(reported - expected)).toBeLessThan(ROUNDING);
    }
  });

  test('an injected divergence has the gradient of an added one', () => {
    const gradientWith = (auxLoss: 'addLoss' | 'inject') => {
      const layer = latent({auxLoss, klWeight: 2});
      const g = tf.grad(logits => {
        const codes = run(layer, logits, {training: true});
        const losses = layer.calculateLosses();
        expect(list(tf.addN(losses))[0]! > 0).toBe(auxLoss === 'addLoss'); // the reported loss has no injected term
        return tf.add(tf.sum(tf.square(codes)), tf.addN(losses));
      })(logitsOf(4));
      return list(g);
    };
    expectClose(gradientWith('inject'), gradientWith('addLoss'), ROUNDING);
    expect(gradientWith('addLoss').some(g => g !== 0)).toBe(true);
  });

  test('a training step has the divergence in its loss, and evaluate has not', () => {
    // Logits of zero: no divergence; of (10, 0, 0) for both variables: nearly ln 3 each.
    const layer = latent({klWeight: 1});
    const model = tfl.sequential({layers: [tfl.layers.inputLayer({inputShape: [6]}), layer]});
    const zeroLoss = (_targets: tf.Tensor, codes: tf.Tensor) => tf.mul(0, tf.sum(codes, 1));
    model.compile({optimizer: tf.train.sgd(0), loss: zeroLoss});
    const certain = tf.tensor2d([[100, 0, 0, 0, 100, 0]]);
    // As fit does, which refuses a model without trained weights.
    let reported = 0;
    tf.grad(x => {
      const codes = model.apply(x, {training: true}) as tf.Tensor;
      const loss = tf.addN([tf.sum(zeroLoss(codes, codes)), ...model.calculateLosses()]);
      reported = list(loss)[0]!;
      return loss;
    })(certain);
    expect(reported).toBeCloseTo(2 * Math.log(3), 5);
    const evaluated = model.evaluate(certain, certain) as tf.Scalar;
    expect(list(evaluated)[0]).toBe(0);
  });

  test('it trains in fit, saves, loads, and goes on with the noise it would have drawn', async () => {
    const x = tf.tensor2d(numbers(5, 40), [10, 4]);
    const y = tf.tensor2d(numbers(6, 60), [10, 6]);
    const compile = (model: tfl.LayersModel) => model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const model = modelWith(latent({estimator: {name: 'gst', gap: 0.5}, temperature: 0.8}));
    compile(model);
    await model.fit(x, y, {epochs: 2, shuffle: false});
    const loaded = await reload(model);
    compile(loaded);
    const again = loaded.layers[1] as CategoricalLatent;
    expect([again.step, again.temperature]).toEqual([2, Math.fround(0.8)]);
    expect(again.getConfig()).toEqual(model.layers[1]!.getConfig());
    const losses = await Promise.all([model, loaded].map(m => m.fit(x, y, {epochs: 3, shuffle: false})));
    expect(losses[1]!.history).toEqual(losses[0]!.history);
  });

  test('AnnealTemperature sets its temperature', async () => {
    const layer = latent({temperature: 2});
    const model = modelWith(layer);
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const anneal = new AnnealTemperature(layer, linearSchedule({from: 2, to: 1, steps: 4}));
    await model.fit(tf.ones([8, 4]), tf.ones([8, 6]), {batchSize: 4, epochs: 2, callbacks: anneal});
    expect(layer.temperature).toBe(1.25); // set before the fourth step, the one counted 3
  });

  test('two latents of one model with one seed draw differently, and a layer called twice adds both divergences', () => {
    const [a, b] = [latent({name: 'a'}), latent({name: 'b'})];
    const x = tf.zeros([100, 6]);
    expect(list(run(a, x, {training: true}))).not.toEqual(list(run(b, x, {training: true})));
    let reported = 0;
    const logits = logitsOf(3);
    tf.grad(t => {
      const sum = tf.add(tf.sum(run(a, t, {training: true})), tf.sum(run(a, t, {training: true})));
      const loss = tf.addN(a.calculateLosses());
      reported = list(loss)[0]!;
      return tf.add(sum, loss);
    })(logits);
    const once = list(tf.sum(klToUniform(tf.reshape(logits, [-1, 3]))))[0]! / 3;
    expect(reported).toBeCloseTo(2 * once, 5);
  });

  test('a batch without examples and variables of one category go through', () => {
    const layer = latent();
    const other = tf.variable(tf.scalar(3));
    const {value} = tf.variableGrads(() => {
      expect(run(layer, tf.zeros([0, 6]), {training: true}).shape).toEqual([0, 6]);
      expect(run(layer, tf.zeros([2, 0, 6]), {training: true}).shape).toEqual([2, 0, 6]);
      return tf.addN([other, ...layer.calculateLosses()]) as tf.Scalar;
    }, [other]);
    expect(list(value)).toEqual([3]); // and no loss of 0 / 0
    expect(layer.step).toBe(0);
    other.dispose();
    const single = latent({numLatents: 6, numCategories: 1});
    expect(list(run(single, logitsOf(1), {training: true}))).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('extreme logits give codes and finite gradients', () => {
    for (const estimator of Object.keys(ESTIMATORS) as EstimatorName[]) {
      const layer = latent({estimator});
      const gradient = tf.grad(logits => {
        const codes = run(layer, logits, {training: true});
        return tf.add(tf.sum(tf.mul(codes, [1, 2, 3, 4, 5, 6])), tf.addN(layer.calculateLosses()));
      })(tf.tensor2d([[1e4, 0, -1e4, 1e8, -1e8, 3]]));
      expect(list(gradient).every(Number.isFinite)).toBe(true);
    }
  });

  test.skipIf(!ON_HOST)(`NaN among the logits is refused by name, in training and in inference${WHY_ON_HOST}`, () => {
    const x = tf.tensor2d([[0, 1, 2, 0, Number.NaN, 1]]);
    expect(() => run(latent(), x, {training: true})).toThrow(/^CategoricalLatent "latent": reinmax: row 1 /);
    expect(() => run(latent(), x)).toThrow(/^CategoricalLatent "latent": row 1 /);
  });

  test('it leaks nothing, in training, in inference and when it is disposed', async () => {
    const before = tf.memory().numTensors;
    const layer = latent();
    const model = modelWith(layer);
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const [x, y] = [tf.ones([4, 4]), tf.ones([4, 6])];
    await model.fit(x, y, {epochs: 1});
    const after = tf.memory().numTensors;
    await model.fit(x, y, {epochs: 3});
    (model.predict(x) as tf.Tensor).dispose();
    expect(tf.memory().numTensors).toBe(after);
    tf.grad(t => tf.sum(run(layer, t, {training: true})))(logitsOf(2)).dispose(); // leaves a loss that nobody takes
    model.dispose();
    model.optimizer.dispose();
    tf.dispose([x, y]);
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1); // the logits of the last gradient
  });
});

describe('CategoricalLatent', () => {
  test.each([
    [{numLatents: 0}, 'CategoricalLatent: numLatents must be a whole number of at least 1, but got 0.'],
    [{numCategories: 1.5}, 'CategoricalLatent: numCategories must be a whole number of at least 1, but got 1.5.'],
    [{temperature: 0}, 'CategoricalLatent: temperature must be a positive finite number, but got 0.'],
    [{klWeight: -1}, 'CategoricalLatent: klWeight must be a finite number of at least 0, but got -1.'],
    [{estimator: 'reimax'}, 'getEstimator: unknown name "reimax".'],
    [{auxLoss: 'none'}, 'CategoricalLatent: auxLoss must be one of "addLoss", "inject", but got "none".'],
  ])('%j is refused', (args, message) => {
    expect(() => latent(args as Partial<CategoricalLatentArgs>)).toThrow(message);
  });

  test('an input of another width is refused', () => {
    expect(() => latent().build([null, 7])).toThrow(
      'CategoricalLatent: input must have shape [batch, ..., numLatents * numCategories] = [..., 6], but got [null, 7].',
    );
    expect(() => latent().build([6])).toThrow('= [..., 6], but got [6].'); // without a batch
  });

  test('an estimator that is a function cannot be saved', () => {
    expect(() => latent({estimator: ESTIMATORS.reinmax.estimate}).getConfig()).toThrow('cannot be saved');
  });

  test('the configuration holds every argument', () => {
    const args = {
      numLatents: 2,
      numCategories: 3,
      estimator: {name: 'gumbelRao', numSamples: 7},
      temperature: 0.4,
      klWeight: 0.3,
      seed: 11,
      auxLoss: 'inject',
    } as const;
    const config = latent(args).getConfig();
    expect(config).toMatchObject(args);
    expect(new CategoricalLatent(config as unknown as CategoricalLatentArgs).getConfig()).toEqual(config);
  });

  test('one seed gives one sample on every backend', async () => {
    const samples: number[][] = [];
    for (const backend of CPU_AND_BACKENDS) {
      await tf.setBackend(backend);
      samples.push(list(run(latent(), logitsOf(50), {training: true})));
    }
    expect(samples[1]).toEqual(samples[0]);
  });
});
