// What a step of a cell costs and what it touches, counted: kernels, the weights and statistics that move, and tensors left behind.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {SearchCell, SearchCellArgs, UnsampledOutput} from 'tfjs-moe/layers';
import {architectureLogits, searchCell} from 'tfjs-moe/layers';
import {expect, test, vi} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';
import {modelOf} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {cellAndArchitecture, images, run, variableOf} from './search-cases.js';

const UNSAMPLED: UnsampledOutput[] = ['ones', 'zeros', 'computed'];

/** How often each kernel runs under fn, those within other kernels included. */
function kernels(fn: () => void): Map<string, number> {
  const counts = new Map<string, number>();
  const engine = tf.engine();
  const runKernelFunc = engine.runKernel.bind(engine);
  const spy = vi.spyOn(engine, 'runKernel').mockImplementation((name, inputs, attributes) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return runKernelFunc(name, inputs, attributes);
  });
  try {
    tf.tidy(fn);
  } finally {
    spy.mockRestore();
  }
  return counts;
}
const countOf = (counts: Map<string, number>, name: string) => counts.get(name) ?? 0;

/** Forward and backward, to all weights of the cell and of its architecture. */
function step(cell: SearchCell, architecture: tfl.layers.Layer, forward: () => tf.Tensor): tf.NamedTensorMap {
  const variables = [architecture, cell].flatMap(layer => layer.trainableWeights.map(variableOf));
  return tf.variableGrads(() => tf.sum(tf.square(forward())) as tf.Scalar, variables).grads;
}

/** Choices, and how many convolutions lie on their way to the output: operations 2 and 3 on edges 0>1, 0>2, 1>2, 0>3, 1>3, 2>3. */
const CHOICES: [string, number[], number][] = [
  ['skips alone', [1, 1, 1, 1, 1, 1], 0],
  ['nothing', [0, 0, 0, 0, 0, 0], 0],
  ['convolutions alone', [2, 3, 2, 3, 2, 3], 6],
  ['a convolution into a node that leads nowhere', [3, 3, 3, 1, 0, 0], 0],
  ['a node that one edge leads on', [3, 3, 2, 0, 0, 4], 3],
  ['a node cut off behind a skip', [2, 1, 0, 4, 0, 3], 1],
];

// The gradient of a filter is a kernel of its own with the training kernels, and none on stock wasm: backward is counted on cpu.
eachBackendAndKernels('a step of a cell', () => {
  test.each(CHOICES)(
    "of %s %j runs %i convolutions, with 'ones' and with 'zeros', in training and in inference",
    (_, choices, expected) => {
      for (const unsampled of ['ones', 'zeros'] as const) {
        const {cell, architecture} = cellAndArchitecture({unsampled});
        architecture.hold(choices);
        const x = images();
        for (const training of [false, true]) {
          const counts = kernels(() => run(cell, architecture, x, training));
          expect(countOf(counts, 'Conv2D') + countOf(counts, 'FusedConv2D')).toBe(expected);
        }
      }
    },
  );

  test('applies no layer that was not drawn, and none whose node leads nowhere', () => {
    const {cell, architecture} = cellAndArchitecture();
    const calls = new Map(
      [0, 1, 2, 3, 4, 5].flatMap(edge =>
        [0, 1, 2, 3, 4].flatMap(o =>
          cell.layersOf(edge, o).map(layer => [`${edge} ${o}`, vi.spyOn(layer, 'call')] as const),
        ),
      ),
    );
    expect(calls.size).toBe(18); // two convolutions and a pool an edge
    architecture.hold([3, 4, 0, 2, 0, 4]); // node 1 leads nowhere
    for (const training of [false, true]) run(cell, architecture, images(), training);
    const counts = [...calls].flatMap(([where, call]) =>
      call.mock.calls.length > 0 ? [[where, call.mock.calls.length]] : [],
    );
    expect(counts).toEqual([
      ['1 4', 2],
      ['3 2', 2],
      ['5 4', 2],
    ]);
  });

  test("with 'computed' every convolution runs in training, and the drawn ones alone in inference and where nothing is searched", () => {
    const {cell, architecture} = cellAndArchitecture({unsampled: 'computed'});
    architecture.hold([1, 3, 1, 1, 1, 1]);
    const convolutions = (training: boolean) => {
      const counts = kernels(() => run(cell, architecture, images(), training));
      return countOf(counts, 'Conv2D') + countOf(counts, 'FusedConv2D');
    };
    expect([convolutions(true), convolutions(false)]).toEqual([12, 1]);
    architecture.trainable = false;
    expect(convolutions(true)).toBe(1);
  });
});

