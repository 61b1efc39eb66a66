// The network of a search has the sizes that are published, a step of either kind moves what it should and nothing else, and no other.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test} from 'vitest';
import {createNetwork, type NetworkOptions} from '../../examples/search-cell/network.js';
import {makeChoiceOptimizer, makeWeightOptimizer} from '../../examples/search-cell/optimizers.js';
import {type Batch, choiceStep, type Learner, weightStep, weightVariables} from '../../examples/search-cell/steps.js';
import {seeded} from '../../src/estimators/index.js';
import {deriveModel, NAS_BENCH_201_OPERATIONS} from '../../src/layers/index.js';
import {registerWasmTrainingKernels} from '../../src/wasm/index.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

const SMALL: NetworkOptions = {
  ...{estimator: 'reinmax', temperature: 1, unsampled: 'ones', channels: 2, cells: 1, seed: 3},
  ...{image: [8, 8, 1], numClasses: 3},
};
/** An operation on each edge, and each operation somewhere that counts: node 1 by a pool, node 2 by both convolutions, the output by all nodes. */
const CELL = [4, 2, 3, 1, 3, 1];

function countWeights(weights: readonly tfl.LayerVariable[]): number {
  return weights.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape as number[]), 0);
}

function makeLearner(options: NetworkOptions = SMALL): Learner {
  const network = createNetwork(options);
  return {
    settings: {estimator: options.estimator, clip: 5},
    network,
    weightOptimizer: makeWeightOptimizer(0.1),
    choiceOptimizer: makeChoiceOptimizer(0.1),
  };
}

function makeBatch(count = 6): Batch {
  const images = Float32Array.from(seeded(5).uniform(count * 64), u => 2 * u - 1);
  return {images, shape: [count, 8, 8, 1], labels: Uint8Array.from({length: count}, (_, i) => i % 3)};
}

/** What each weight holds, by its name. */
function readWeights({network}: Learner): Map<string, number[]> {
  return new Map(network.model.weights.map(weight => [weight.originalName, list(weight.read())]));
}

function changedNames(before: Map<string, number[]>, after: Map<string, number[]>): string[] {
  return [...after.keys()].filter(name => after.get(name)!.join() !== before.get(name)!.join());
}

describe('the network of NAS-Bench-201', () => {
  const FULL: NetworkOptions = {...SMALL, channels: 16, cells: 5, image: [32, 32, 3], numClasses: 10, affine: true};
  /** Of NAS-Bench-201: 0.073306 + 0.028 n1x1 + 0.24304 n3x3 millions, the same for every cell of so many convolutions. */
  const published = (ones: number, threes: number) => 73_306 + 28_000 * ones + 243_040 * threes;

  test('with all operations on all six edges it has as many parameters as the published formula says', async () => {
    await tf.setBackend('cpu');
    const {model, architecture} = createNetwork(FULL);
    expect(model.outputs[0]!.shape).toEqual([null, 10]);
    // Beside those of the networks: the logits of the choice, five on each of six edges.
    expect(countWeights(model.trainableWeights)).toBe(published(6, 6) + 30);
    expect(architecture.logits.shape).toEqual([6, 5]);
    model.dispose();
  });

  test.each([
    [CELL, 1, 2],
    [[3, 3, 3, 3, 3, 3], 0, 6],
    [[2, 2, 0, 2, 2, 2], 5, 0],
    [[0, 1, 4, 1, 4, 1], 0, 0],
  ])('the plain network of cell %j has as many as the published formula says', async (cell, ones, threes) => {
    await tf.setBackend('cpu');
    const {model, architecture} = createNetwork({...FULL, image: [8, 8, 3]}); // the image's size is no matter
    architecture.logits.write(tf.cast(tf.oneHot(tf.tensor1d(cell, 'int32'), 5), 'float32'));
    const plain = await deriveModel(model);
    expect(countWeights(plain.trainableWeights)).toBe(published(ones, threes));
    model.dispose();
    plain.dispose();
  });

  test('the stages have C, 2C and 4C channels, each half as high and wide as the one before, and N cells each', async () => {
    await tf.setBackend('cpu');
    const {model} = createNetwork({...SMALL, cells: 2, image: [28, 28, 1]});
    const cells = model.layers.filter(layer => layer.getClassName() === 'SearchCell');
    expect(cells.map(({outputShape}) => outputShape)).toEqual([
      ...Array(2).fill([null, 28, 28, 2]),
      ...Array(2).fill([null, 14, 14, 4]),
      ...Array(2).fill([null, 7, 7, 8]),
    ]);
    model.dispose();
  });
});

