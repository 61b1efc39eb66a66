// deriveModel: the network without its search gives what the search network gives with its likeliest cells held.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  ArchitectureLogits,
  architectureLogits,
  convolutionBlock,
  deriveModel,
  type OperationIdentifier,
  SearchCell,
  type SearchCellArgs,
  searchCell,
} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import '../support/custom-layer.js';
import {LearnedScale} from '../support/custom-layer.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {CHANNELS, dense, images, NETWORK, SHAPE, SIZE, spreadLogits} from './search-cases.js';

const cellOf = (name: string, args: SearchCellArgs = {}) => searchCell({name, seed: 3, ...args});
const head = (x: tfl.SymbolicTensor) =>
  applied(tfl.layers.dense({units: 2, name: 'head'}), applied(tfl.layers.globalAveragePooling2d({}), x));
const together = (cell: SearchCell, x: tfl.SymbolicTensor, choices: tfl.SymbolicTensor) =>
  cell.apply([x, choices]) as tfl.SymbolicTensor;

const withSequential = (): OperationIdentifier[] => {
  const block = convolutionBlock({filters: CHANNELS, kernelSize: 3, name: 'block'});
  return [
    'skip_connect',
    {name: 'Two', layer: [dense(5), dense(CHANNELS)]},
    {
      name: 'seq',
      layer: tfl.sequential({layers: [tfl.layers.inputLayer({inputShape: SHAPE}), block, dense(CHANNELS)]}),
    },
  ];
};

/** Networks that search, and how many inputs they have. */
const MODELS: [string, number, () => tfl.LayersModel][] = [
  [
    'a functional model of two cells that share logits',
    1,
    () =>
      modelOf(SHAPE, input => {
        const choices = applied(architectureLogits({name: 'choices', seed: 1}), input);
        const stem = applied(convolutionBlock({filters: CHANNELS, kernelSize: 3, affine: true, name: 'stem'}), input);
        return head(together(cellOf('second', {affine: true}), together(cellOf('first'), stem, choices), choices));
      }),
  ],
  [
    'a Sequential',
    1,
    () =>
      tfl.sequential({
        layers: [tfl.layers.inputLayer({inputShape: SHAPE}), cellOf('cell'), new LearnedScale({name: 'scale'})],
      }),
  ],
  [
    'a model in a model in a model',
    1,
    () =>
      modelOf(SHAPE, x =>
        head(
          applied(
            modelOf(SHAPE, y =>
              applied(
                modelOf(SHAPE, z => applied(cellOf('inner'), z)),
                applied(cellOf('middle'), y),
              ),
            ),
            x,
          ),
        ),
      ),
  ],
  [
    'a model that uses a nested one twice',
    1,
    () =>
      modelOf(SHAPE, x => {
        // biome-ignore format: one row
        const inner = modelOf(SHAPE, y => applied(cellOf('inner'), y));
        return applied(inner, applied(inner, x));
      }),
  ],
  [
    'a model of two inputs',
    2,
    () => {
      const inputs = [0, 1].map(i => tfl.input({shape: SHAPE, name: `input_${i}`}));
      const choices = applied(architectureLogits({name: 'choices', seed: 1}), inputs[1]!);
      const both = tfl.layers
        .add()
        .apply([together(cellOf('left'), inputs[0]!, choices), applied(cellOf('right'), inputs[1]!)]);
      return tfl.model({inputs, outputs: head(both as tfl.SymbolicTensor)});
    },
  ],
  [
    'a cell and a layer that are used twice',
    1,
    () =>
      modelOf(SHAPE, x => {
        const [cell, shared] = [cellOf('cell'), dense(CHANNELS, {name: 'shared'})];
        return applied(shared, applied(cell, applied(shared, applied(cell, x))));
      }),
  ],
  [
    'operations of its own, a list and a Sequential among them',
    1,
    () =>
      modelOf(SHAPE, x =>
        applied(cellOf('b', {operations: withSequential()}), applied(cellOf('a', {operations: withSequential()}), x)),
      ),
  ],
  [
    'operations that change the shape',
    1,
    () =>
      modelOf(SHAPE, x =>
        applied(
          cellOf('wide', {
            numNodes: 2,
            operations: [
              {name: 'a', layer: dense(7)},
              {name: 'b', layer: dense(7)},
            ],
          }),
          x,
        ),
      ),
  ],
];

