import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoE, type GumbelMoEArgs, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ROUTERS} from '../../src/router/registry.js';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG} from '../support/long-tests.js';
import {reload} from '../support/model.js';

/** A few products and sums of a small network in float32. */
const NETWORK = 1e-5;

const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;
const sparse = (args: Partial<GumbelMoEArgs>) =>
  gumbelMoE({numExperts: 4, hiddenUnits: [5], units: 3, compute: 'sparse', seed: 1, name: 'moe', ...args});
const variables = (layer: tfl.layers.Layer) =>
  layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
const input = (rows = 12) => tf.tensor2d(numbers(1, rows * 4), [rows, 4]);

/** The gradients of a fixed quadratic loss for all weights in order, as lists. */
function gradients(moe: GumbelMoE, x: tf.Tensor, forward: () => tf.Tensor): number[][] {
  const size = 3 * x.shape[0]!;
  const target = tf.tensor2d(numbers(7, size), [x.shape[0]!, 3]);
  const loss = () => tf.sum(tf.square(tf.sub(forward(), target))) as tf.Scalar;
  const {grads} = tf.variableGrads(loss, variables(moe));
  return variables(moe).map(variable => list(grads[variable.name]!));
}

/** sum over experts of weight times output, with all of them evaluated. */
function allExperts(moe: GumbelMoE, x: tf.Tensor, training: boolean): tf.Tensor {
  const weights = run(moe.router, x, {training});
  const columns = moe.experts.length === 1 ? [weights] : tf.split(weights, moe.experts.length, 1);
  return tf.addN(moe.experts.map((expert, e) => tf.mul(columns[e]!, run(expert, x))));
}

/** Routers that draw nothing: their training is a function of the input. */
const DETERMINISTIC: Partial<GumbelMoEArgs>[] = [
  {},
  {router: 'topK', topK: 2},
  {router: {name: 'topK', normalize: true, scores: 'sigmoid'}, topK: 3},
  {router: {name: 'gshard', secondPolicy: 'all'}},
  {router: 'denseMixer', topK: 2, loadBalancingWeight: 0},
];