eachBackend('a step of a cell', backend => {
  test.runIf(backend === 'cpu').each(CHOICES)(
    'of %s %j has the backward of %i convolutions',
    (_, choices, expected) => {
      for (const unsampled of UNSAMPLED) {
        const {cell, architecture} = cellAndArchitecture({unsampled});
        architecture.hold(choices);
        const x = images();
        let grads: tf.NamedTensorMap = {};
        const counts = kernels(() => {
          grads = step(cell, architecture, () => run(cell, architecture, x));
        });
        expect(countOf(counts, 'Conv2DBackpropFilter')).toBe(expected);
        expect(Object.keys(grads).filter(name => name.includes('kernel')).length).toBe(expected);
      }
    },
  );

  test.runIf(backend === 'cpu')("with 'computed' the tape holds the drawn operations alone", () => {
    const {cell, architecture} = cellAndArchitecture({unsampled: 'computed'});
    architecture.hold([1, 3, 1, 2, 1, 1]);
    let onTape = -1;
    step(cell, architecture, () => {
      const output = run(cell, architecture, images());
      const {activeTape} = tf.engine().state;
      onTape = activeTape!.filter(({kernelName}) => kernelName === 'Conv2D').length;
      return output;
    });
    expect(onTape).toBe(2);
  });

  test('the choice costs its gradient while its layer is trainable, and nothing else', () => {
    for (const isOwn of [false, true]) {
      const {cell, architecture} = isOwn ? ownCell() : cellAndArchitecture({affine: true});
      architecture.hold([1, 1, 1, 1, 4, 1]);
      const x = images();
      const scale = tf.variable(tf.scalar(2));
      const forward = () =>
        isOwn
          ? (cell.apply(tf.mul(x, scale), {training: true}) as tf.Tensor)
          : run(cell, architecture, tf.mul(x, scale));
      const count = () =>
        kernels(() =>
          tf.variableGrads(
            () => tf.sum(forward()) as tf.Scalar,
            [scale, ...architecture.trainableWeights.map(variableOf)],
          ),
        );
      const searching = count();
      architecture.trainable = false;
      const resting = count();
      const spared = (name: string) => countOf(searching, name) - countOf(resting, name);
      // One product and one sum an edge, one sum(dy) a node; one product of scalars and places a node.
      expect(spared('Multiply')).toBeGreaterThanOrEqual(6);
      expect(spared('Sum')).toBeGreaterThanOrEqual(9);
      expect(countOf(resting, 'BatchMatMul')).toBe(0);
      expect(countOf(searching, 'BatchMatMul')).toBe(3);
      scale.dispose();
    }
  });
});

function ownCell(args: SearchCellArgs = {}) {
  const cell = searchCell({seed: 3, name: 'cell', ...args});
  cell.apply(tfl.input({shape: [4, 4, 3]}));
  return {cell, architecture: cell.architecture!};
}

const OPTIMIZERS: [string, () => tf.Optimizer][] = [
  ['SGD with momentum', () => tf.train.momentum(0.1, 0.9, true)],
  ['Adam', () => tf.train.adam(0.01)],
];

/** Trains a cell's model for a batch with given choices, and says which of its weights and of the optimizer's moved. */
async function moved(model: tfl.LayersModel, fn: () => Promise<unknown>): Promise<string[]> {
  const snapshot = async () => {
    const optimizer = (await model.optimizer.getWeights()).filter(({tensor}) => tensor.rank > 0);
    return new Map([
      ...model.weights.map(weight => [weight.originalName, list(weight.read())] as const),
      ...optimizer.map(({name, tensor}) => [name, list(tensor)] as const),
    ]);
  };
  const before = await snapshot();
  await fn();
  return [...(await snapshot())]
    .filter(([name, values]) => values.some((v, i) => v !== before.get(name)![i]))
    .map(([name]) => name);
}

