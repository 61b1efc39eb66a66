// What a search cell refuses, and in which words.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type ArchitectureLogitsArgs, architectureLogits, type SearchCellArgs, searchCell} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {expectFinite} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {cellAndArchitecture, dense, images, oneHotOf, run} from './search-cases.js';

/** Arguments that both layers refuse, and the words after the layer's name. */
const BOTH: [object, string][] = [
  [{numNodes: 1}, 'numNodes must be a whole number of at least 2, but got 1.'],
  [{numNodes: 2.5}, 'numNodes must be a whole number of at least 2, but got 2.5.'],
  [{operations: []}, 'operations must be a list of one or more, but got [].'],
  [{operations: 'none'}, 'operations must be a list of one or more, but got "none".'],
  [{operations: ['none', 'none']}, 'operations must have names of their own, but "none" is there twice.'],
  [
    {operations: ['3x3']},
    'operations[0] must have a name of letters, digits, "_" and "-", a letter first, but got "3x3".',
  ],
  [
    {operations: ['none', 'a/b']},
    'operations[1] must have a name of letters, digits, "_" and "-", a letter first, but got "a/b".',
  ],
  [
    {operations: [{name: 'a~0'}]},
    'operations[0] must have a name of letters, digits, "_" and "-", a letter first, but got "a~0".',
  ],
  [
    {operations: [undefined]},
    'operations[0] must have a name of letters, digits, "_" and "-", a letter first, but got undefined.',
  ],
  [{temperature: 0}, 'temperature must be a positive finite number, but got 0.'],
];

const CELL: [SearchCellArgs, string][] = [
  [
    {operations: ['conv' as 'none']},
    'SearchCell: operations[0] must be one of "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", or {name, layer}, but got "conv".',
  ],
  [
    {operations: [{name: 'mine'} as never]},
    'SearchCell: operations[0] must be one of "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", or {name, layer}, but got {"name":"mine"}.',
  ],
  [
    {operations: [{name: 'a', layer: []}]},
    'SearchCell: operations[0].layer must be a tfjs layer or a list of one or more, but got [].',
  ],
  [
    {operations: [{name: 'a', layer: 'dense' as never}]},
    'SearchCell: operations[0].layer must be a tfjs layer or a list of one or more, but got "dense".',
  ],
  [
    {operations: [{name: 'none', layer: dense(1)}]},
    'SearchCell: operations[0].name must be none of NAS-Bench-201\'s, but got "none".',
  ],
  [{unsampled: 'one' as 'ones'}, 'SearchCell: unsampled must be one of "ones", "zeros", "computed", but got "one".'],
  [{affine: 1 as never}, 'SearchCell: affine must be true or false, but got 1.'],
];

test.each(BOTH)('%j is refused by both layers', (args, words) => {
  expect(() => searchCell(args as SearchCellArgs)).toThrow(`SearchCell: ${words}`);
  expect(() => architectureLogits(args as ArchitectureLogitsArgs)).toThrow(`ArchitectureLogits: ${words}`);
});
test.each(CELL)('%j is refused by the cell', (args, words) => {
  expect(() => searchCell(args)).toThrow(words);
});
test('an unknown estimator, a bad seed and a bad deviation are refused when the layer is made', () => {
  for (const make of [searchCell, architectureLogits] as ((args: object) => unknown)[]) {
    expect(() => make({estimator: 'reimax'})).toThrow('getEstimator: unknown name "reimax".');
    expect(() => make({estimator: {name: 'reinmax', gap: 1}})).toThrow('getEstimator: reinmax has no option "gap".');
    expect(() => make({seed: 1.5})).toThrow('seed');
  }
  expect(() => architectureLogits({initialDeviation: -1})).toThrow(
    'ArchitectureLogits: initialDeviation must be a finite number of at least 0, but got -1.',
  );
});

