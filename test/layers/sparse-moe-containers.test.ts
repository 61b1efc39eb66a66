// A sparse mixture in the containers of tfjs: trained there, with its losses once a use, and nothing left behind.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoEArgs, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {NETWORK, run, sparse, tokens, variables, WIDTH} from './sparse-cases.js';

const toOne = (x: tfl.SymbolicTensor) => applied(tfl.layers.dense({units: 1}), x);

/** Each way to use the layer, the shape of its examples and how often it routes in a step. */
const USES: [string, number[], number, (moe: tfl.layers.Layer) => tfl.LayersModel][] = [
  ['a functional model', [WIDTH], 1, moe => modelOf([WIDTH], x => toOne(applied(moe, x)))],
  ['sequences', [4, WIDTH], 1, moe => modelOf([4, WIDTH], x => toOne(applied(moe, x)))],
  [
    'a Sequential',
    [WIDTH],
    1,
    moe => tfl.sequential({layers: [tfl.layers.inputLayer({inputShape: [WIDTH]}), moe, tfl.layers.dense({units: 1})]}),
  ],
  [
    'a model in a model in a model',
    [WIDTH],
    1,
    moe => {
      const inner = modelOf([WIDTH], x => applied(moe, x));
      const middle = modelOf([WIDTH], x => applied(inner, x));
      return modelOf([WIDTH], x => toOne(applied(middle, x)));
    },
  ],
  ['a graph that shares it twice', [WIDTH], 2, moe => modelOf([WIDTH], x => toOne(applied(moe, applied(moe, x))))],
  [
    'TimeDistributed',
    [3, WIDTH],
    3,
    moe => modelOf([3, WIDTH], x => toOne(applied(tfl.layers.timeDistributed({layer: moe}), x))),
  ],
];

eachBackendAndKernels('a sparse mixture', () => {
  const KINDS: [string, Partial<GumbelMoEArgs>][] = [
    ['with a capacity', {capacityOrder: 'priority'}],
    ['with buffers and a shared expert', {dispatch: 'capacity', overflow: 'shared', sharedHiddenUnits: 3}],
  ];
  test.each(USES.flatMap(use => KINDS.map(kind => [...use, ...kind] as const)))(
    'in %s of shape %j it trains, with its losses once a use, and leaks nothing (%#)',
    async (title, shape, uses, build, _kind, args) => {
      const start = tf.memory().numTensors;
      // Zeros route evenly: each use adds exactly the weight of the balance loss, since f . p = 1 / E whatever f is.
      const moe = gumbelMoE({
        numExperts: 2,
        hiddenUnits: [4],
        activation: 'tanh', // every weight has a gradient
        router: 'topK',
        topK: 2,
        capacityFactor: 0.75,
        minCapacity: 1,
        compute: 'sparse',
        seed: 1,
        kernelInitializer: 'zeros',
        loadBalancingWeight: 10,
        ...args,
      });
      const model = build(moe);
      const x = tf.tensor(numbers(1, 8 * tf.util.sizeFromShape(shape)), [8, ...shape]);
      const y = tf.zeros([8, ...shape.slice(0, -1), 1]);
      const optimizer = tf.train.sgd(1e-2);
      model.compile({optimizer, loss: 'meanSquaredError'});
      const evaluate = () => tf.tidy(() => list(model.evaluate(x, y) as tf.Scalar)[0]!);
      const first = evaluate(); // without losses of the layer
      const weights = () => moe.trainableWeights.map(weight => list(weight.read()));
      const initial = weights();
      const loss = (await model.trainOnBatch(x, y)) as number;
      expectClose([loss], [first + 10 * uses], 1e-4);
      expect(moe.step).toBe(uses);
      for (const [i, values] of weights().entries()) expect(values).not.toEqual(initial[i]);
      const before = tf.memory().numTensors;
      for (let i = 0; i < 6; ++i) {
        await model.trainOnBatch(x, y);
        tf.dispose(model.predict(x));
      }
      await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0});
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
      if (title.includes('shares')) moe.dispose(); // a model gives up one of the uses that tfjs counts
      tf.dispose([x, y]);
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(start);
    },
  );

  test('the output for sequences is that of their tokens in a row', () => {
    const moe = sparse({router: 'topK', topK: 2, capacityFactor: 1});
    const x = tokens(12);
    const mask = tf.tensor2d([1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0], [3, 4]);
    for (const training of [false, true]) {
      const flat = list(run(moe, x, {training, mask: tf.reshape(mask, [12])}));
      expectClose(run(moe, tf.reshape(x, [3, 4, WIDTH]), {training, mask}), flat, NETWORK);
    }
  });

  test('the mask of an embedding keeps padding out', async () => {
    const moe = sparse({router: 'topK', topK: 2, capacityFactor: 1});
    // Frozen, since stock wasm has no gradient of it.
    const model = tfl.sequential({
      layers: [
        tfl.layers.embedding({inputDim: 5, outputDim: WIDTH, inputLength: 4, maskZero: true, trainable: false}),
        moe,
      ],
    });
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const x = tf.tensor2d([1, 2, 0, 0, 3, 4, 1, 0], [2, 4]);
    await model.trainOnBatch(x, tf.ones([2, 4, WIDTH]));
    expect((await routerMetrics(moe)).tokens).toBe(5);
    expect(list(tf.slice(model.predict(x) as tf.Tensor, [0, 2, 0], [1, 2, WIDTH]))).toEqual(new Array(6).fill(0));
  });

  test('trainable toggles freeze what they name: layer, router, one expert, shared expert', () => {
    const moe = sparse({hiddenUnits: 3, sharedHiddenUnits: 3, sharedGate: 'sigmoid', router: 'topK', topK: 2});
    const x = tokens();
    const optimizer = tf.train.sgd(0.5);
    /** The parts whose weights a step moves. */
    const moved = (): string[] => {
      const before = moe.weights.map(weight => list(weight.read()));
      optimizer.minimize(() => tf.sum(tf.square(run(moe, x, {training: true}))) as tf.Scalar, false, variables(moe));
      const names = moe.weights.flatMap((weight, i) => {
        const isMoved = list(weight.read()).some((value, k) => value !== before[i]![k]);
        return isMoved ? [weight.originalName.split('/').slice(1, -1).join('/')] : [];
      });
      return [...new Set(names)].sort();
    };
    const experts = ['expert_0', 'expert_1', 'expert_2', 'expert_3'];
    const all = [...experts, 'router', 'shared_expert', 'shared_gate'];
    expect(moved()).toEqual(all);
    moe.experts[1]!.trainable = false;
    expect(moved()).toEqual(all.filter(name => name !== 'expert_1'));
    moe.router.trainable = false;
    expect(moved()).toEqual(all.filter(name => name !== 'expert_1')); // the router's counters move on
    const kernel = moe.router.weights.find(({originalName}) => originalName.endsWith('/kernel'))!;
    const frozen = list(kernel.read());
    moved();
    expect(list(kernel.read())).toEqual(frozen);
    moe.trainable = false;
    expect(moe.trainableWeights).toEqual([]);
    moe.trainable = true;
    expect(moved()).toEqual(all.filter(name => name !== 'expert_1'));
  });
});
