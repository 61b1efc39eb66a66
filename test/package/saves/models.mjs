// Small models of the layers that are saved, and what one asks of them on a backend: runs in Node and, by an import map, in a page.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  categoricalLatent,
  discreteRouter,
  discreteVAE,
  gumbelMoE,
  latentTreeEncoder,
  searchCell,
  seeded,
  softMoE,
} from 'tfjs-moe/layers';

const WIDTH = 6;
const NUM_ROWS = 24;
const NUM_WORDS = 12;

const dense = (units, name) => tfl.layers.dense({units, name});

/** Layers in a row, the first of them with its input shape. */
const row = (...layers) => tfl.sequential({layers});
const wide = {inputShape: [WIDTH], seed: 3};
const images = {inputShape: [4, 4, 2], seed: 3};

/** Models by name. */
const MODELS = {
  denseMixture: () => row(gumbelMoE({...wide, name: 'moe', numExperts: 4, hiddenUnits: 5, units: 3, topK: 2})),
  sparseMixture: () =>
    row(
      gumbelMoE({
        ...wide,
        name: 'moe',
        numExperts: 4,
        hiddenUnits: [5, 4],
        compute: 'sparse',
        router: 'topK',
        topK: 2,
        sharedHiddenUnits: 3,
        loadBalancingScope: 'running',
      }),
    ),
  mixtureWithOwnExperts: () =>
    row(gumbelMoE({...wide, name: 'moe', experts: [0, 1, 2].map(i => dense(2, `own_${i}`)), numExperts: 3})),
  router: () => row(discreteRouter({...wide, name: 'router', numExperts: 4, useBias: true, temperature: 0.5})),
  softMixture: () => row(softMoE({inputShape: [4, WIDTH], seed: 3, name: 'soft', numExperts: 2, hiddenUnits: 5})),
  latent: () =>
    row(
      tfl.layers.dense({units: 8, inputShape: [WIDTH], name: 'logits'}),
      categoricalLatent({name: 'latent', numLatents: 2, numCategories: 4, seed: 3}),
      dense(3, 'out'),
    ),
  autoencoder: () => discreteVAE({inputUnits: WIDTH, numLatents: 2, numCategories: 4, hiddenUnits: [7], seed: 3}).model,
  // The draws of an architecture are read back unless all operations are computed.
  searchCell: () => row(searchCell({...images, name: 'cell', numNodes: 3, affine: true, unsampled: 'computed'})),
  tree: () =>
    row(
      tfl.layers.embedding({inputDim: NUM_WORDS, outputDim: 5, inputLength: 5, maskZero: true, name: 'words'}),
      latentTreeEncoder({name: 'tree', units: 4, seed: 3}),
    ),
};

/** Their names. */
export const CASES = Object.keys(MODELS);

const numbers = (seed, shape) =>
  tf.tensor(
    Float32Array.from(seeded(seed).uniform(tf.util.sizeFromShape(shape)), u => 2 * u - 1),
    shape,
  );

/** What a model of this name reads: numbers in (-1, 1), or the words of sentences of 2 to 5. */
function inputs(name, model) {
  const shape = [NUM_ROWS, ...model.inputs[0].shape.slice(1)];
  if (name !== 'tree') return numbers(5, shape);
  const words = Array.from(seeded(5).uniform(tf.util.sizeFromShape(shape)), (u, i) =>
    i % 5 < 2 + (Math.floor(i / 5) % 4) ? 1 + Math.floor(u * (NUM_WORDS - 1)) : 0,
  );
  return tf.tensor(words, shape);
}

/** What the model of this name predicts. */
export async function predict(name, model) {
  const x = inputs(name, model);
  const y = model.predict(x);
  const values = Array.from(await y.data());
  tf.dispose([x, y]);
  return values;
}

/**
 * A model with weights that its configuration does not tell: a load that built it anew from its seed would be found out. A pass of training moves
 * moving means and counts; numbers stand for what an optimizer would have learned, which stock wasm cannot for all of these.
 *
 * @returns The model, and what it predicted before.
 */
export async function build(name) {
  const model = MODELS[name]();
  const before = await predict(name, model);
  const x = inputs(name, model);
  tf.tidy(() => void model.apply(x, {training: true}));
  model.trainableWeights.forEach((weight, i) => {
    tf.tidy(() => weight.write(numbers(100 + i, weight.shape)));
  });
  x.dispose();
  return {model, before};
}

/** TensorFlow.js leaves small tensors of a device to the processor, which would test the processor. */
export function leaveNothingToProcessor(backend) {
  if (backend !== 'webgl' && backend !== 'webgpu') return;
  tf.env().set(`${backend.toUpperCase()}_CPU_FORWARD`, false);
}
