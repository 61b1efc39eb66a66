// A search cell in files and in containers: its configuration, its weights and their names, its place in models.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  ArchitectureLogits,
  type ArchitectureLogitsArgs,
  architectureLogits,
  type LayerArgs,
  SearchCell,
  type SearchCellArgs,
  searchCell,
} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {LearnedScale} from '../support/custom-layer.js';
import {ON_HOST} from '../support/device.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {CHANNELS, dense, images, SHAPE, spreadLogits} from './search-cases.js';
import {compile, MODELS, portable, train} from './search-models.js';

type Own<Args> = Record<Exclude<keyof Args, keyof LayerArgs>, unknown>;

/** For each argument a value other than the default. */
const CELL: Own<SearchCellArgs> = {
  numNodes: 3,
  operations: ['avg_pool_3x3', 'none', 'nor_conv_3x3'],
  unsampled: 'computed',
  affine: true,
  estimator: {name: 'gumbelRao', numSamples: 7},
  temperature: 0.5,
  seed: 7,
};
const LOGITS: Own<ArchitectureLogitsArgs> = {
  numNodes: 3,
  operations: ['avg_pool_3x3', 'MyOwn_Operation-2'],
  estimator: {name: 'gappedStraightThrough', gap: 0.5},
  temperature: 0.5,
  initialDeviation: 0.25,
  seed: 7,
};
const asNames = (operations: unknown) => (operations as string[]).map(name => ({name}));
const throughText = (value: unknown) => JSON.parse(JSON.stringify(value));

/** Operations of one's own, each a kind that is saved in its own way. */
const OWN: [string, () => SearchCellArgs['operations']][] = [
  ['a name with capitals and underscores', () => [{name: 'MyConv_3x3-B', layer: dense(CHANNELS)}, 'skip_connect']],
  [
    'a list of layers, beside names that look like its parts',
    () => [
      {name: 'a', layer: [dense(5), dense(CHANNELS)]},
      {name: 'a_0', layer: dense(CHANNELS)},
      {name: 'a_1', layer: dense(CHANNELS)},
    ],
  ],
  [
    'a Sequential',
    () => [
      {
        name: 'seq',
        layer: tfl.sequential({layers: [tfl.layers.dense({units: 5, inputShape: SHAPE}), dense(CHANNELS)]}),
      },
      'nor_conv_1x1',
    ],
  ],
  [
    'a functional model',
    () => [
      {
        name: 'model',
        layer: modelOf(SHAPE, x => tfl.layers.add().apply([x, applied(dense(CHANNELS), x)]) as tfl.SymbolicTensor),
      },
      'none',
    ],
  ],
  ["a layer of one's own class", () => [{name: 'scale', layer: new LearnedScale()}, 'avg_pool_3x3']],
];

/** Of a sum in another order, after three steps of Adam. */
const ROUNDING = 1e-5;
const weightsOf = (model: tfl.LayersModel) => model.getWeights().map(list);

eachBackendAndKernels('a search cell', backend => {
  test('its configuration holds every argument, before and after it is built', () => {
    for (const isBuilt of [false, true]) {
      const cell = new SearchCell({name: 'cell', ...CELL} as SearchCellArgs);
      const logits = new ArchitectureLogits({name: 'choices', ...LOGITS} as ArchitectureLogitsArgs);
      if (isBuilt) for (const layer of [cell, logits]) layer.apply(images());
      expect(cell.getConfig()).toMatchObject({...CELL, operations: asNames(CELL.operations)});
      expect(logits.getConfig()).toMatchObject({...LOGITS, operations: asNames(LOGITS.operations)});
      for (const [layer, cls] of [
        [cell, SearchCell],
        [logits, ArchitectureLogits],
      ] as const) {
        // biome-ignore format: pairs
        const config = throughText(layer.getConfig());
        const copy = (cls as typeof SearchCell).fromConfig(cls as never, config) as SearchCell;
        expect(throughText(copy.getConfig())).toEqual(config);
        expect(copy.operationNames).toEqual(layer.operationNames);
        copy.apply(images());
        if (isBuilt)
          expect(copy.weights.map(({originalName, shape}) => `${originalName} ${shape}`)).toEqual(
            layer.weights.map(({originalName, shape}) => `${originalName} ${shape}`),
          );
      }
    }
    expect(searchCell().getConfig()).toMatchObject({
      numNodes: 4,
      unsampled: 'ones',
      affine: false,
      estimator: null,
      temperature: null,
      seed: null,
    });
  });

  test('a function in place of an estimator cannot be saved, which is said', () => {
    const own = () => ({sample: tf.zeros([6, 5]), probs: tf.zeros([6, 5])});
    for (const layer of [searchCell({estimator: own}), architectureLogits({estimator: own})])
      expect(() => layer.getConfig()).toThrow(
        'estimator is function own, which cannot be saved. Name one of the registry to save the model.',
      );
  });

  test.each(OWN)('with %s among its operations it is saved and loaded, and gives the same', async (_, operations) => {
    const cell = searchCell({name: 'cell', operations: operations()!});
    const model = modelOf(SHAPE, x => applied(cell, x));
    spreadLogits(cell.architecture!);
    const names = model.weights.map(({originalName}) => originalName);
    expect(new Set(names).size).toBe(names.length);
    const copy = await reload(model);
    const copied = copy.layers[1] as SearchCell;
    expect(copied.operationNames).toEqual(cell.operationNames);
    expect(weightsOf(copy)).toEqual(weightsOf(model));
    const width = cell.operationNames.length;
    for (let choice = 0; choice < width; ++choice) {
      for (const {architecture} of [cell, copied]) architecture!.hold(new Array(6).fill(choice));
      for (const training of [false, true])
        expectClose(
          copy.apply(images(), {training}) as tf.Tensor,
          list(model.apply(images(), {training}) as tf.Tensor),
          0,
        );
    }
    expect(await copied.architecture!.likeliest()).toEqual(await cell.architecture!.likeliest());
  });

  test('a layer that is built brings its weights to every edge, as copies', () => {
    const layer = tfl.layers.dense({units: CHANNELS});
    layer.apply(tf.zeros([1, ...SHAPE]));
    const cell = searchCell({operations: [{name: 'op', layer}]});
    modelOf(SHAPE, x => applied(cell, x));
    const kernels = [0, 1, 2, 3, 4, 5].map(edge => cell.layersOf(edge, 0)[0]!.weights[0]!);
    for (const kernel of kernels) expect(list(kernel.read())).toEqual(list(layer.weights[0]!.read()));
    expect(new Set([layer.weights[0]!, ...kernels].map(({id}) => id)).size).toBe(7);
  });

  test.each(MODELS)(
    '%s, saved with the optimizer in the middle of training, goes on to the same weights',
    async (_, build) => {
      const model = build(portable(backend));
      compile(model);
      await train(model, 3);
      const copy = await reload(model, true);
      expect(weightsOf(copy)).toEqual(weightsOf(model));
      expectClose(copy.predict(images()) as tf.Tensor, list(model.predict(images()) as tf.Tensor), 0);
      await train(model, 3);
      await train(copy, 3);
      // Noise, moments and learning rate resume. What was uploaded lies in other textures than what was computed, and adds up in another order.
      weightsOf(copy).forEach((values, i) => {
        expectClose(values, weightsOf(model)[i]!, ON_HOST ? 0 : ROUNDING);
      });
    },
  );
});
