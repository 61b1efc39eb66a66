// A sparse mixture in files and in containers: its configuration, its weights, its place in models.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {GumbelMoE, type GumbelMoEArgs, type LayerArgs, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';
import {run, sparse, tokens, WIDTH} from './sparse-cases.js';

type Field = Exclude<keyof GumbelMoEArgs, keyof LayerArgs>;

/** For each argument a value other than the default, beside what it needs. */
const VALUES: Record<Field, Partial<GumbelMoEArgs> | (() => Partial<GumbelMoEArgs>)> = {
  numExperts: {numExperts: 3},
  temperature: {temperature: 0.5, router: 'reinmax'},
  topK: {topK: 2, router: 'topK'},
  useBias: {useBias: true},
  kernelInitializer: {kernelInitializer: 'zeros'},
  jitter: {jitter: 0.25},
  seed: {seed: 7},
  loadBalancingWeight: {loadBalancingWeight: 0.5},
  importanceWeight: {importanceWeight: 0.5},
  loadWeight: {loadWeight: 0.5},
  routerZLossWeight: {routerZLossWeight: 0.5},
  entropyWeight: {entropyWeight: 0.5},
  loadBalancingConvention: {loadBalancingConvention: 'sumK', router: 'topK', topK: 2},
  loadBalancingScope: {loadBalancingScope: 'running'},
  loadBalancingDecay: {loadBalancingDecay: 0.5, loadBalancingScope: 'running'},
  auxLoss: {auxLoss: 'inject'},
  estimator: {estimator: {name: 'gumbelRao', numSamples: 7}},
  router: {
    router: {name: 'topK', normalize: true, scores: 'sigmoid', scaling: 2.5, numGroups: 2, topGroups: 1},
    topK: 2,
  },
  logits: {logits: 'cosine'},
  biasUpdateRate: {biasUpdateRate: 0.001, router: 'topK'},
  hiddenUnits: {hiddenUnits: [5, 4]},
  units: {units: 2},
  activation: {activation: 'gelu'},
  gated: {gated: true},
  experts: () => ({experts: [0, 1, 2, 3].map(() => tfl.layers.dense({units: 2, activation: 'tanh'}))}),
  compute: {compute: 'sparse'},
  capacityFactor: {capacityFactor: 1.5},
  evalCapacityFactor: {evalCapacityFactor: 2},
  minCapacity: {minCapacity: 1},
  capacityOrder: {capacityOrder: 'priority'},
  overflow: {overflow: 'shared', sharedHiddenUnits: 3},
  dispatch: {dispatch: 'oneHot'},
  sharedHiddenUnits: {sharedHiddenUnits: [3, 2]},
  sharedGate: {sharedGate: 'softmax', sharedHiddenUnits: 3},
};

/** What stands for it in the configuration, where that is something else. */
const SAVED: Partial<Record<Field, unknown>> = {
  estimator: undefined, // the router, with compute 'sparse'
  experts: [0, 1, 2, 3].map(() => expect.objectContaining({className: 'Dense'})),
};

/** What an older version wrote for a mixture with compute 'dense'. */
const OLDER_FIELDS = [
  'numExperts temperature topK useBias kernelInitializer jitter loadBalancingWeight importanceWeight loadWeight routerZLossWeight',
  'entropyWeight auxLoss estimator seed name trainable dtype hiddenUnits units activation compute trainableChildren experts',
].flatMap(line => line.split(' '));

const train = async (model: tfl.LayersModel, x: tf.Tensor, y: tf.Tensor, steps: number) => {
  for (let i = 0; i < steps; ++i) await model.trainOnBatch(x, y);
};
const weightsOf = (model: tfl.LayersModel) => model.getWeights().map(list);

