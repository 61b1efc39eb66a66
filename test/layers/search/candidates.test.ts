// The operations that an edge chooses from: what the names stand for, and copies of layers of one's own.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {NAS_BENCH_201_OPERATIONS, searchCell} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {
  deserializeCandidates,
  isNone,
  makeLayers,
  resolveCandidates,
  serializeCandidates,
} from '../../../src/layers/search/candidates.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';

const OPTIONS = {channels: 3, affine: false, seed: 1};
const named = resolveCandidates('test', NAS_BENCH_201_OPERATIONS);

test('the names are those of NAS-Bench-201, in its order', () => {
  expect(NAS_BENCH_201_OPERATIONS).toEqual(['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3']);
  expect(searchCell().operationNames).toEqual(NAS_BENCH_201_OPERATIONS);
});

test('each name stands for its layers: blocks of 1 and 3 pixels, a pool of 3, and none for the others', () => {
  expect(named.map(candidate => makeLayers(candidate, OPTIONS).map(layer => layer.getClassName()))).toEqual([
    [],
    [],
    ['ConvolutionBlock'],
    ['ConvolutionBlock'],
    ['AveragePooling2D'],
  ]);
  expect(named.map(isNone)).toEqual([true, false, false, false, false]);
  const [small, large] = [named[2]!, named[3]!].map(candidate => makeLayers(candidate, OPTIONS)[0]!.getConfig());
  expect([small!.kernelSize, large!.kernelSize]).toEqual([1, 3]);
  expect([small!.filters, small!.affine, small!.momentum, small!.epsilon]).toEqual([3, false, 0.9, 1e-5]);
  expect(makeLayers(named[3]!, {...OPTIONS, affine: true})[0]!.getConfig().affine).toBe(true);
});

eachBackendAndKernels('avg_pool_3x3', () => {
  test('is the mean of the pixels that are there: padding does not count', () => {
    const [size, x] = [4, numbers(1, 16)];
    const [pool] = makeLayers(named[4]!, OPTIONS);
    const expected = x.map((_, at) => {
      const [row, column] = [Math.floor(at / size), at % size];
      const near = x.filter((__, k) => Math.abs(Math.floor(k / size) - row) <= 1 && Math.abs((k % size) - column) <= 1);
      return near.reduce((a, b) => a + b) / near.length;
    });
    expectClose(pool!.apply(tf.tensor4d(x, [1, size, size, 1])) as tf.Tensor, expected, 1e-6);
  });
});

test('the seed makes the kernels a function of itself and of the edge', async () => {
  await tf.setBackend('cpu');
  const kernels = (seed: number) => {
    const cell = searchCell({seed, name: 'cell', operations: ['nor_conv_1x1']});
    cell.apply(tf.zeros([1, 4, 4, 3]));
    return [0, 1, 2, 3, 4, 5].map(edge => list(cell.layersOf(edge, 0)[0]!.weights[0]!.read()).join());
  };
  expect(kernels(1)).toEqual(kernels(1));
  expect(new Set([...kernels(1), ...kernels(2)]).size).toBe(12);
});

test("layers of one's own are copied for each use, and come back from their saved form", () => {
  const layers = [tfl.layers.dense({units: 4, activation: 'tanh', name: 'Mine'}), tfl.layers.dense({units: 3})];
  const candidates = resolveCandidates('test', [{name: 'Two_Layers-X', layer: layers}, 'skip_connect']);
  const [first, second] = [makeLayers(candidates[0]!, OPTIONS), makeLayers(candidates[0]!, OPTIONS)];
  expect(new Set([...layers, ...first, ...second]).size).toBe(6);
  expect(first.map(layer => layer.getConfig())).toEqual(layers.map(layer => layer.getConfig()));
  const saved = JSON.parse(JSON.stringify(serializeCandidates(candidates)));
  expect(saved.map(({name}: {name: string}) => name)).toEqual(['Two_Layers-X', 'skip_connect']);
  const again = resolveCandidates('test', deserializeCandidates(saved));
  expect(again.map(({name}) => name)).toEqual(['Two_Layers-X', 'skip_connect']);
  expect(again[0]!.templates!.map(layer => layer.getConfig())).toEqual(layers.map(layer => layer.getConfig()));
  expect(again[1]!.templates).toBeUndefined();
});

test("an operation of one's own under a name of NAS-Bench-201 is refused, and a class that is not registered is named", () => {
  const layer = tfl.layers.dense({units: 3});
  expect(() => resolveCandidates('test', [{name: 'skip_connect', layer}])).toThrow(
    'test: operations[0].name must be none of NAS-Bench-201\'s, but got "skip_connect".',
  );
  expect(() => deserializeCandidates([{name: 'a', layers: [{className: 'Nowhere', config: {}}]}])).toThrow(
    /SearchCell: operations .*"Nowhere"/,
  );
});