const layersOf = (model: tfl.LayersModel): tfl.layers.Layer[] =>
  model.layers.flatMap(layer => (layer instanceof tfl.LayersModel ? layersOf(layer) : [layer]));

/** Spreads the logits of all that chooses in a model, and returns it with a switch that holds the likeliest. */
async function choosers(model: tfl.LayersModel): Promise<ArchitectureLogits[]> {
  const layers = layersOf(model);
  const found = new Set(
    layers.flatMap(layer =>
      layer instanceof ArchitectureLogits ? layer : layer instanceof SearchCell ? layer.architecture! : [],
    ),
  );
  let seed = 20;
  for (const architecture of found) {
    spreadLogits(architecture, ++seed);
    architecture.hold(await architecture.likeliest());
  }
  return [...found];
}

/** Moves the statistics of a model away from where they start. */
const warmUp = (model: tfl.LayersModel, x: tf.Tensor[]) => {
  for (let i = 0; i < 2; ++i) tf.dispose(model.apply(x.length > 1 ? x : x[0]!, {training: true}) as tf.Tensor);
};
const call = (model: tfl.LayersModel, x: tf.Tensor[], training: boolean) =>
  model.apply(x.length > 1 ? x : x[0]!, {training}) as tf.Tensor;

eachBackendAndKernels('deriveModel', () => {
  test.each(MODELS)(
    'of %s gives what that gives, in inference, in training, and after it is saved and loaded',
    async (_, numInputs, build) => {
      const model = build();
      await choosers(model);
      const x = [images(2, 5), images(2, 6)].slice(0, numInputs);
      warmUp(model, x);
      const derived = await deriveModel(model);
      const expected = list(call(model, x, false));
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1e-3);
      expectClose(call(derived, x, false), expected, NETWORK);
      const copy = await reload(derived);
      expectClose(call(copy, x, false), expected, NETWORK);
      for (let step = 0; step < 2; ++step) expectClose(call(derived, x, true), list(call(model, x, true)), NETWORK);
      expectClose(call(derived, x, false), list(call(model, x, false)), NETWORK); // the statistics moved alike
      expect(JSON.stringify(derived.toJSON(null, false))).not.toMatch(/SearchCell|ArchitectureLogits|ConvolutionBlock/);
      const names = derived.weights.map(({originalName}) => originalName);
      expect(new Set(names).size).toBe(names.length);
      expect(derived.inputs.map(({shape}) => shape)).toEqual(model.inputs.map(({shape}) => shape));
      expect(derived.outputs.map(({shape}) => shape)).toEqual(model.outputs.map(({shape}) => shape));
    },
  );

  test('the copy has weights of its own, which outlive the original', async () => {
    const start = tf.memory().numTensors;
    const model = modelOf(SHAPE, x => applied(cellOf('cell'), applied(dense(CHANNELS), x)));
    const built = tf.memory().numTensors;
    const derived = await deriveModel(model);
    expect(tf.memory().numTensors - built).toBe(derived.weights.length);
    tf.tidy(() => {
      const x = images();
      const expected = list(model.predict(x) as tf.Tensor);
      model.dispose();
      expectClose(derived.predict(x) as tf.Tensor, expected, NETWORK);
    });
    derived.dispose();
    expect(tf.memory().numTensors).toBe(start);
  });

  test('a shared cell stays shared: its weights are there once', async () => {
    const cell = cellOf('cell', {numNodes: 2, operations: ['nor_conv_3x3']});
    const derived = await deriveModel(modelOf(SHAPE, x => applied(cell, applied(cell, x))));
    expect(derived.weights).toHaveLength(5); // a kernel, and four of a normalization
    expect(derived.layers.filter(layer => layer.getClassName() === 'Conv2D')).toHaveLength(1);
  });

  test('a cell of nothing gives zeros of the shape of its output', async () => {
    const change: OperationIdentifier[] = ['none', {name: 'change', layer: tfl.layers.dense({units: 7})}];
    const shrink: OperationIdentifier[] = ['none', {name: 'flat', layer: tfl.layers.globalAveragePooling2d({})}];
    for (const [args, shape] of [
      [{}, SHAPE],
      [{numNodes: 2}, SHAPE],
      [{numNodes: 2, operations: change}, [SIZE, SIZE, 7]],
      [{numNodes: 2, operations: shrink}, [CHANNELS]],
    ] as [SearchCellArgs, number[]][]) {
      const cell = cellOf(`none_${shape.length}_${args.numNodes ?? 4}_${shape.at(-1)}`, args);
      const model = modelOf(SHAPE, x => applied(cell, x));
      const none = new Array<number>(cell.architecture!.logits.shape[0]!).fill(0);
      cell.architecture!.hold(none);
      const x = images();
      const {model: derived} = await cell.deriveArchitecture(none);
      for (const output of [
        derived.predict(x),
        (await reload(derived)).predict(x),
        model.predict(x),
        model.apply(x, {training: true}),
      ]) {
        expect((output as tf.Tensor).shape).toEqual([2, ...shape]);
        expectClose(output as tf.Tensor, new Array(2 * tf.util.sizeFromShape(shape)).fill(0), 0);
      }
    }
  });

  test('what leads nowhere is left out, and nothing of it stays behind', async () => {
    const cell = cellOf('cell');
    modelOf(SHAPE, x => applied(cell, x));
    const before = tf.memory().numTensors;
    const {model} = await cell.deriveArchitecture([3, 3, 3, 2, 0, 0]); // nodes 1 and 2 lead nowhere
    expect(model.layers.filter(layer => layer.getClassName() === 'Conv2D')).toHaveLength(1);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a Sequential chosen on all edges is in the model as its layers, with names of their own', async () => {
    const cell = cellOf('cell', {operations: withSequential()});
    modelOf(SHAPE, x => applied(cell, x));
    const {model} = await cell.deriveArchitecture([2, 2, 2, 2, 2, 2]);
    const x = images();
    expectClose((await reload(model)).predict(x) as tf.Tensor, list(model.predict(x) as tf.Tensor), 0);
    expect(model.layers.filter(layer => layer.getClassName() === 'Conv2D')).toHaveLength(6);
  });

  test('what is no model, and a cell whose choices come from nowhere, are refused', async () => {
    await expect(deriveModel(tfl.layers.dense({units: 1}) as never)).rejects.toThrow(
      'deriveModel: model must be a tfjs LayersModel, but got a Dense.',
    );
    const inputs = [tfl.input({shape: SHAPE}), tfl.input({batchShape: [6, 5]})];
    const model = tfl.model({inputs, outputs: cellOf('cell').apply(inputs) as tfl.SymbolicTensor});
    await expect(deriveModel(model)).rejects.toThrow(
      'SearchCell.deriveModel: the cell was called with a tensor of choices, and knows no layer that they come from.',
    );
  });

  test('a batch size that the model fixes is kept, and data of the sizes of the layers goes through', async () => {
    const input = tfl.input({batchShape: [2, ...SHAPE]});
    const model = tfl.model({inputs: input, outputs: applied(cellOf('cell', {operations: ['nor_conv_1x1']}), input)});
    const derived = await deriveModel(model);
    expect(derived.inputs[0]!.shape).toEqual([2, ...SHAPE]);
    const x = tf.tensor4d(numbers(3, 96), [2, 4, 4, 3]);
    expectClose(derived.apply(x) as tf.Tensor, list(model.apply(x) as tf.Tensor), NETWORK);
  });
});
