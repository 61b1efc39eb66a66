// Models with search cells in them, for tests that train them on each backend.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {architectureLogits, type SearchCellArgs, searchCell} from 'tfjs-moe/layers';
import {ON_HOST} from '../support/device.js';
import {applied, modelOf} from '../support/model.js';
import {CHANNELS, dense, images, SHAPE} from './search-cases.js';

const isTrainable = (backend: string) =>
  backend === 'cpu' || tf.getKernel('Conv2DBackpropFilter', 'wasm') !== undefined;
/** What stock wasm has gradients of, too; on a device `fit` draws ahead of no step, so that all operations are computed. */
export const portable = (backend: string): SearchCellArgs => ({
  ...(ON_HOST ? {} : {unsampled: 'computed'}),
  ...(isTrainable(backend)
    ? {}
    : {operations: ['none', 'skip_connect', 'avg_pool_3x3', {name: 'Dense_7', layer: dense(CHANNELS)}]}),
});
export const logitsOf = ({operations}: SearchCellArgs) =>
  operations ? {operations: operations.map(o => (typeof o === 'string' ? o : {name: o.name}))} : {};

export const compile = (model: tfl.LayersModel) =>
  model.compile({optimizer: tf.train.adam(0.05), loss: 'meanSquaredError'});
export const train = async (model: tfl.LayersModel, steps: number) => {
  for (let i = 0; i < steps; ++i) await model.trainOnBatch(images(2, 5), images(2, 6));
};

/** Ways to have cells in a model. */
export const MODELS: [string, (args: SearchCellArgs) => tfl.LayersModel][] = [
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