eachBackendAndKernels('a search cell', () => {
  test('inputs that it cannot take are refused, by name', () => {
    const cell = searchCell({name: 'my_cell'});
    const x = images();
    const choices = oneHotOf([1, 1, 1, 1, 1, 1]);
    expect(() => cell.apply([x, choices, choices])).toThrow(
      'SearchCell "my_cell": must be called with the input, or the input and the choices, but got 3 tensors.',
    );
    expect(() => cell.apply(tf.zeros([3]))).toThrow(
      'SearchCell "my_cell": input must have shape [batch, ..., features], all but the batch known, but got [3].',
    );
    expect(() => cell.apply(tfl.input({shape: [null, 4, 3]}))).toThrow(
      'all but the batch known, but got [null, null, 4, 3].',
    );
    for (const shape of [[6, 4], [3, 5], [30]]) // biome-ignore format: shapes
      expect(() => cell.apply([x, tf.zeros(shape)])).toThrow(
        `SearchCell: choices must have shape [numEdges, numOperations] = [6, 5], but got [${shape.join(', ')}].`,
      );
    cell.apply([x, choices]);
    expect(() => cell.apply(x)).toThrow(
      'SearchCell "my_cell": must be called with the input and the choices, as it was built, but got 1 tensors.',
    );
    const own = searchCell({name: 'own'});
    own.apply(x);
    expect(() => own.apply([x, choices])).toThrow(
      'SearchCell "own": must be called with the input alone, as it was built, but got 2 tensors.',
    );
  });

  test.each([{estimator: 'reinmax'}, {temperature: 2}] as SearchCellArgs[])(
    '%j is refused where the cell is given its choices',
    args => {
      expect(() => searchCell({name: 'cell', ...args}).apply([images(), oneHotOf([1, 1, 1, 1, 1, 1])])).toThrow(
        'SearchCell "cell": is given its choices, and takes no estimator or temperature. Give them to architectureLogits.',
      );
    },
  );

  test('operations that disagree in shape are refused where they meet', () => {
    const operations = [{name: 'wide', layer: dense(7)}, 'skip_connect'] as SearchCellArgs['operations'];
    expect(() => searchCell({operations: operations!}).apply(images())).toThrow(
      'SearchCell: all operations into a node must give the same shape, but "skip_connect" on edge 0>1 gives [null, 4, 4, 3] and another gives [null, 4, 4, 7].',
    );
    const widths = [{name: 'wide', layer: tfl.layers.upSampling2d({})}];
    expect(() => searchCell({numNodes: 3, operations: widths}).apply(images())).toThrow(
      '"wide" on edge 1>2 gives [null, 16, 16, 3]',
    );
  });

  test('what needs a built cell, or choices that fit, says so', async () => {
    const cell = searchCell({name: 'cell'});
    const built = 'SearchCell "cell" is not built. Call it, or put it into a model, first.';
    await expect(cell.deriveArchitecture()).rejects.toThrow(built);
    await expect(cell.deriveArchitecture([1, 1, 1, 1, 1, 1])).rejects.toThrow(built);
    await expect(cell.picture()).rejects.toThrow(built);
    expect(() => cell.layersOf(0, 0)).toThrow(built);
    const logits = architectureLogits();
    for (const read of [
      () => logits.draw(),
      () => logits.likeliest(),
      () => logits.probabilities(),
      () => logits.architecture(),
      async () => logits.logits,
    ])
      await expect(read()).rejects.toThrow(/ArchitectureLogits: \w+ is there once the layer is built/);
    cell.apply([images(), oneHotOf([1, 1, 1, 1, 1, 1])]);
    await expect(cell.deriveArchitecture()).rejects.toThrow(
      'SearchCell.deriveArchitecture: the cell was called with a tensor of choices, and knows no layer that they come from.',
    );
    await expect(cell.deriveArchitecture([5, 0, 0, 0, 0, 0])).rejects.toThrow(
      'SearchCell.deriveArchitecture: choices must be 6 whole numbers from 0 to 4, one an edge, but got [5, 0, 0, 0, 0, 0].',
    );
    expect(() => cell.layersOf(6, 0)).toThrow(
      'SearchCell.layersOf: the cell has 6 edges and 5 operations, but got edge 6, operation 0.',
    );
    for (const bad of [[1], [1, 1, 1, 1, 1, 5], [1, 1, 1, 1, 1, -1], [1, 1, 1, 1, 1, 0.5], 'skip'])
      expect(() => logits.hold(bad as number[])).toThrow(
        'ArchitectureLogits.hold: choices must be 6 whole numbers from 0 to 4, one an edge, but got',
      );
  });

  test.skipIf(!ON_HOST)(`choices that are not one-hot need all operations computed${WHY_ON_HOST}`, () => {
    for (const unsampled of ['ones', 'zeros', 'computed'] as const) {
      const {cell, architecture} = cellAndArchitecture({unsampled}, {estimator: 'gumbelSoftmax'});
      const forward = () => run(cell, architecture, images());
      if (unsampled === 'computed') expectFinite(forward());
      else
        expect(forward).toThrow(
          `SearchCell "cell": unsampled (="${unsampled}") needs one-hot choices, but got others. With a relaxed estimator take 'computed'.`,
        );
      expectFinite(run(cell, architecture, images(), false)); // inference is one-hot
    }
  });

  test.skipIf(!ON_HOST)(
    `logits with nothing to choose from are refused, wherever it stands${WHY_ON_HOST}`,
    async () => {
      const {cell, architecture} = cellAndArchitecture();
      const bad = [Number.NaN, 0, 0, 0, 1];
      for (const row of [
        bad,
        [...bad].reverse(),
        new Array(5).fill(Number.NEGATIVE_INFINITY),
        [0, Number.POSITIVE_INFINITY, 0, 0, 0],
      ]) {
        architecture.logits.write(tf.tensor2d([0, 1, 2, 3, 4, 5].map(e => (e === 2 ? row : [0, 1, 0, 0, 0]))));
        const words = 'row 2 of the logits leaves nothing to choose from';
        for (const training of [true, false])
          expect(() => run(cell, architecture, images(), training)).toThrow(
            `ArchitectureLogits "choices": ${training ? 'reinmax: ' : ''}${words}`,
          );
        await expect(architecture.likeliest()).rejects.toThrow(words);
        await expect(architecture.architecture()).rejects.toThrow(words);
        await expect(architecture.draw()).rejects.toThrow(words);
      }
    },
  );
});