eachBackend('a sparse mixture', () => {
  test.each(Object.entries(VALUES))('its configuration holds %s, before and after it is built', (field, value) => {
    for (const isBuilt of [false, true]) {
      const args = typeof value === 'function' ? value() : value;
      const moe = new GumbelMoE({
        name: `config_${field}`,
        numExperts: 4,
        compute: 'sparse',
        ...(args.experts ? {} : {hiddenUnits: 3}),
        ...args,
      });
      if (isBuilt) run(moe, tokens(1));
      const config = moe.getConfig();
      expect(config[field]).toEqual(field in SAVED ? SAVED[field as Field] : args[field as Field]);
      const copy = GumbelMoE.fromConfig(GumbelMoE as never, JSON.parse(JSON.stringify(config))) as GumbelMoE;
      expect(JSON.parse(JSON.stringify(copy.getConfig()))).toEqual(JSON.parse(JSON.stringify(config)));
      for (const layer of [moe, copy]) run(layer, tokens(1));
      expect(copy.weights.map(({shape}) => shape)).toEqual(moe.weights.map(({shape}) => shape));
    }
  });

  const RICH: [string, Partial<GumbelMoEArgs>][] = [
    [
      'running means and a shared expert',
      {router: 'runningMeans', topK: 2, sharedHiddenUnits: 4, sharedGate: 'softmax'},
    ],
    ['a random order', {router: 'topK', topK: 2, capacityFactor: 1, capacityOrder: 'random'}],
    ['a bias and its counts', {router: {name: 'topK', scores: 'sigmoid'}, biasUpdateRate: 0.1, logits: 'cosine'}],
    ['draws', {router: 'sparseMixer', jitter: 0.1, dispatch: 'capacity', overflow: 'shared', sharedHiddenUnits: 4}],
    ['learned noise', {router: 'noisyTopK', topK: 2, loadWeight: 0.1, loadBalancingScope: 'running'}],
    ['experts of its own', {router: 'reinmax', topK: 2}],
  ];
  test.each(RICH)(
    'with %s, a model saved in the middle of training goes on to the same weights',
    async (title, args) => {
      const experts = [0, 1, 2, 3].map(() => tfl.layers.dense({units: WIDTH}));
      const isOwn = title.startsWith('experts');
      const moe = sparse({name: isOwn ? 'own' : 'built_in', ...args, ...(isOwn && {experts})});
      const model = modelOf([WIDTH], input => applied(tfl.layers.dense({units: 1}), applied(moe, input)));
      const compile = (m: tfl.LayersModel) => m.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
      compile(model);
      const [x, y] = [tokens(16), tf.tensor2d(numbers(5, 16), [16, 1])];
      await train(model, x, y, 3);
      const copy = await reload(model);
      compile(copy);
      expect(weightsOf(copy)).toEqual(weightsOf(model));
      await train(model, x, y, 3);
      await train(copy, x, y, 3);
      expect(weightsOf(copy)).toEqual(weightsOf(model));
      expect(await routerMetrics(copy.layers[1] as GumbelMoE)).toEqual(await routerMetrics(moe));
      expect(moe.step).toBe(6);
    },
  );

  test.skipIf(!ON_HOST)(
    `the weights have the same names and shapes whatever the dispatch and the compute${WHY_ON_HOST}`,
    () => {
      const build = (args: Partial<GumbelMoEArgs>) => {
        const moe = sparse({seed: 4, hiddenUnits: 3, ...args});
        return moe.weights.map(({originalName, shape}) => `${originalName} ${shape}`);
      };
      const names = build({});
      for (const dispatch of ['ragged', 'capacity', 'oneHot'] as const) expect(build({dispatch})).toEqual(names);
      expect(build({compute: 'dense'})).toEqual(names);
      expect(names).toContain(`moe/expert_3/kernel_1 3,${WIDTH}`);
      expect(new Set(names).size).toBe(names.length);
    },
  );

  test("a model that an older version saved with compute 'dense' loads, and gives the same", async () => {
    const moe = sparse({compute: 'dense', hiddenUnits: 3});
    const config = moe.getConfig();
    const older = Object.fromEntries(OLDER_FIELDS.map(field => [field, config[field]!]));
    const copy = GumbelMoE.fromConfig(
      GumbelMoE as never,
      JSON.parse(JSON.stringify({...older, name: 'older'})),
    ) as GumbelMoE;
    run(copy, tokens(1));
    copy.setWeights(moe.getWeights());
    for (const training of [false])
      expect(list(run(copy, tokens(), {training}))).toEqual(list(run(moe, tokens(), {training})));
    expect(copy.getConfig()).toEqual({...config, name: 'older'});
  });
});