eachBackendOfPrograms('a step of a search', backend => {
  const start = (options?: NetworkOptions) => {
    if (backend === 'wasm') registerWasmTrainingKernels(); // the stock backend cannot train a convolution
    return makeLearner(options);
  };

  test('of the weights moves those of the drawn operations and of what all cells share, and neither the others nor the logits', async () => {
    const learner = start();
    const {architecture, model} = learner.network;
    // Twice: what the first step moved would go on by its momentum and its decay, if the optimizer let it.
    architecture.hold([3, 3, 3, 3, 3, 3]);
    await weightStep(learner, makeBatch(), 0.1);
    architecture.hold(CELL);
    const before = readWeights(learner);
    await weightStep(learner, makeBatch(), 0.1);
    const changed = changedNames(before, readWeights(learner));
    const trainable = new Set(model.trainableWeights.map(({originalName}) => originalName));
    const edges = ['0_1', '0_2', '1_2', '0_3', '1_3', '2_3'];
    const drawn = [0, 1, 2].flatMap(stage =>
      CELL.flatMap((operation, edge) =>
        NAS_BENCH_201_OPERATIONS[operation]!.startsWith('nor_conv')
          ? [`stage_${stage}_cell_0/edge_${edges[edge]}_${NAS_BENCH_201_OPERATIONS[operation]}/kernel`]
          : [],
      ),
    );
    const shared = [...trainable].filter(name => !name.startsWith('stage_') && !name.startsWith('architecture'));
    expect(shared.length).toBe(3 + 2 * 7 + 2 + 2); // stem; two blocks of two convolutions and a shortcut; last normalization; dense
    expect(changed.filter(name => trainable.has(name)).sort()).toEqual([...drawn, ...shared].sort());
    learner.network.model.dispose();
  });

  test('of the choices moves the logits and no other weight that learns', async () => {
    const learner = start();
    const before = readWeights(learner);
    await choiceStep(learner, makeBatch());
    const changed = changedNames(before, readWeights(learner));
    const trainable = new Set(learner.network.model.trainableWeights.map(({originalName}) => originalName));
    expect(changed.filter(name => trainable.has(name))).toEqual(['architecture/logits']);
    learner.network.model.dispose();
  });

  test('draws a cell of its own, the next one another', async () => {
    const learner = start();
    const {architecture} = learner.network;
    const drawn: string[] = [];
    const draw = architecture.draw.bind(architecture);
    architecture.draw = async () => {
      const choices = await draw();
      drawn.push(choices.join(''));
      return choices;
    };
    await weightStep(learner, makeBatch(), 0.01);
    await choiceStep(learner, makeBatch());
    expect(drawn).toHaveLength(2);
    expect(drawn[0]).not.toBe(drawn[1]); // one in 15,625 would be
    expect(architecture.step).toBe(2);
    learner.network.model.dispose();
  });

  test('tells the loss and the images that were right before it moved anything', async () => {
    const learner = start();
    const {network} = learner;
    const batch = makeBatch();
    network.architecture.hold(CELL);
    const logits = network.model.apply(tf.tensor4d(batch.images, batch.shape), {training: true}) as tf.Tensor2D;
    const rows = (await logits.array()).map(row => {
      const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      return row.map(value => value - total);
    });
    const loss = rows.reduce((sum, row, i) => sum - row[batch.labels[i]!]!, 0) / rows.length;
    const correct = rows.filter((row, i) => row.indexOf(Math.max(...row)) === batch.labels[i]).length;
    const figures = await choiceStep(learner, batch);
    expect(figures.loss).toBeCloseTo(loss, 5);
    expect(figures.correct).toBe(correct);
    expect((await weightStep(learner, batch, 0.1)).loss).toBeCloseTo(loss, 5); // the choices moved, and the cell is held
    expect((await choiceStep(learner, batch)).loss).not.toBeCloseTo(loss, 3);
    network.model.dispose();
  });

  test('of the choices lets them as they are, but for their decay, where nothing leads to the output and zeros stand for the rest', async () => {
    const learner = start({...SMALL, unsampled: 'zeros'});
    const {logits} = learner.network.architecture;
    logits.write(tf.ones([6, 5]));
    learner.network.architecture.hold([3, 3, 3, 0, 0, 0]);
    await choiceStep(learner, makeBatch());
    // Only the decay is left of the gradient, 0.001 for all: Adam's first step is its rate, 0.1.
    expectClose(logits.read(), new Array(30).fill(0.9), 1e-5);
    learner.network.model.dispose();
  });

  test('leaves no tensor behind once the moments are there', async () => {
    const learner = start();
    const both = async () => {
      await weightStep(learner, makeBatch(), 0.1);
      await choiceStep(learner, makeBatch());
    };
    await both();
    const before = tf.memory().numTensors;
    await both();
    await both();
    expect(tf.memory().numTensors).toBe(before);
    learner.network.model.dispose();
  });

  test.each(['gumbelSoftmax', 'gumbelRao', 'straightThrough'] as const)('works with %s', async estimator => {
    const learner = start({...SMALL, estimator, unsampled: 'computed', temperature: 0.5});
    const before = readWeights(learner);
    await weightStep(learner, makeBatch(), 0.1);
    const {loss} = await choiceStep(learner, makeBatch());
    expect(Number.isFinite(loss)).toBe(true);
    expect(changedNames(before, readWeights(learner))).toContain('architecture/logits');
    learner.network.model.dispose();
  });
});

eachBackendOfPrograms('classify', backend => {
  test.each(['reinmax', 'gumbelSoftmax'] as const)(
    'gives what the model gives in training with the cell, and draws nothing, with %s',
    async estimator => {
      if (backend === 'wasm') registerWasmTrainingKernels();
      const {network} = makeLearner({...SMALL, estimator, unsampled: 'computed'});
      const {images, shape} = makeBatch();
      const x = tf.tensor4d(images, shape);
      const found = network.classify(x, CELL);
      expect(network.architecture.step).toBe(0);
      // Logits so far apart that every draw, relaxed or not, is the cell.
      network.architecture.logits.write(tf.mul(1e4, tf.oneHot(tf.tensor1d(CELL, 'int32'), 5)));
      expectClose(found, list(network.model.apply(x, {training: true}) as tf.Tensor), 1e-5);
      expect(list(network.classify(x, [3, 3, 3, 3, 3, 3]))).not.toEqual(list(found));
      network.model.dispose();
    },
  );
});

test('the weights of a step are all that learn but the logits, whether the choice is trainable or not', async () => {
  await tf.setBackend('cpu');
  const {network} = makeLearner();
  const names = weightVariables(network).map(({name}) => name);
  expect(names).toHaveLength(network.model.trainableWeights.length - 1);
  network.architecture.trainable = false;
  expect(weightVariables(network).map(({name}) => name)).toEqual(names);
  network.model.dispose();
});
