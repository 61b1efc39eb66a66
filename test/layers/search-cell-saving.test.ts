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
import {AnnealTemperature, linearSchedule} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {LearnedScale} from '../support/custom-layer.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {CHANNELS, dense, images, SIZE, spreadLogits, variableOf} from './search-cases.js';

const SHAPE = [SIZE, SIZE, CHANNELS];
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

const isTrainable = (backend: string) =>
  backend === 'cpu' || tf.getKernel('Conv2DBackpropFilter', 'wasm') !== undefined;
/** What stock wasm has gradients of, too. */
const portable = (backend: string): SearchCellArgs =>
  isTrainable(backend)
    ? {}
    : {operations: ['none', 'skip_connect', 'avg_pool_3x3', {name: 'Dense_7', layer: dense(CHANNELS)}]};
const logitsOf = ({operations}: SearchCellArgs) =>
  operations ? {operations: operations.map(o => (typeof o === 'string' ? o : {name: o.name}))} : {};

const compile = (model: tfl.LayersModel) => model.compile({optimizer: tf.train.adam(0.05), loss: 'meanSquaredError'});
const weightsOf = (model: tfl.LayersModel) => model.getWeights().map(list);
const train = async (model: tfl.LayersModel, steps: number) => {
  for (let i = 0; i < steps; ++i) await model.trainOnBatch(images(2, 5), images(2, 6));
};

/** Ways to have cells in a model. */
const MODELS: [string, (args: SearchCellArgs) => tfl.LayersModel][] = [
  [
    'two cells that share logits',
    args =>
      modelOf(SHAPE, input => {
        const choices = applied(
          architectureLogits({name: 'choices', seed: 1, estimator: 'straightThroughGumbelSoftmax', ...logitsOf(args)}),
          input,
        );
        return [0, 1].reduce(
          (x, i) => searchCell({name: `cell_${i}`, seed: 2, ...args}).apply([x, choices]) as tfl.SymbolicTensor,
          input,
        );
      }),
  ],
  [
    'a cell with logits of its own',
    args => modelOf(SHAPE, x => applied(searchCell({name: 'cell', seed: 2, affine: true, ...args}), x)),
  ],
  [
    'a Sequential of two cells',
    args =>
      tfl.sequential({
        layers: [
          tfl.layers.inputLayer({inputShape: SHAPE}),
          ...[0, 1].map(i => searchCell({name: `cell_${i}`, seed: 2, ...args})),
        ],
      }),
  ],
  [
    'a cell in a model in a model',
    args =>
      modelOf(SHAPE, x =>
        applied(
          modelOf(SHAPE, y => applied(searchCell({name: 'cell', seed: 2, ...args}), y)),
          x,
        ),
      ),
  ],
];

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
      expect(weightsOf(copy)).toEqual(weightsOf(model)); // noise, moments and learning rate resume
    },
  );

  test.each(MODELS)('%s has weights with names of their own, and a summary', (_, build) => {
    const model = build({});
    const names = model.weights.map(({originalName}) => originalName);
    expect(new Set(names).size).toBe(names.length);
    expect(names.some(name => /edge_2_3_nor_conv_3x3\/kernel$/.test(name))).toBe(true);
    const lines: string[] = [];
    model.summary(undefined, undefined, line => lines.push(line));
    expect(lines.join('\n')).toMatch(/Total params: [1-9]/);
  });

  test('the counts of its weights are those of its operations, and freezing moves them', () => {
    // An edge has a kernel and two statistics of each of two convolutions, and with affine a scale and a shift.
    const [plain, affine] = [{}, {affine: true}].map(args => searchCell(args)) as [SearchCell, SearchCell];
    const model = modelOf(SHAPE, x => applied(affine, applied(plain, x)));
    const counts = (cell: SearchCell) => [cell.trainableWeights.length, cell.nonTrainableWeights.length];
    // The logits are trained; temperature and step are not.
    expect([counts(plain), counts(affine)]).toEqual([[1 + 6 * 2, 2 + 6 * 4], [1 + 6 * 6, 2 + 6 * 4]]); // biome-ignore format: pairs
    const names = plain.weights.map(({originalName}) => originalName);
    plain.trainable = false;
    expect(counts(plain)).toEqual([0, 39]);
    expect(plain.weights.map(({originalName}) => originalName)).toEqual(names);
    expect(model.trainableWeights).toHaveLength(37);
    plain.trainable = true;
    expect(counts(plain)).toEqual([13, 26]);
    plain.architecture!.trainable = false;
    expect(counts(plain)).toEqual([12, 27]);
    plain.layersOf(0, 3)[0]!.trainable = false;
    expect(counts(plain)).toEqual([11, 28]);
    plain.trainable = false;
    plain.trainable = true;
    expect(counts(plain)).toEqual([11, 28]);
    expect(plain.countParams()).toBe(30 + 2 + 6 * (9 + 81 + 2 * 6));
  });

  test('freezing the logits leaves the operations to learn, and freezing the cell the logits of others', async () => {
    const choices = architectureLogits({name: 'choices', seed: 1, ...logitsOf(portable(backend))});
    const cell = searchCell({name: 'cell', seed: 2, ...portable(backend)});
    const model = modelOf(SHAPE, x => cell.apply([x, applied(choices, x)]) as tfl.SymbolicTensor);
    choices.hold(new Array(6).fill(3));
    const moved = async () => {
      compile(model);
      const before = model.trainableWeights
        .concat(model.nonTrainableWeights)
        .map(weight => [weight, list(weight.read())] as const);
      await train(model, 1);
      const names = before
        .filter(([weight, values]) => list(weight.read()).some((v, i) => v !== values[i]))
        .map(([weight]) => weight.originalName);
      return {logits: names.includes('choices/logits'), operations: names.some(name => name.endsWith('/kernel'))};
    };
    expect(await moved()).toEqual({logits: true, operations: true});
    choices.trainable = false;
    expect(await moved()).toEqual({logits: false, operations: true});
    choices.trainable = true;
    cell.trainable = false;
    expect(await moved()).toEqual({logits: true, operations: false});
  });

  test("fit anneals the temperature of shared logits and of a cell's own, and the file keeps it", async () => {
    for (const isShared of [true, false]) {
      const args = portable(backend);
      const choices = architectureLogits({name: 'choices', estimator: 'stgs', ...logitsOf(args)});
      const cell = searchCell({name: 'cell', ...args, ...(!isShared && {estimator: 'stgs'})});
      const model = modelOf(SHAPE, x => cell.apply(isShared ? [x, applied(choices, x)] : x) as tfl.SymbolicTensor);
      compile(model);
      const chooser = isShared ? choices : cell.architecture!;
      const anneal = new AnnealTemperature(chooser, linearSchedule({from: 10, to: 0.1, steps: 4}));
      await model.fit(images(8, 5), images(8, 6), {epochs: 2, batchSize: 2, verbose: 0, callbacks: anneal});
      expect(chooser.step).toBe(8);
      expectClose([chooser.temperature], [0.1], 1e-6);
      const copy = await reload(model);
      const copied = copy.layers.find(layer => layer instanceof SearchCell) as SearchCell;
      expectClose([copied.architecture!.temperature], [0.1], 1e-6);
      expect(copied.architecture!.step).toBe(8);
      expect(variableOf(copied.architecture!.logits).trainable).toBe(true);
    }
  });
});
