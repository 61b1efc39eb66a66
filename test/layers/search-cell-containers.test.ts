// A search cell in the containers of tfjs: the names and counts of its weights, what freezing does, and fit.
import type * as tfl from '@tensorflow/tfjs-layers';
import {architectureLogits, SearchCell, searchCell} from 'tfjs-moe/layers';
import {AnnealTemperature, linearSchedule} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {images, SHAPE, variableOf} from './search-cases.js';
import {compile, logitsOf, MODELS, portable, train} from './search-models.js';

eachBackendAndKernels('a search cell', backend => {
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