eachBackendAndKernels('what was not drawn', backend => {
  const canTrain = () => backend === 'cpu' || tf.getKernel('Conv2DBackpropFilter', 'wasm') !== undefined;

  test.each(OPTIMIZERS)('keeps its weights, its statistics and its state in a step of %s', async (_, optimizer) => {
    if (!canTrain()) return; // stock wasm has no gradient of a filter
    const architecture = architectureLogits({seed: 3, name: 'choices'});
    const cell = searchCell({seed: 3, name: 'cell', affine: true});
    const model = modelOf(
      [4, 4, 3],
      input => cell.apply([input, architecture.apply(input) as tfl.SymbolicTensor]) as tfl.SymbolicTensor,
    );
    model.compile({optimizer: optimizer(), loss: 'meanSquaredError'});
    const [x, y] = [images(), images(2, 6)];
    // Everything moves once, so that the optimizer keeps a velocity of all.
    for (const choice of [2, 3]) {
      architecture.hold(new Array(6).fill(choice));
      await model.trainOnBatch(x, y);
    }
    architecture.hold([2, 0, 3, 0, 1, 3]);
    const drawn = ['edge_0_1_nor_conv_1x1', 'edge_1_2_nor_conv_3x3', 'edge_2_3_nor_conv_3x3'];
    const names = await moved(model, () => model.trainOnBatch(x, y));
    const touched = new Set(
      names.filter(name => name.includes('edge_')).map(name => /edge_\d_\d_[a-z]+_[a-z]+_\dx\d/.exec(name)![0]),
    );
    expect([...touched].sort()).toEqual(drawn);
    expect(names.filter(name => name.endsWith('/moving_mean') || name.endsWith('/moving_variance'))).toHaveLength(6);
    expect(names).toContain('choices/logits');
    model.dispose();
  });
});

eachBackendAndKernels('a cell', backend => {
  test.skipIf(!ON_HOST).each(UNSAMPLED)(
    `with '%s' leaves no tensor behind in training, inference, calls, failed calls and when disposed${WHY_ON_HOST}`,
    async unsampled => {
      const isStock = backend === 'wasm' && tf.getKernel('Conv2DBackpropFilter', 'wasm') === undefined;
      const operations = isStock ? (['none', 'skip_connect', 'avg_pool_3x3'] as const) : undefined;
      const start = tf.memory().numTensors;
      for (const isOwn of [false, true]) {
        const args = {unsampled, ...(operations && {operations})};
        const {cell, model, architecture} = isOwn ? {...ownModel(args)} : cellAndArchitecture(args);
        const optimizer = tf.train.adam(0.01);
        model.compile({optimizer, loss: 'meanSquaredError'});
        const [x, y] = [images(), images(2, 6)];
        await model.trainOnBatch(x, y);
        tf.dispose(model.predict(x));
        const before = tf.memory().numTensors;
        for (let i = 0; i < 5; ++i) await model.trainOnBatch(x, y);
        for (let i = 0; i < 5; ++i) tf.dispose(model.predict(x));
        for (let i = 0; i < 5; ++i) tf.dispose(model.apply(x, {training: i % 2 === 0}) as tf.Tensor);
        await architecture.draw();
        await model.trainOnBatch(x, y); // takes the draw
        await architecture.likeliest();
        await architecture.probabilities();
        await cell.picture();
        expect(tf.memory().numTensors).toBe(before);
        const wrong = tf.zeros([2, 5]);
        expect(() => cell.apply(wrong, {training: true})).toThrow();
        const kept = tf.clone(architecture.logits.read());
        tf.tidy(() => {
          architecture.logits.write(tf.fill([architecture.logits.shape[0]!, kept.shape[1]!], Number.NaN));
        });
        for (const training of [true, false])
          expect(() => model.apply(x, {training})).toThrow('leaves nothing to choose from');
        await expect(architecture.likeliest()).rejects.toThrow('leaves nothing to choose from');
        architecture.logits.write(kept);
        tf.dispose([wrong, kept]);
        expect(tf.memory().numTensors).toBe(before);
        (await cell.deriveArchitecture()).model.dispose();
        expect(tf.memory().numTensors).toBe(before);
        model.dispose();
        optimizer.dispose();
        tf.dispose([x, y]);
        expect(tf.memory().numTensors).toBe(start);
      }
    },
  );
});

function ownModel(args: SearchCellArgs) {
  const cell = searchCell({seed: 3, name: 'cell', ...args});
  const model = modelOf([4, 4, 3], input => cell.apply(input) as tfl.SymbolicTensor);
  return {cell, model, architecture: cell.architecture!};
}
