import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import {GumbelMoE, type GumbelMoEArgs, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {expect, test, vi} from 'vitest';
import {LearnedScale} from '../support/custom-layer.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {gradientOf, numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {applied, modelOf, reload, twoHalves} from '../support/model.js';

const ROUNDING = 2e-6;
/** A few products and sums of a small network in float32. */
const NETWORK = 1e-5;

const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;
const variablesOf = (layer: tfl.layers.Layer) =>
  layer.weights.map(weight => (weight as unknown as {val: tf.Variable}).val);
const variables = (layer: tfl.layers.Layer) =>
  layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);

/** Experts of every kind that maps rows: a layer, a Sequential, a functional model, a user's own layer, and a nested mixture. */
function manyKinds(): tfl.layers.Layer[] {
  return [
    tfl.layers.dense({units: 4, activation: 'tanh', kernelRegularizer: tfl.regularizers.l2({l2: 0.01})}),
    tfl.sequential({
      layers: [tfl.layers.dense({units: 6, inputShape: [4], activation: 'relu'}), tfl.layers.dense({units: 4})],
    }),
    modelOf([4], input => applied(tfl.layers.dense({units: 4, name: 'same'}), input)),
    modelOf([4], input => applied(tfl.layers.dense({units: 4, name: 'same'}), input)),
    new LearnedScale({}),
    gumbelMoE({numExperts: 2, hiddenUnits: [], units: 4, seed: 9}),
  ];
}

