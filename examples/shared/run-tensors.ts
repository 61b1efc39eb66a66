// The tensors of a run: the model's weights and the optimizer's state.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type {NamedTensor} from './checkpoint.js';
import {optimizerTensors, restoreOptimizer} from './optimizer-state.js';

/** What learns. */
export interface Learner {
  model: tfl.LayersModel;
  optimizer: tf.Optimizer;
}

const OPTIMIZER = 'optimizer/';

/** Everything that a step changes, for a checkpoint; the caller owns the tensors. */
export async function learnerTensors({model, optimizer}: Learner): Promise<NamedTensor[]> {
  const weights = model.weights.map((weight, i) => ({name: `model/${i}`, tensor: tf.clone(weight.read())}));
  const moments = (await optimizerTensors(optimizer)).map(({name, tensor}) => ({name: `${OPTIMIZER}${name}`, tensor}));
  return [...weights, ...moments];
}

/** Takes what learnerTensors gave, and disposes it. */
export async function restoreLearner({model, optimizer}: Learner, tensors: NamedTensor[]): Promise<void> {
  const named = (prefix: string) => tensors.filter(({name}) => name.startsWith(prefix));
  model.setWeights(named('model/').map(({tensor}) => tensor));
  const moments = named(OPTIMIZER).map(({name, tensor}) => ({name: name.slice(OPTIMIZER.length), tensor}));
  await restoreOptimizer(optimizer, moments);
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** The weights that learn, as the variables of which a gradient is taken. */
export function trainableVariables(model: tfl.LayersModel): tf.Variable[] {
  return model.trainableWeights.map(weight => weight.read() as tf.Variable);
}
