// The network of the lab: perhaps a shared layer, then a Mixture-of-Experts with one number for each point.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoE, type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe';
import {computeOf, estimatorIdentifier, isEstimator, type ModelSettings, topKOf} from './settings.js';

/** The network, with what the lab asks of its inside. */
export interface ExpertModel {
  /** Points [n, 2] -> the logit of class 1, or the value, [n, 1]. */
  model: tfl.LayersModel;
  moe: GumbelMoE;
  /** Points [n, 2] -> what router and experts see. */
  trunk: (points: tf.Tensor2D) => tf.Tensor2D;
}

/** Builds the network with weights drawn from the seed. */
export function createModel(settings: ModelSettings & {temperature: number}): ExpertModel {
  const {numExperts, hiddenUnits, trunkUnits, seed, temperature} = settings;
  const points = tfl.input({shape: [2]});
  const shared = trunkUnits === 0 ? undefined : sharedLayer(trunkUnits, seed);
  const moe = gumbelMoE({
    name: 'moe',
    numExperts,
    hiddenUnits: hiddenUnits === 0 ? [] : hiddenUnits,
    units: 1,
    useBias: true, // without it all regions would meet in the middle of the plane
    temperature,
    // The trainer weights the loss itself, by what its slider says: of weight 1, `calculateLosses` gives the plain one.
    loadBalancingWeight: 1,
    seed,
    ...choiceOf(settings),
  });
  const outputs = moe.apply(shared ? shared.apply(points) : points) as tfl.SymbolicTensor;
  return {
    model: tfl.model({inputs: points, outputs}),
    moe,
    trunk: input => (shared ? (shared.apply(input) as tf.Tensor2D) : tf.clone(input)),
  };
}

/** How the mixture chooses. */
function choiceOf(settings: ModelSettings): Partial<GumbelMoEArgs> {
  const {chooser} = settings;
  if (isEstimator(chooser)) return {estimator: estimatorIdentifier(chooser), compute: computeOf(settings)};
  return {router: chooser, compute: 'sparse', topK: topKOf(settings)};
}

function sharedLayer(units: number, seed: number): tfl.layers.Layer {
  const kernelInitializer = tfl.initializers.glorotUniform({seed: seed + 1}); // tfjs takes 0 for none
  return tfl.layers.dense({units, activation: 'tanh', kernelInitializer});
}

/** The router's probabilities, softmax(seen . kernel + bias), [n, numExperts]; a layer gives its choice alone. */
export function routerProbabilities({moe}: ExpertModel, seen: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    // tfjs numbers the names of weights: the second model of a page has a kernel_1.
    const read = (name: RegExp) => moe.router.weights.find(weight => name.test(weight.name))!.read();
    const kernel = read(/\/kernel(_\d+)?$/) as tf.Tensor2D;
    return tf.softmax(tf.add(tf.matMul(seen, kernel), read(/\/bias(_\d+)?$/))) as tf.Tensor2D;
  });
}