eachBackend('GumbelMoE, sparse', () => {
  for (const args of DETERMINISTIC.slice(0, 4)) {
    test(`with ${JSON.stringify(args)} output and gradients are those of all experts, weighted`, () => {
      const moe = sparse({...args, loadBalancingWeight: 0});
      const x = input();
      for (const training of [false, true]) {
        expectClose(run(moe, x, {training}), list(allExperts(moe, x, training)), NETWORK);
      }
      const ours = gradients(moe, x, () => run(moe, x, {training: true}));
      const expected = gradients(moe, x, () => allExperts(moe, x, true));
      for (const [i, gradient] of ours.entries()) expectClose(gradient, expected[i]!, NETWORK);
    });
  }

  for (const dispatch of ['capacity', 'oneHot'] as const) {
    for (const capacityFactor of [undefined, 0.7]) {
      test.skipIf(!ON_HOST)(
        `dispatch ${dispatch} with capacity factor ${capacityFactor} agrees with ragged rows${WHY_ON_HOST}`,
        () => {
          const build = (method: GumbelMoEArgs['dispatch']) => {
            const moe = sparse({
              router: 'topK',
              topK: 2,
              dispatch: method!,
              minCapacity: 1,
              ...(capacityFactor && {capacityFactor}),
            });
            moe.apply(input());
            return moe;
          };
          const [moe, other] = [build('ragged'), build(dispatch)];
          const x = input();
          expectClose(run(other, x), list(run(moe, x)), NETWORK);
          const ours = gradients(moe, x, () => run(moe, x, {training: true}));
          const theirs = gradients(other, x, () => run(other, x, {training: true}));
          for (const [i, gradient] of theirs.entries()) expectClose(gradient, ours[i]!, NETWORK);
        },
      );
    }
  }

  const routers = Object.keys(ROUTERS).filter(name => name !== 'base');
  for (const router of [...routers, ...hostWays('router base', 'base'), 'reinmax', 'st', 'gumbelRao']) {
    test(`router ${router} trains in fit, evaluates the same twice, saves and loads, and leaks nothing`, async () => {
      const moe = sparse({router: router as 'topK', units: 4, capacityFactor: 1.5});
      const kernelInitializer = tfl.initializers.glorotUniform({seed: 3});
      const model = tfl.sequential({layers: [tfl.layers.dense({units: 4, inputShape: [4], kernelInitializer}), moe]});
      model.compile({optimizer: tf.train.adam(0.02), loss: 'meanSquaredError'});
      const x = input(48);
      const y = tf.tensor2d(numbers(2, 192), [48, 4]);
      const error = () => tf.tidy(() => (model.evaluate(x, y) as tf.Scalar).dataSync()[0]!);
      const before = error();
      const batchSize = LEAVES_LONG ? 48 : 16; // one step an epoch, or three
      await model.fit(x, y, {epochs: 1, batchSize, shuffle: false});
      const numTensors = tf.memory().numTensors;
      await model.fit(x, y, {epochs: 4, batchSize, shuffle: false});
      expect(error()).toBeLessThan(before);
      expect(error()).toBe(error());
      expect(tf.memory().numTensors).toBe(numTensors);
      const loaded = await reload(model);
      expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
      const metrics = await routerMetrics(moe);
      expect(metrics.tokens).toBe(48 * 5);
      expect(metrics.load.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    });
  }

  test('a token whose choice was dropped gives zeros, or its weight of the shared expert', () => {
    const x = tf.tile(input(1), [8, 1]) as tf.Tensor2D; // all to one expert
    const moe = sparse({capacityFactor: 1, minCapacity: 1});
    const [first, , third] = run(moe, x).arraySync() as number[][];
    const weight = Math.max(...list(run(moe.router, tf.slice(x, [0, 0], [1, 4]))));
    expect(first!.some(value => value !== 0)).toBe(true);
    expect(third).toEqual([0, 0, 0]);
    const shared = sparse({capacityFactor: 1, minCapacity: 1, overflow: 'shared', sharedHiddenUnits: 6});
    const rows = run(shared, x).arraySync() as number[][];
    const [kept, , dropped] = rows;
    expectClose(kept!, first!, NETWORK);
    const expert = shared.weights.filter(({originalName}) => originalName.includes('/shared_expert/'));
    expect(expert.map(({shape}) => shape)).toEqual([[4, 6], [6], [6, 3], [3]]);
    const [kernel0, , kernel1] = expert.map(variable => variable.read()) as tf.Tensor2D[];
    const output = tf.matMul(tf.relu(tf.matMul(tf.slice(x, [0, 0], [1, 4]), kernel0!)), kernel1!);
    expectClose(
      dropped!,
      list(output).map(value => weight * value),
      NETWORK,
    );
  });

  test('the shared expert is added as it is, behind a gate of zeros by a half, or mixed half and half', () => {
    const x = input();
    const plain = list(run(sparse({}), x));
    const added = list(run(sparse({sharedHiddenUnits: 6}), x));
    const shared = added.map((value, i) => value - plain[i]!);
    const gated = run(sparse({sharedHiddenUnits: 6, sharedGate: 'sigmoid'}), x);
    expectClose(
      gated,
      plain.map((value, i) => value + shared[i]! / 2),
      NETWORK,
    );
    const mixed = run(sparse({sharedHiddenUnits: 6, sharedGate: 'softmax'}), x);
    expectClose(
      mixed,
      plain.map((value, i) => (value + shared[i]!) / 2),
      NETWORK,
    );
  });

  test('padding gives zeros, takes no place, and changes no output, gradient or metric', async () => {
    const real = input(6);
    const padded = tf.concat([tf.fill([5, 4], Number.NaN), real], 0) as tf.Tensor2D;
    const mask = tf.tensor1d([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    const args: Partial<GumbelMoEArgs> = {router: 'topK', topK: 2, routerZLossWeight: 0.1, importanceWeight: 0.1};
    const [moe, same] = [sparse(args), sparse(args)];
    const withPadding = run(moe, padded, {mask, training: true});
    expect(list(tf.slice(withPadding, [0, 0], [5, 3])).every(value => value === 0)).toBe(true);
    expectClose(tf.slice(withPadding, [5, 0], [6, 3]), list(run(same, real, {training: true})), NETWORK);
    const metrics = await routerMetrics(moe);
    expect(metrics.tokens).toBe(6);
    expect(metrics.load).toEqual((await routerMetrics(same)).load);
    const loss = (layer: GumbelMoE, x: tf.Tensor, kwargs: object) => {
      const {value, grads} = tf.variableGrads(() => {
        const y = run(layer, x, {...kwargs, training: true});
        return tf.addN([tf.sum(tf.square(y)), ...layer.calculateLosses()]) as tf.Scalar;
      }, variables(layer));
      return [list(value), ...variables(layer).map(variable => list(grads[variable.name]!))];
    };
    const ours = loss(moe, padded, {mask});
    for (const [i, values] of loss(same, real, {}).entries()) expectClose(ours[i]!, values, 10 * NETWORK);
  });

  test('the bias of loss-free balancing moves once a step, by the counts of the step before, and chooses', async () => {
    const moe = sparse({router: {name: 'topK', scores: 'sigmoid'}, biasUpdateRate: 0.5, loadBalancingWeight: 0});
    const x = input(16);
    moe.apply(x);
    const bias = () => moe.weights.find(({originalName}) => originalName.endsWith('balance_bias'))!.read();
    const step = () =>
      tf.variableGrads(
        () => tf.sum(tf.add(run(moe, x, {training: true}), run(moe, x, {training: true}))) as tf.Scalar,
        variables(moe),
      );
    step();
    expect(list(bias())).toEqual([0, 0, 0, 0]);
    const {load} = await routerMetrics(moe);
    step();
    // 0.5 sign(mean - count), less its mean.
    const moves = load.map(share => 0.5 * Math.sign(0.25 - share));
    const mean = moves.reduce((a, b) => a + b, 0) / 4;
    expectClose(
      bias(),
      moves.map(move => move - mean),
      NETWORK,
    );
    expect(list(run(moe.router, x))).not.toEqual(
      list(run(sparse({router: {name: 'topK', scores: 'sigmoid'}}).router, x)),
    );
  });

  test('each of the K choices of an estimator counts 1 / K, drawn or not', () => {
    const moe = sparse({estimator: 'reinmax', topK: 2});
    moe.apply(input());
    for (const training of [false, true]) {
      const rows = run(moe.router, input(), {training}).arraySync() as number[][];
      for (const row of rows) expect([...row].sort()).toEqual([0, 0, 0.5, 0.5]);
    }
  });

  test('experts that choose take a balanced share of the tokens each where no capacity factor is given', () => {
    const moe = sparse({router: 'expertChoice', topK: 2});
    run(moe, input(10), {training: true});
    // ceil(2 * 10 / 4) = 5 of 10 tokens.
    expect(list(moe.router.statistics.read()).slice(0, 4)).toEqual([5, 5, 5, 5]);
  });

  test('an empty batch, one expert and one token', () => {
    expect(run(sparse({}), tf.zeros([0, 4]), {training: true}).shape).toEqual([0, 3]);
    const one = sparse({numExperts: 1});
    expectClose(run(one, input(), {training: true}), list(run(one.experts[0]!, input())), NETWORK);
    expectFinite(run(sparse({router: 'topK', topK: 4}), input(1), {training: true}));
  });

  test('bad arguments are refused in words', () => {
    expect(() => sparse({capacityFactor: -1})).toThrow(
      'GumbelMoE: capacityFactor must be a finite number of at least 0',
    );
    expect(() => run(sparse({capacityFactor: 0, minCapacity: 0}), input())).toThrow('leave no place for 12 tokens');
    expect(() => sparse({router: 'best' as 'topK'})).toThrow('getRouter: unknown name "best". Expected one of:');
    expect(() => sparse({router: {name: 'topK', normalise: true}})).toThrow(
      'getRouter: topK has no option "normalise"; it has',
    );
    expect(() => sparse({router: 'switch', topK: 2})).toThrow(
      'GumbelMoE: topK (=2) must not exceed 1, the most that router "switch" chooses.',
    );
    expect(() => sparse({router: 'switch', estimator: 'reinmax'})).toThrow('give either router or estimator');
    expect(() => sparse({biasUpdateRate: 0.1})).toThrow('biasUpdateRate needs a router that chooses by a biased score');
    expect(() => sparse({overflow: 'shared'})).toThrow(
      "overflow: 'shared' needs a shared expert; give sharedHiddenUnits.",
    );
    expect(() => gumbelMoE({numExperts: 2, hiddenUnits: 3, capacityFactor: 1})).toThrow(
      "GumbelMoE: capacityFactor needs compute: 'sparse'",
    );
  });
});