eachBackend('GumbelMoE', () => {
  test('in inference each row is the output of its chosen expert, as a slow loop has it', () => {
    for (const topK of [1, 2, 3]) {
      const moe = gumbelMoE({numExperts: 3, topK, hiddenUnits: [5], units: 2, activation: 'relu', seed: 1});
      const x = tf.tensor2d(numbers(1, 80), [20, 4]);
      const output = run(moe, x);
      const choice = run(moe.router, x).arraySync() as number[][];
      const all = moe.experts.map(expert => run(expert, x).arraySync() as number[][]);
      const expected = choice.map((row, t) =>
        [0, 1].map(unit => row.reduce((sum, chosen, e) => sum + chosen * all[e]![t]![unit]!, 0) / topK),
      );
      expectClose(output, expected.flat(), NETWORK);
      expect(new Set(choice.map(String)).size).toBe(topK === 3 ? 1 : 3);
    }
  });

  test('in training the output is the sum of the sampled experts, and the gradient that of the estimator with all of them', () => {
    const moe = gumbelMoE({
      numExperts: 3,
      hiddenUnits: [5],
      units: 2,
      estimator: 'reinmax',
      seed: 2,
      loadBalancingWeight: 0,
    });
    const x = tf.tensor2d(numbers(1, 24), [6, 4]);
    moe.apply(x);
    const all = moe.experts.map(expert => run(expert, x));
    const target = tf.tensor2d(numbers(3, 12), [6, 2]);
    // Which expert a row took shows in its output, since no two experts give the same.
    let sampled: number[] = [];
    const {grads} = tf.variableGrads(() => {
      const output = run(moe, x, {training: true});
      const rows = output.arraySync() as number[][];
      const outputs = all.map(y => y.arraySync() as number[][]);
      sampled = rows.map((row, t) => {
        const distances = outputs.map(y => Math.hypot(y[t]![0]! - row[0]!, y[t]![1]! - row[1]!));
        expect(Math.min(...distances)).toBeLessThan(NETWORK);
        return distances.indexOf(Math.min(...distances));
      });
      return tf.sum(tf.square(tf.sub(output, target))) as tf.Scalar;
    }, variables(moe.router));
    const loss = (sample: tf.Tensor) => {
      const mixed = tf.addN(all.map((y, e) => tf.mul(tf.slice(sample, [0, e], [6, 1]), y)));
      return tf.square(tf.sub(mixed, target));
    };
    const logits = tf.matMul(x, moe.router.trainableWeights[0]!.read() as tf.Tensor2D);
    const given = tf.cast(tf.oneHot(tf.tensor1d(sampled, 'int32'), 3), 'float32');
    const ofLogits = gradientOf(ESTIMATORS.reinmax.estimate, loss, logits, {given}) as tf.Tensor2D;
    expectClose(Object.values(grads)[0]!, list(tf.matMul(tf.transpose(x), ofLogits)), NETWORK);
  });

  test('every expert gets a gradient each step, of zero where no row went through it', () => {
    const moe = gumbelMoE({numExperts: 8, hiddenUnits: [3], seed: 3});
    const x = tf.ones([2, 4]);
    moe.apply(x);
    for (const training of [true, false]) {
      const {grads} = tf.variableGrads(() => tf.sum(run(moe, x, {training})) as tf.Scalar, variables(moe).slice(1));
      expect(Object.keys(grads).length).toBe(8 * 4);
      const touched = Object.values(grads).filter(g => tf.max(tf.abs(g)).dataSync()[0]! > 0);
      // Two rows pass at most two of eight experts, of four weights each.
      expect(touched.length).toBeLessThanOrEqual(8);
      expect(touched.length).toBeGreaterThan(0);
    }
  });

  test('inference under a gradient is that without', () => {
    const moe = gumbelMoE({numExperts: 3, topK: 2, hiddenUnits: [5], seed: 1});
    const x = tf.tensor2d(numbers(1, 24), [6, 4]);
    const plain = list(run(moe, x));
    const {value} = tf.valueAndGrad((input: tf.Tensor) => tf.sum(run(moe, input)))(x);
    expect(value.dataSync()[0]!).toBeCloseTo(
      plain.reduce((a, b) => a + b),
      4,
    );
  });

  test('no two built-in experts start equal, with or without a seed, and a seed fixes them', () => {
    const kernels = (args: Partial<GumbelMoEArgs>) => {
      const moe = gumbelMoE({numExperts: 4, hiddenUnits: [4], ...args});
      moe.apply(tf.ones([1, 4]));
      return moe.experts.flatMap(expert => [list(expert.weights[0]!.read()), list(expert.weights[2]!.read())]);
    };
    for (const args of [{}, {seed: 1, name: 'a'}]) {
      const all = kernels(args).map(String);
      expect(new Set(all).size).toBe(all.length);
      // Glorot: uniform within sqrt(6 / (4 + 4)) for fan-in and fan-out of one expert, not of the stack.
      const values = kernels(args).flat();
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(Math.sqrt(6 / 8));
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.9 * Math.sqrt(6 / 8));
    }
    expect(kernels({seed: 1, name: 'a'})).toEqual(kernels({seed: 1, name: 'a'}));
    expect(kernels({seed: 2, name: 'a'})).not.toEqual(kernels({seed: 1, name: 'a'}));
  });

  test('one expert is the expert', () => {
    const moe = gumbelMoE({numExperts: 1, hiddenUnits: [5], seed: 1});
    const x = tf.tensor2d(numbers(1, 24), [6, 4]);
    const plain = list(run(moe, x));
    expectClose(plain, list(run(moe.experts[0]!, x)), ROUNDING);
    expectClose(run(moe, x, {training: true}), plain, ROUNDING);
  });

  test('an input of more axes is that of its rows', () => {
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: [5], units: 2, seed: 1});
    const x = tf.tensor2d(numbers(1, 24), [6, 4]);
    const flat = list(run(moe, x));
    expect(run(moe, tf.reshape(x, [2, 3, 4])).shape).toEqual([2, 3, 2]);
    expectClose(run(moe, tf.reshape(x, [2, 3, 4])), flat, 0);
    expectClose(run(moe, tf.reshape(x, [1, 2, 3, 4])), flat, 0);
    expect(run(moe, tf.zeros([0, 4])).shape).toEqual([0, 2]);
    expect(run(moe, tf.zeros([0, 4]), {training: true}).shape).toEqual([0, 2]);
  });

  test('padding that holds NaN gives zeros, and no NaN to any gradient', () => {
    const moe = gumbelMoE({name: 'padded', numExperts: 3, hiddenUnits: [5], seed: 1});
    const x = tf.tensor3d([
      [
        [1, 2],
        [Number.NaN, 3],
        [3, -1],
      ],
    ]);
    moe.apply(tf.zerosLike(x));
    const mask = tf.tensor2d([[1, 0, 1]], [1, 3], 'bool');
    expect(list(run(moe, x, {mask})).slice(2, 4)).toEqual([0, 0]);
    const {grads} = tf.variableGrads(
      () => tf.sum(tf.square(run(moe, x, {mask, training: true}))) as tf.Scalar,
      variables(moe),
    );
    for (const gradient of Object.values(grads)) expectFinite(gradient);
  });

  test.skipIf(!ON_HOST)(`NaN that is no padding is refused by the router's name${WHY_ON_HOST}`, () => {
    const moe = gumbelMoE({name: 'padded', numExperts: 3, hiddenUnits: [5], seed: 1});
    const x = tf.tensor2d([1, 2, Number.NaN, 3], [2, 2]);
    moe.apply(tf.zerosLike(x));
    expect(() => run(moe, x)).toThrow('DiscreteRouter "padded/router": row 1 of the logits');
  });

  test('padding gives zeros and changes no token', () => {
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: [5], seed: 1});
    const x = tf.tensor3d(numbers(1, 40), [2, 5, 4]);
    const mask = tf.tensor2d([1, 1, 1, 0, 0, 1, 1, 1, 1, 0], [2, 5], 'bool');
    const plain = run(moe, x).arraySync() as number[][][];
    for (const training of [false, true]) {
      const masked = run(moe, x, {mask, training}).arraySync() as number[][][];
      for (const [b, t] of [
        [0, 3],
        [0, 4],
        [1, 4],
      ] as const)
        expect(masked[b]![t]!.some(v => v !== 0)).toBe(false);
      if (!training) expectClose(masked[0]![1]!, plain[0]![1]!, 0);
    }
    expectClose(list(moe.computeMask(x, mask)), list(mask), 0);
  });

  test('a mask made by the model reaches the layer and leaves padding out of the metrics', async () => {
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: [5], seed: 1});
    const model = modelOf([5, 4], input => {
      const masked = applied(tfl.layers.masking({maskValue: 9}), input);
      return applied(tfl.layers.dense({units: 1}), applied(moe, masked));
    });
    model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
    const x = tf.concat([tf.tensor3d(numbers(1, 24), [2, 3, 4]), tf.fill([2, 2, 4], 9)], 1);
    await model.trainOnBatch(x, tf.ones([2, 5, 1]));
    expect((await routerMetrics(moe)).tokens).toBe(6);
  });

  // Each way to use the layer: how often it routes in one step. The auxiliary loss of each use counts once.
  const USES: [string, number[], number, (moe: tfl.layers.Layer) => tfl.LayersModel][] = [
    [
      'a functional model',
      [4],
      1,
      moe => modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(moe, input))),
    ],
    [
      'a Sequential',
      [4],
      1,
      moe => {
        const model = tfl.sequential();
        model.add(tfl.layers.inputLayer({inputShape: [4]}));
        model.add(moe);
        model.add(tfl.layers.dense({units: 1}));
        return model;
      },
    ],
    [
      'a model in a model in a model',
      [4],
      1,
      moe => {
        const inner = modelOf([4], input => applied(moe, input));
        const middle = modelOf([4], input => applied(inner, input));
        return modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(middle, input)));
      },
    ],
    [
      'a graph that shares it twice',
      [4],
      2,
      moe => modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(moe, applied(moe, input)))),
    ],
    [
      'TimeDistributed',
      [3, 4],
      3,
      moe =>
        modelOf([3, 4], input =>
          applied(tfl.layers.dense({units: 1}), applied(tfl.layers.timeDistributed({layer: moe}), input)),
        ),
    ],
  ];
  test.each(USES)(
    '%s of shape %j trains it, with its losses once a use, and leaks nothing',
    async (title, shape, uses, build) => {
      const start = tf.memory().numTensors;
      const moe = gumbelMoE({
        numExperts: 2,
        seed: 1,
        experts: [
          tfl.layers.dense({units: 4, kernelRegularizer: tfl.regularizers.l2({l2: 0.25})}),
          tfl.layers.dense({units: 4}),
        ],
        // A kernel of zeros routes evenly: each use adds a balance loss of exactly the weight, since f . p = 1 / E whatever f is.
        kernelInitializer: 'zeros',
        loadBalancingWeight: 10,
      });
      const model = build(moe);
      const x = tf.tensor(numbers(1, 8 * tf.util.sizeFromShape(shape)), [8, ...shape]);
      const y = tf.zeros([8, ...shape.slice(0, -1), 1]);
      const optimizer = tf.train.sgd(1e-3);
      model.compile({optimizer, loss: () => tf.scalar(0)});
      const expected = () =>
        10 * uses + 0.25 * tf.tidy(() => tf.sum(tf.square(moe.experts[0]!.weights[0]!.read())).dataSync()[0]!);
      const penalty = expected();
      const loss = (await model.trainOnBatch(x, y)) as number;
      expect(Math.abs(loss - penalty)).toBeLessThan(1e-4);
      expect(moe.step).toBe(uses);
      expect(expected()).toBeLessThan(penalty); // the regularizer has moved the kernel
      // Evaluation sees neither.
      const evaluated = model.evaluate(x, y) as tf.Scalar;
      expect(evaluated.dataSync()[0]).toBe(0);
      evaluated.dispose();
      const before = tf.memory().numTensors;
      for (let i = 0; i < 5; ++i) {
        await model.trainOnBatch(x, y);
        tf.dispose(model.predict(x));
      }
      expect(tf.memory().numTensors).toBe(before);
      const history = await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0});
      expect(history.history.loss!.length).toBe(2);
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
      // tfjs counts each use of a layer in a graph, and a model gives up one of them: whoever shared the layer disposes it once more.
      if (title.includes('shares')) moe.dispose();
      tf.dispose([x, y]);
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(start);
    },
  );

  test.skipIf(LEAVES_LONG)(`a custom loop with minimize trains router and experts${WHY_LONG}`, () => {
    const moe = gumbelMoE({numExperts: 2, hiddenUnits: [8], units: 1, seed: 5, auxLoss: 'inject'});
    const {x, y} = twoHalves(200, 4);
    moe.apply(x);
    const optimizer = tf.train.adam(0.02);
    const loss = () => tf.tidy(() => tf.mean(tf.square(tf.sub(run(moe, x), y))).dataSync()[0]!);
    const first = loss();
    for (let step = 0; step < 150; ++step) {
      optimizer.minimize(
        () => tf.mean(tf.square(tf.sub(run(moe, x, {training: true}), y))) as tf.Scalar,
        false,
        variables(moe),
      );
    }
    expect(loss()).toBeLessThan(0.3 * first);
  });

  test.skipIf(LEAVES_LONG)(`the auxiliary loss balances a router that starts lopsided${WHY_LONG}`, async () => {
    const moe = gumbelMoE({numExperts: 4, hiddenUnits: [], seed: 5, useBias: true, loadBalancingWeight: 1});
    const model = modelOf([4], input => applied(moe, input));
    const bias = moe.router.trainableWeights[1]!;
    bias.write(tf.tensor1d([3, 0, 0, 0]));
    model.compile({optimizer: tf.train.adam(0.05), loss: () => tf.scalar(0)});
    const x = tf.tensor2d(numbers(1, 800), [200, 4]);
    for (let i = 0; i < 60; ++i) await model.trainOnBatch(x, x);
    const {load} = await routerMetrics(moe);
    const probs = list(
      tf.mean(tf.softmax(tf.add(tf.matMul(x, moe.router.trainableWeights[0]!.read() as tf.Tensor2D), bias.read())), 0),
    );
    expect(Math.max(...probs)).toBeLessThan(0.35);
    expect(load[0]!).toBeLessThan(0.9);
  });

  test('experts of every kind save, load, and resume on the same noise', async () => {
    const moe = gumbelMoE({numExperts: 6, experts: manyKinds(), seed: 3, topK: 2, estimator: 'stgs', temperature: 0.5});
    const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(moe, input)));
    model.compile({optimizer: tf.train.sgd(0.05), loss: 'meanSquaredError'});
    const {x, y} = twoHalves(40, 4);
    for (let i = 0; i < 3; ++i) await model.trainOnBatch(x, y);
    expect(new Set(model.weights.map(w => w.originalName)).size).toBe(model.weights.length);
    for (const [i, expert] of moe.experts.entries()) {
      for (const weight of expert.weights) expect(weight.originalName).toContain(`${moe.name}/expert_${i}/`);
    }
    const before = tf.memory().numTensors;
    const copy = await reload(model);
    copy.compile({optimizer: tf.train.sgd(0.05), loss: 'meanSquaredError'});
    const copied = copy.layers[1] as GumbelMoE;
    expect(copied.getConfig()).toEqual(JSON.parse(JSON.stringify(moe.getConfig())));
    expect(list(copy.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
    for (let i = 0; i < 3; ++i) expect(await copy.trainOnBatch(x, y)).toBe(await model.trainOnBatch(x, y));
    copy.dispose();
    // The optimizer's scalar and two predictions stay.
    expect(tf.memory().numTensors).toBe(before + 3);
  });

  test('built-in experts save and load, their widths given in any way', async () => {
    for (const args of [{hiddenUnits: 5}, {hiddenUnits: [5, 3], units: 2}, {hiddenUnits: [], activation: 'tanh'}]) {
      const moe = gumbelMoE({numExperts: 3, ...args});
      const model = modelOf([2, 4], input => applied(moe, input));
      const x = tf.tensor3d(numbers(1, 40), [5, 2, 4]);
      const copy = await reload(model);
      expect(list(copy.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
      expect(copy.layers[1]!.getConfig()).toEqual(moe.getConfig());
    }
  });

  test('loading draws no initial weights, which the file replaces', async () => {
    const model = modelOf([4], input => applied(gumbelMoE({numExperts: 3, hiddenUnits: 5}), input));
    // VarianceScaling, the class behind the glorot initializers.
    const initializer = Object.getPrototypeOf(Object.getPrototypeOf(tfl.initializers.glorotUniform({})));
    const draw = vi.spyOn(initializer, 'apply');
    await reload(model);
    expect(draw).not.toHaveBeenCalled();
    gumbelMoE({numExperts: 3, hiddenUnits: 5}).apply(tf.ones([1, 4]));
    expect(draw).toHaveBeenCalledTimes(1 + 3 * 2);
    draw.mockRestore();
  });

  test('weights go out and come in by getWeights and setWeights', () => {
    const [a, b] = [1, 2].map(seed => gumbelMoE({numExperts: 3, hiddenUnits: [5], seed}));
    const x = tf.tensor2d(numbers(1, 24), [6, 4]);
    a!.apply(x);
    b!.apply(x);
    b!.setWeights(a!.getWeights());
    expect(list(run(b!, x))).toEqual(list(run(a!, x)));
    // 4 x 3 of the router, 3 experts of 4 x 5 + 5 + 5 x 4 + 4; temperature, step and 3 + 4 statistics.
    expect(a!.countParams()).toBe(12 + 3 * 49 + 9);
  });

  test('trainable toggles, of the layer, of one expert and of the model, freeze what they name', async () => {
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: [5], seed: 1});
    const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(moe, input)));
    const all = moe.trainableWeights.length;
    const names = moe.weights.map(weight => weight.originalName);
    expect(all).toBe(1 + 3 * 4);
    moe.trainable = false;
    expect([moe.trainableWeights.length, moe.nonTrainableWeights.length]).toEqual([0, all + 3]);
    expect(moe.weights.map(weight => weight.originalName)).toEqual(names);
    expect(variablesOf(moe).some(variable => variable.trainable)).toBe(false);
    moe.trainable = true;
    expect([moe.trainableWeights.length, moe.nonTrainableWeights.length]).toEqual([all, 3]);
    model.trainable = false;
    expect(variablesOf(moe).some(variable => variable.trainable)).toBe(false);
    model.trainable = true;
    expect(variablesOf(moe).filter(variable => variable.trainable).length).toBe(all);
    moe.experts[1]!.trainable = false;
    expect(moe.trainableWeights.length).toBe(all - 4);
    model.compile({optimizer: tf.train.sgd(0.5), loss: 'meanSquaredError'});
    const values = () => moe.experts.map(expert => list(expert.weights[0]!.read()));
    const before = values();
    const {x, y} = twoHalves(40, 4);
    for (let i = 0; i < 5; ++i) await model.trainOnBatch(x, y);
    const after = values();
    expect(after[1]).toEqual(before[1]);
    expect(after[0]).not.toEqual(before[0]);
    expect(gumbelMoE({numExperts: 2, hiddenUnits: 3, trainable: false}).trainableWeights.length).toBe(0);
  });

  test('an expert that came frozen stays frozen, and what is frozen is so after loading', async () => {
    const base = tfl.sequential({layers: [tfl.layers.dense({units: 4, inputShape: [4], trainable: false})]});
    const own = gumbelMoE({numExperts: 2, experts: [base, tfl.layers.dense({units: 4, trainable: false})], seed: 1});
    const builtIn = gumbelMoE({numExperts: 2, hiddenUnits: [], seed: 1});
    const model = modelOf([4], input => applied(builtIn, applied(own, input)));
    builtIn.experts[0]!.trainable = false;
    builtIn.router.trainable = false;
    // The router of the first; one dense layer of the second.
    expect([own.trainableWeights.length, builtIn.trainableWeights.length]).toEqual([1, 2]);
    const copy = await reload(model);
    const trained = copy.trainableWeights.map(weight => weight.originalName);
    expect(trained).toEqual(model.trainableWeights.map(weight => weight.originalName));
    model.compile({optimizer: tf.train.sgd(0.5), loss: 'meanSquaredError'});
    const kernel = list(base.weights[0]!.read());
    await model.trainOnBatch(tf.ones([3, 4]), tf.ones([3, 4]));
    expect(list(base.weights[0]!.read())).toEqual(kernel);
  });

  test('equal mixtures as experts, of one seed, start and draw differently', () => {
    const inner = () => gumbelMoE({numExperts: 4, hiddenUnits: [3], seed: 5});
    const moe = gumbelMoE({numExperts: 2, experts: [inner(), inner()], seed: 5});
    const x = tf.tensor2d(numbers(1, 400), [100, 4]);
    moe.apply(x);
    const [a, b] = moe.experts as GumbelMoE[];
    const kernels = [a!, b!].map(({router, experts}) =>
      [router, ...experts].map(layer => list(layer.weights[0]!.read())),
    );
    for (const [i, kernel] of kernels[0]!.entries()) expect(kernel).not.toEqual(kernels[1]![i]);
    b!.setWeights(a!.getWeights());
    const draws = [a!, b!].map(({router}) => list(run(router, x, {training: true})));
    expect(draws[0]).not.toEqual(draws[1]);
  });

  test('its own input shape may be given', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const moe = gumbelMoE({numExperts: 2, hiddenUnits: 3, inputShape: [3, 4]});
    const model = tfl.sequential({layers: [moe]});
    expect(model.outputs[0]!.shape).toEqual([null, 3, 4]);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test('disposing it frees all, its experts included', () => {
    const before = tf.memory().numTensors;
    const moe = gumbelMoE({numExperts: 6, experts: manyKinds()});
    tf.tidy(() => {
      moe.apply(tf.ones([3, 4]));
    });
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    moe.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('disposing it frees the others where one expert was disposed before', () => {
    const before = tf.memory().numTensors;
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: 2});
    tf.tidy(() => {
      moe.apply(tf.ones([3, 4]));
    });
    moe.experts[0]!.dispose();
    expect(() => moe.dispose()).toThrow('already disposed');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('bad arguments are refused in words', () => {
    const make = (args: object) => () => new GumbelMoE({numExperts: 2, hiddenUnits: 3, ...args} as GumbelMoEArgs);
    const dense = () => tfl.layers.dense({units: 4});
    const own = (experts: unknown) => make({hiddenUnits: undefined, experts});
    expect(make({topK: 4})).toThrow('topK (=4) must not exceed numExperts (=2).');
    expect(make({hiddenUnits: undefined})).toThrow(
      'GumbelMoE: give hiddenUnits for built-in experts, or experts of your own, but got neither.',
    );
    expect(make({hiddenUnits: [3, 0]})).toThrow(
      'GumbelMoE: hiddenUnits must be a whole number of at least 1, but got 0.',
    );
    expect(make({units: -1})).toThrow('GumbelMoE: units must be a whole number of at least 1, but got -1.');
    expect(make({activation: 'reluu'})).toThrow('reluu');
    expect(make({compute: 'fast'})).toThrow('GumbelMoE: compute must be one of "dense", "sparse", but got "fast".');
    expect(make({numExperts: 0})).toThrow('GumbelMoE: numExperts must be a whole number of at least 1, but got 0.');
    expect(make({estimator: 'best'})).toThrow('getEstimator: unknown name "best".');
    expect(make({experts: [dense(), dense()]})).toThrow(
      'GumbelMoE: give either experts, or hiddenUnits and units for built-in ones, but not both.',
    );
    expect(own([dense()])).toThrow('GumbelMoE: experts must be a list of numExperts (=2) layers, but got 1.');
    expect(own([dense(), 3])).toThrow('GumbelMoE: experts[1] must be a tfjs layer or model, but got 3.');
    const twice = dense();
    expect(own([twice, twice])).toThrow('GumbelMoE: experts must be different layers, but one is in the list twice.');
    expect(() => own([dense(), tfl.layers.dense({units: 3})])().apply(tf.ones([2, 4]))).toThrow(
      'GumbelMoE: all experts must have the same number of units, but got [4, 3].',
    );
    expect(() => own([dense(), tfl.layers.repeatVector({n: 3})])().apply(tf.ones([2, 4]))).toThrow(
      'GumbelMoE: experts[1] must map rows [n, 4] to rows [n, units], but its output shapes are [[null, 3, 4]].',
    );
    const narrow = tfl.sequential({layers: [tfl.layers.dense({units: 4, inputShape: [3]})]});
    expect(() => own([dense(), narrow])().apply(tf.ones([2, 4]))).toThrow(
      'GumbelMoE: experts[1] must take rows [n, 4], but it takes inputs of shape [[null, 3]].',
    );
    const built3 = dense();
    built3.apply(tf.ones([2, 3]));
    expect(() => own([dense(), built3])().apply(tf.ones([2, 4]))).toThrow('but it takes inputs of shape [[null, 3]].');
    const input = tfl.input({shape: [4]});
    const twoHeads = tfl.model({inputs: input, outputs: [applied(dense(), input), applied(dense(), input)]});
    expect(() => own([dense(), twoHeads])().apply(tf.ones([2, 4]))).toThrow(
      'its output shapes are [[null, 4], [null, 4]].',
    );
    const shared = dense();
    own([dense(), shared])();
    expect(own([dense(), shared])).toThrow(
      'GumbelMoE: experts[1] already is an expert of another layer. Give each layer experts of its own.',
    );
    expect(own(make({})().experts)).toThrow('experts[0] already is an expert of another layer.');
    const stateful = tfl.layers.lstm({units: 4, stateful: true, recurrentInitializer: 'zeros'});
    expect(own([dense(), stateful])).toThrow('GumbelMoE: experts[1] keeps a state from row to row');
    expect(() => make({})().apply(tf.ones([4]))).toThrow(
      'GumbelMoE: input must have shape [..., features] of rank 2 or more',
    );
    const built = make({})();
    built.apply(tf.ones([2, 4]));
    expect(() => built.apply(tf.ones([2, 5]))).toThrow(
      'DiscreteRouter: input must have shape [..., 4], but got [2, 5].',
    );
  });
});
