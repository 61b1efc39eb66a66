import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ESTIMATORS, reinmax} from 'tfjs-moe/estimators';
import {
  DiscreteRouter,
  type DiscreteRouterArgs,
  discreteRouter,
  type RouterMetrics,
  routerMetrics,
} from 'tfjs-moe/layers';
import {entropyLoss, importanceLoss, loadBalancingLoss, loadLoss, routerZLoss} from 'tfjs-moe/router';
import {describe, expect, test} from 'vitest';
import {layerRandom} from '../../src/layers/layer-random.js';
import {standardNormal} from '../../src/random/normal.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {CPU_AND_BACKENDS, eachBackend} from '../support/each-backend.js';
import {gradientOf, numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {numDraws} from '../support/long-tests.js';
import {applied, modelOf, reload} from '../support/model.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';

const ROUNDING = 2e-6;

/** The layer's output on an input of rank 2 or more. */
const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;

const kernelOf = (layer: DiscreteRouter) => layer.trainableWeights[0]!.read() as tf.Tensor2D;

/** The variable of the kernel, for `tf.variableGrads`. */
const variableOf = (layer: DiscreteRouter) => (layer.trainableWeights[0] as unknown as {val: tf.Variable}).val;

eachBackend('DiscreteRouter', () => {
  test('inference takes the K largest logits, the same each time', () => {
    for (const topK of [1, 2, 3]) {
      const layer = discreteRouter({numExperts: 4, topK, seed: 1, useBias: true});
      const x = tf.tensor2d(numbers(1, 60), [20, 3]);
      const output = list(run(layer, x));
      const logits = tf.matMul(x, kernelOf(layer)).arraySync() as number[][];
      const expected = logits.map(row => {
        const smallest = [...row].sort((a, b) => b - a)[topK - 1]!;
        return row.map(v => Number(v >= smallest));
      });
      expect(output).toEqual(expected.flat());
      expect(list(run(layer, x))).toEqual(output);
    }
  });

  test('training draws anew each step, K different categories a row', () => {
    for (const topK of [1, 3]) {
      const layer = discreteRouter({numExperts: 5, topK, seed: 1});
      const x = tf.tensor2d(numbers(1, 300), [100, 3]);
      const first = run(layer, x, {training: true});
      expect(new Set(list(first))).toEqual(new Set([0, 1]));
      expectClose(tf.sum(first, -1), new Array(100).fill(topK), 0);
      expect(list(run(layer, x, {training: true}))).not.toEqual(list(first));
    }
  });

  test('the second choice follows the probabilities left by the first', () => {
    // P(j second | i first) = p_j / (1 - p_i); so P({i, j}) = p_i p_j (1 / (1 - p_i) + 1 / (1 - p_j)). Binomial, 5 deviations.
    const logits = [0.5, -1, 1];
    const z = logits.reduce((sum, t) => sum + Math.exp(t), 0);
    const p = logits.map(t => Math.exp(t) / z);
    const layer = discreteRouter({numExperts: 3, topK: 2, seed: 3});
    layer.build([null, 1]);
    layer.trainableWeights[0]!.write(tf.tensor2d([logits]));
    const n = numDraws(20_000);
    const counts = tf.sum(run(layer, tf.ones([n, 1]), {training: true}), 0);
    const expected = p.map((_, left) => {
      const [i, j] = [0, 1, 2].filter(k => k !== left) as [number, number];
      return 1 - p[i]! * p[j]! * (1 / (1 - p[i]!) + 1 / (1 - p[j]!));
    });
    list(counts).forEach((count, k) => {
      const share = expected[k]!;
      expect(Math.abs(count - n * share)).toBeLessThan(5 * Math.sqrt(n * share * (1 - share)));
    });
  });

  test("the kernel's gradient is that of the estimator at the layer's draw and temperature", () => {
    // Of those whose gradient is fixed by the draw, the draw can be read from the output: kernel gradient = x' (d loss / d logits).
    for (const name of ['straightThrough', 'gappedStraightThrough', 'reinmax'] as const) {
      const layer = discreteRouter({numExperts: 3, estimator: name, temperature: 0.8, seed: 4, loadBalancingWeight: 0});
      const x = tf.tensor2d(numbers(2, 12), [4, 3]);
      layer.apply(x);
      const weights = tf.tensor2d(numbers(3, 12), [4, 3]);
      const loss = (sample: tf.Tensor) => tf.mul(tf.square(tf.sub(sample, 0.3)), weights);
      let given: tf.Tensor | undefined;
      const {grads} = tf.variableGrads(() => {
        const sample = run(layer, x, {training: true});
        given = tf.keep(tf.clone(sample));
        return tf.sum(loss(sample)) as tf.Scalar;
      }, [variableOf(layer)]);
      const logits = tf.matMul(x, kernelOf(layer));
      const ofLogits = gradientOf(ESTIMATORS[name].estimate, loss, logits, {given: given!, temperature: 0.8});
      expectClose(Object.values(grads)[0]!, list(tf.matMul(tf.transpose(x), ofLogits as tf.Tensor2D)), ROUNDING);
      given!.dispose();
    }
  });

  test('with two choices the gradients of both draws add', () => {
    // Linear loss w'D with straight-through at temperature 1: J(p) w for the first draw, J(p') w for the second, p' without the first.
    const logits = tf.tensor1d([0.5, -1, 0.25, 1.5]);
    const w = tf.tensor1d([1, -2, 0.5, 3]);
    const layer = discreteRouter({numExperts: 4, topK: 2, estimator: 'st', seed: 5, loadBalancingWeight: 0});
    layer.build([null, 1]);
    layer.trainableWeights[0]!.write(tf.reshape(logits, [1, 4]));
    const variable = variableOf(layer);
    const {grads, value} = tf.variableGrads(
      () => tf.sum(tf.mul(run(layer, tf.ones([1, 1]), {training: true}), w)) as tf.Scalar,
      [variable],
    );
    const gradient = list(Object.values(grads)[0]!);
    const jacobian = (theta: tf.Tensor) => list(tf.grad(x => tf.sum(tf.mul(tf.softmax(x), w)))(theta));
    const first = jacobian(logits);
    // Which two were drawn shows in the value; either may have come first.
    const candidates = [0, 1, 2, 3].map(i => {
      const masked = tf.tensor1d(Array.from(logits.dataSync(), (t, j) => (j === i ? -1e9 : t)));
      return jacobian(masked).map((g, k) => g + first[k]!);
    });
    const errors = candidates.map(candidate => Math.max(...candidate.map((g, k) => Math.abs(g - gradient[k]!))));
    expect(Math.min(...errors)).toBeLessThan(1e-5);
    expect(Number.isFinite(value.dataSync()[0])).toBe(true);
  });

  test('the auxiliary loss is the weighted sum of the functions on the same probabilities, padding left out', () => {
    const weights = {
      loadBalancingWeight: 0.5,
      importanceWeight: 0.25,
      loadWeight: 4,
      routerZLossWeight: 0.125,
      entropyWeight: 2,
    };
    const layer = discreteRouter({name: 'all_losses', numExperts: 4, topK: 2, seed: 6, ...weights});
    const x = tf.tensor2d(numbers(4, 90, -3, 3), [30, 3]);
    const mask = tf.tensor1d(
      Array.from({length: 30}, (_, row) => row % 3),
      'bool',
    );
    layer.apply(x);
    let reported = 0;
    let sample: number[] = [];
    tf.variableGrads(() => {
      const output = run(layer, x, {training: true, mask});
      sample = list(output);
      const loss = tf.addN(layer.calculateLosses()) as tf.Scalar;
      reported = loss.dataSync()[0]!;
      return tf.add(tf.sum(output), loss) as tf.Scalar;
    });
    // A layer sees zeros in padded rows.
    const logits = tf.matMul(tf.mul(x, tf.expandDims(tf.cast(mask, 'float32'), 1)), kernelOf(layer)) as tf.Tensor2D;
    const probs = tf.softmax(logits);
    // The noise of the load loss, of deviation 1 / numExperts, has stream 2 of the step.
    const noise = standardNormal([30, 4], layerRandom(6, 'all_losses').atStep(0).split(2));
    const noisyLogits = tf.add(logits, tf.div(noise, 4));
    const expected =
      0.5 * loadBalancingLoss(probs, tf.tensor2d(sample, [30, 4]), {mask}).dataSync()[0]! +
      0.25 * importanceLoss(probs, {mask}).dataSync()[0]! +
      4 * loadLoss(logits, noisyLogits, {topK: 2, noiseStd: 0.25, mask}).dataSync()[0]! +
      0.125 * routerZLoss(logits, {mask}).dataSync()[0]! +
      2 * entropyLoss(probs, {mask}).dataSync()[0]!;
    expect(Math.abs(reported - expected)).toBeLessThan(2e-5);
  });

  test('the load loss alone pushes overloaded experts down', () => {
    const layer = discreteRouter({numExperts: 4, seed: 6, loadBalancingWeight: 0, loadWeight: 1});
    const x = tf.tensor2d(numbers(4, 90, 0, 1), [30, 3]);
    layer.apply(x);
    const optimizer = tf.train.sgd(0.5);
    const variable = variableOf(layer);
    const spread = () => {
      const counts = list(tf.sum(run(layer, x), 0));
      return Math.max(...counts) - Math.min(...counts);
    };
    const before = spread();
    for (let step = 0; step < 40; ++step) {
      optimizer.minimize(
        () => {
          run(layer, x, {training: true});
          return tf.addN(layer.calculateLosses()) as tf.Scalar;
        },
        false,
        [variable],
      );
    }
    expect(spread()).toBeLessThan(before);
  });

  test('"inject" gives the kernel the gradient that "addLoss" gives', () => {
    const gradients = (['addLoss', 'inject'] as const).map(auxLoss => {
      const layer = discreteRouter({
        name: 'same',
        numExperts: 4,
        seed: 7,
        loadBalancingWeight: 1,
        routerZLossWeight: 0.1,
        auxLoss,
      });
      const x = tf.tensor2d(numbers(5, 30), [10, 3]);
      layer.apply(x);
      const variable = variableOf(layer);
      const {grads} = tf.variableGrads(() => {
        const task = tf.sum(tf.square(tf.sub(run(layer, x, {training: true}), 0.3)));
        return tf.add(task, tf.addN(layer.calculateLosses())) as tf.Scalar;
      }, [variable]);
      return list(Object.values(grads)[0]!);
    });
    expectClose(gradients[1]!, gradients[0]!, ROUNDING);
    expect(Math.max(...gradients[0]!.map(Math.abs))).toBeGreaterThan(0.01);
  });

  test('evaluation and inference add no auxiliary loss', () => {
    const layer = discreteRouter({numExperts: 4, seed: 1, loadBalancingWeight: 1});
    run(layer, tf.ones([5, 3]));
    expect(list(layer.calculateLosses()[0]!)).toEqual([0]);
    run(layer, tf.ones([5, 3]), {training: true}); // no gradient is being recorded
    expect(list(layer.calculateLosses()[0]!)).toEqual([0]);
  });

  test('padding gets zeros, and counts in no loss and no metric', async () => {
    const args: DiscreteRouterArgs = {
      name: 'masked',
      numExperts: 4,
      seed: 8,
      estimator: 'st',
      loadBalancingWeight: 1,
      importanceWeight: 1,
      routerZLossWeight: 1,
      entropyWeight: 1,
    };
    const results: {loss: number; metrics: RouterMetrics}[] = [];
    for (const padding of [0, 3]) {
      const layer = discreteRouter(args);
      // The padding stands behind the tokens of the one sequence, so that the tokens' uniforms stay the same.
      const tokens = tf.tensor3d(numbers(6, 15), [1, 5, 3]);
      const x = tf.concat([tokens, tf.fill([1, padding, 3], 7)], 1);
      const mask = tf.tensor2d([[1, 1, 1, 1, 1, ...new Array<number>(padding).fill(0)]], [1, 5 + padding], 'bool');
      layer.apply(x);
      let loss = 0;
      tf.variableGrads(() => {
        const output = run(layer, x, {training: true, mask});
        expect(list(tf.slice(output, [0, 5, 0])).some(v => v !== 0)).toBe(false);
        const total = tf.addN(layer.calculateLosses()) as tf.Scalar;
        loss = total.dataSync()[0]!;
        return total;
      });
      results.push({loss, metrics: await routerMetrics(layer)});
      expect(list(tf.slice(run(layer, x, {mask}), [0, 5, 0])).some(v => v !== 0)).toBe(false);
    }
    expect(Math.abs(results[1]!.loss - results[0]!.loss)).toBeLessThan(ROUNDING);
    const [plain, padded] = results.map(({metrics}) => metrics);
    expect(Object.keys(padded!)).toEqual(Object.keys(plain!));
    expectClose(Object.values(padded!).flat(), Object.values(plain!).flat(), ROUNDING);
  });

  test('what padding holds changes nothing, be it NaN', () => {
    const layer = discreteRouter({numExperts: 4, seed: 8, loadBalancingWeight: 1, loadWeight: 1});
    const mask = tf.tensor2d([[1, 0, 1]], [1, 3], 'bool');
    const x = tf.tensor3d([
      [
        [1, 2],
        [Number.NaN, Number.POSITIVE_INFINITY],
        [3, -1],
      ],
    ]);
    for (const training of [false, true]) {
      const output = list(run(layer, x, {mask, training}));
      expect(output.slice(4, 8)).toEqual([0, 0, 0, 0]);
      expectFinite(tf.tensor1d(output));
    }
  });

  test('a mask that belongs to another input is ignored', () => {
    const layer = discreteRouter({numExperts: 4, seed: 1});
    const output = run(layer, tf.ones([2, 5, 3]), {mask: tf.zeros([2, 3], 'bool')});
    expectClose(tf.sum(output, -1), new Array(10).fill(1), 0);
  });

  test("jitter multiplies the router's input in training by noise of its own, and leaves the draw's alone", () => {
    // With a kernel of ones all logits of a row are equal, whatever the factors: the draws must be those without jitter.
    const [plain, jittered] = [0, 0.9].map(jitter =>
      discreteRouter({name: 'jitter', numExperts: 6, seed: 9, jitter, kernelInitializer: 'ones'}),
    );
    const x = tf.tensor2d(numbers(7, 400, -3, 3), [100, 4]);
    expect(list(run(jittered!, x, {training: true}))).toEqual(list(run(plain!, x, {training: true})));
  });

  test('jitter factors are uniform around 1, independent of the draw, and absent in inference', () => {
    // One feature of 1 and four experts with logits 1000 (f - 1.2) twice and 1000 (1.2 - f) twice, f the factor: f decides between the
    // pairs, and the draw within a pair.
    const layer = discreteRouter({numExperts: 4, seed: 9, jitter: 0.5, useBias: true});
    layer.apply(tf.ones([1, 1]));
    layer.trainableWeights[0]!.write(tf.tensor2d([[1000, 1000, -1000, -1000]]));
    layer.trainableWeights[1]!.write(tf.tensor1d([-1200, -1200, 1200, 1200]));
    const n = 4000;
    // f is uniform in [.5, 1.5]: above 1.2 with probability .3. Were it made of the uniforms of the draw, expert 0 would never come.
    const counts = tf.sum(run(layer, tf.ones([n, 1]), {training: true}), 0).dataSync();
    expect(chiSquare(counts, [0.15 * n, 0.15 * n, 0.35 * n, 0.35 * n])).toBeLessThan(chiSquareBound(3));
    const decided = tf.sum(run(layer, tf.ones([n, 1])), 0);
    expect(list(decided)).toEqual([0, 0, n, 0]); // f = 1, and the first of equal ones
  });

  test('metrics: load sums to 1, entropy is that of the probabilities, and a zero kernel is balanced', async () => {
    const layer = discreteRouter({numExperts: 4, seed: 2, kernelInitializer: 'zeros'});
    for (let step = 0; step < 3; ++step) run(layer, tf.ones([500, 2]), {training: true});
    const {tokens, load, entropy, maxViolation, deadExperts} = await routerMetrics(layer);
    expect(tokens).toBe(1500);
    expect(load.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(entropy).toBeCloseTo(Math.log(4), 5);
    // Each load is binomial(1500, 1/4) / 1500: deviation .0112; the largest of four lies within 5 deviations of .25.
    expect(maxViolation).toBeLessThan(4 * 5 * 0.0112);
    expect(deadExperts).toBe(0);
    expect(layer.step).toBe(3);
  });

  test('one expert is always chosen, with a gradient of zero', () => {
    const layer = discreteRouter({numExperts: 1, seed: 1});
    const x = tf.tensor2d(numbers(1, 6), [3, 2]);
    expectClose(run(layer, x), [1, 1, 1], 0);
    layer.apply(x);
    const {grads} = tf.variableGrads(() => {
      const output = run(layer, x, {training: true});
      return tf.add(tf.sum(tf.square(output)), tf.addN(layer.calculateLosses())) as tf.Scalar;
    }, [variableOf(layer)]);
    expectClose(Object.values(grads)[0]!, [0, 0], 0);
  });

  test('a batch of no rows gives no rows', () => {
    const layer = discreteRouter({numExperts: 4, seed: 1});
    expect(run(layer, tf.zeros([0, 3])).shape).toEqual([0, 4]);
    expect(run(layer, tf.zeros([2, 0, 3]), {training: true}).shape).toEqual([2, 0, 4]);
  });

  test('logits of +-1e4 are routed with finite losses', () => {
    const layer = discreteRouter({
      numExperts: 3,
      seed: 1,
      useBias: true,
      loadBalancingWeight: 1,
      importanceWeight: 1,
      loadWeight: 1,
      routerZLossWeight: 1,
      entropyWeight: 1,
    });
    const x = tf.tensor2d([1e4, -1e4, 0, 1e4, 1e4, 1e4], [3, 2]);
    layer.apply(x);
    const variables = layer.trainableWeights.map(w => (w as unknown as {val: tf.Variable}).val);
    const {value, grads} = tf.variableGrads(() => {
      const output = run(layer, x, {training: true});
      return tf.add(tf.sum(tf.square(output)), tf.addN(layer.calculateLosses())) as tf.Scalar;
    }, variables);
    expectFinite(value);
    for (const gradient of Object.values(grads)) expectFinite(gradient);
  });

  test.skipIf(!ON_HOST)(`NaN in the logits is an error that names the layer, never expert 0${WHY_ON_HOST}`, () => {
    const layer = discreteRouter({name: 'my_router', numExperts: 3, seed: 1});
    const x = tf.tensor2d([1, 2, Number.NaN, 0], [2, 2]);
    for (const training of [false, true]) {
      expect(() => run(layer, x, {training})).toThrow(
        /DiscreteRouter "my_router": .*row 1 of the logits leaves nothing to choose from/,
      );
    }
    expect(() => run(layer, tf.tensor2d([[Number.POSITIVE_INFINITY, 1]]), {training: true})).toThrow('row 0');
  });

  test.skipIf(!ON_HOST)(`nothing leaks where logits are refused${WHY_ON_HOST}`, () => {
    const layer = discreteRouter({numExperts: 3, seed: 1, loadWeight: 0.1, jitter: 0.1, topK: 2});
    const bad = tf.fill([10, 4], Number.NaN);
    layer.apply(tf.zerosLike(bad));
    const before = tf.memory().numTensors;
    for (const training of [true, false, true, false]) {
      expect(() => run(layer, bad, {training})).toThrow('nothing to choose from');
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('nothing leaks: training, prediction, errors, reload, dispose', async () => {
    const start = tf.memory().numTensors;
    const layer = discreteRouter({numExperts: 3, seed: 1, loadWeight: 0.1, jitter: 0.1, topK: 2});
    const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(layer, input)));
    const x = tf.tensor2d(numbers(1, 40), [10, 4]);
    const y = tf.ones([10, 1]);
    const wide = tf.zeros([2, 7]);
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const step = async () => {
      await model.trainOnBatch(x, y);
      tf.dispose(model.predict(x));
      tf.dispose(run(layer, x, {training: true}));
      expect(() => layer.apply(wide)).toThrow('must have shape');
    };
    await step();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 5; ++i) await step();
    expect(tf.memory().numTensors).toBe(before);
    const loaded = await reload(model);
    expect(tf.memory().numTensors).toBe(before + loaded.weights.length);
    loaded.dispose();
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
    tf.dispose([x, y, wide]);
    // sgd keeps a scalar of its learning rate.
    expect(tf.memory().numTensors).toBe(start + 1);
  });

  test('losses that nobody collects do not pile up', () => {
    const layer = discreteRouter({numExperts: 3, seed: 1});
    const x = tf.ones([4, 2]);
    layer.apply(x);
    const variable = variableOf(layer);
    const step = () =>
      tf.tidy(() => {
        tf.variableGrads(() => tf.sum(run(layer, x, {training: true})) as tf.Scalar, [variable]);
      });
    step();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 5; ++i) step();
    expect(tf.memory().numTensors).toBe(before);
    layer.dispose();
    expect(tf.memory().numTensors).toBe(before - 5); // four weights and the last loss
  });

  test('a saved layer comes back with equal configuration, weights and next draws', async () => {
    const layer = discreteRouter({
      numExperts: 3,
      topK: 2,
      estimator: {name: 'gumbelRao', numSamples: 7},
      temperature: 0.7,
      useBias: true,
      kernelInitializer: tfl.initializers.randomNormal({stddev: 0.5, seed: 3}),
      jitter: 0.05,
      seed: 11,
      loadBalancingWeight: 0.02,
      importanceWeight: 0.03,
      loadWeight: 0.04,
      routerZLossWeight: 0.05,
      entropyWeight: 0.06,
      auxLoss: 'inject',
    });
    const model = modelOf([4], input => applied(layer, input));
    const x = tf.tensor2d(numbers(1, 400), [100, 4]);
    for (let i = 0; i < 3; ++i) run(layer, x, {training: true});
    layer.temperature = 0.6;
    const loaded = await reload(model);
    const copy = loaded.layers[1] as DiscreteRouter;
    expect(copy.getConfig()).toEqual(layer.getConfig());
    expect(copy.temperature).toBeCloseTo(0.6, 6);
    expect(copy.step).toBe(3);
    expect(list(run(copy, x))).toEqual(list(run(layer, x)));
    expect(list(run(copy, x, {training: true}))).toEqual(list(run(layer, x, {training: true})));
  });

  test('a configuration holds every argument', () => {
    const config = discreteRouter({numExperts: 2}).getConfig();
    for (const field of [
      'numExperts',
      'estimator',
      'temperature',
      'topK',
      'useBias',
      'kernelInitializer',
      'jitter',
      'seed',
      'loadBalancingWeight',
      'importanceWeight',
      'loadWeight',
      'routerZLossWeight',
      'entropyWeight',
      'auxLoss',
    ]) {
      expect(config).toHaveProperty(field);
    }
    expect(() => discreteRouter({numExperts: 2, estimator: reinmax}).getConfig()).toThrow(
      'DiscreteRouter: estimator is function reinmax, which cannot be saved. Name one of the registry to save the model.',
    );
  });

  test('bad arguments are refused in words', () => {
    const make = (args: object) => () => new DiscreteRouter({numExperts: 2, ...args} as DiscreteRouterArgs);
    const positive = 'must be a positive finite number, but got';
    expect(make({numExperts: 0})).toThrow(
      'DiscreteRouter: numExperts must be a whole number of at least 1, but got 0.',
    );
    expect(make({numExperts: undefined})).toThrow('but got undefined.');
    expect(make({topK: 4})).toThrow('DiscreteRouter: topK (=4) must not exceed numExperts (=2).');
    expect(make({topK: 0})).toThrow('DiscreteRouter: topK must be a whole number of at least 1, but got 0.');
    expect(make({temperature: -1})).toThrow(`DiscreteRouter: temperature ${positive} -1.`);
    expect(make({estimator: 'reimax'})).toThrow('getEstimator: unknown name "reimax". Expected one of:');
    expect(make({jitter: 2})).toThrow('DiscreteRouter: jitter must be a finite number from 0 to 1, but got 2.');
    expect(make({loadBalancingWeight: -1})).toThrow(
      'DiscreteRouter: loadBalancingWeight must be a finite number of at least 0, but got -1.',
    );
    expect(make({auxLoss: 'output'})).toThrow(
      'DiscreteRouter: auxLoss must be one of "addLoss", "inject", but got "output".',
    );
    expect(make({useBias: 1})).toThrow('DiscreteRouter: useBias must be true or false, but got 1.');
    expect(make({seed: 1.5})).toThrow('seeded: seed must be a whole number');
    const layer = discreteRouter({numExperts: 2, kernelInitializer: 'glorot'});
    expect(() => layer.apply(tf.ones([2, 2]))).toThrow(
      'DiscreteRouter: kernelInitializer must be an initializer or one of',
    );
    expect(() => discreteRouter({numExperts: 2}).apply(tf.ones([2]))).toThrow(
      'DiscreteRouter: input must have shape [..., features] of rank 2 or more with known features, but got [2].',
    );
    expect(() => {
      discreteRouter({numExperts: 2}).temperature = 0.5;
    }).toThrow('DiscreteRouter: temperature is there once the layer is built.');
    const built = discreteRouter({numExperts: 2});
    built.apply(tf.ones([2, 2]));
    expect(() => {
      built.temperature = 0;
    }).toThrow(`DiscreteRouter: temperature ${positive} 0.`);
    expect(() => built.apply(tf.ones([2, 3]))).toThrow(
      'DiscreteRouter: input must have shape [..., 2], but got [2, 3].',
    );
  });
});

describe('the noise of a layer', () => {
  const draws = (args: Partial<DiscreteRouterArgs>, steps: number) => {
    const layer = discreteRouter({numExperts: 4, kernelInitializer: 'zeros', ...args});
    return Array.from({length: steps}, () => list(run(layer, tf.ones([50, 2]), {training: true})));
  };

  test('is the same on every backend', async () => {
    const results: number[][][] = [];
    for (const backend of CPU_AND_BACKENDS) {
      await tf.setBackend(backend);
      tf.engine().startScope();
      results.push(draws({name: 'a', seed: 1}, 3));
      tf.engine().endScope();
    }
    expect(results[1]).toEqual(results[0]);
  });

  test('depends on seed, name and step', async () => {
    await tf.setBackend('cpu');
    tf.engine().startScope();
    const [first, second] = draws({name: 'a', seed: 1}, 2);
    expect(second).not.toEqual(first);
    expect(draws({name: 'a', seed: 1}, 2)).toEqual([first, second]);
    expect(draws({name: 'b', seed: 1}, 1)[0]).not.toEqual(first);
    expect(draws({name: 'a', seed: 2}, 1)[0]).not.toEqual(first);
    expect(draws({name: 'a'}, 1)[0]).not.toEqual(draws({name: 'a'}, 1)[0]);
    tf.engine().endScope();
  });
});
