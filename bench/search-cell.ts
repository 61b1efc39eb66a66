// npm run bench -- search-cell: steps of an architecture search over a cell, over the found cell alone and over its bare convolutions.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {architectureLogits, searchCell, type UnsampledOutput} from 'tfjs-moe/layers';
import {useBackend} from 'tfjs-moe/node';
import {interleaved, median, medianRatio, processTime} from './interleaved.js';

/** A batch of the first stage of a small supernet. */
const SHAPE: [number, number, number, number] = [64, 32, 32, 16];
/** Each operation once and the 3 x 3 convolution twice, the output depending on all: what a search draws on six edges. */
const CHOICES = [3, 1, 2, 4, 0, 3];
const KERNEL_SIZES = [3, 1, 3];

/** The command. */
export async function benchSearchCell({rounds, json}: {rounds: number; json: boolean}): Promise<void> {
  tf.enableProdMode();
  await useBackend('wasm');
  console.log(
    `Forward and backward of one cell on images [${SHAPE}], the operations ${CHOICES} drawn of ${CHOICES.length} x 5; medians of rounds in turn, ` +
      'in time of the process on a core.\n',
  );
  const values = Float32Array.from(seeded(1).uniform(tf.util.sizeFromShape(SHAPE)), u => 2 * u - 1);
  const x = tf.variable(tf.tensor(values, SHAPE)) as tf.Variable<tf.Rank.R4>; // its gradient is asked for, as if a layer stood before the cell
  const times = interleaved(
    {
      convolutions: bareConvolutions(x),
      plain: await plainStep(x),
      weights: searchStep(x, 'ones', 'weights'),
      choices: searchStep(x, 'ones', 'choices'),
      computed: searchStep(x, 'computed', 'choices'),
    },
    rounds,
    1,
    undefined,
    processTime,
  );
  const over = (a: keyof typeof times, b: keyof typeof times) => Number(medianRatio(times[a], times[b]).toFixed(3));
  const ms = (name: keyof typeof times) => `${median(times[name]).toFixed(0)} ms`;
  const figures = {
    overConvolutions: over('weights', 'convolutions'),
    overPlain: over('weights', 'plain'),
    choicesOverWeights: over('choices', 'weights'),
    computedOverChoices: over('computed', 'choices'),
  };
  console.log(
    [
      `the convolutions alone, with their gradients     ${ms('convolutions')}`,
      `the cell found, of layers of tfjs                ${ms('plain')}`,
      `a step of the weights within the search          ${ms('weights')}, ${figures.overConvolutions} x the convolutions, ${figures.overPlain} x the cell of tfjs`,
      `a step of the choices, what was drawn evaluated  ${ms('choices')}, ${figures.choicesOverWeights} x that of the weights`,
      `a step of the choices, all evaluated             ${ms('computed')}, ${figures.computedOverChoices} x that`,
    ].join('\n'),
  );
  if (json) console.log(JSON.stringify(figures));
}

/** The three products of each convolution that was drawn. */
function bareConvolutions(x: tf.Tensor4D): () => void {
  const channels = SHAPE[3];
  const filters = KERNEL_SIZES.map(size => tf.fill([size, size, channels, channels], 0.1) as tf.Tensor4D);
  const dy = tf.onesLike(x);
  const gradients = tf.grads((image, filter) => tf.conv2d(image as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'));
  return () => {
    for (const filter of filters) tf.dispose(gradients([x, filter], dy));
  };
}

/** The gradients of weights and of the input, for the mean of the squared outputs. */
function gradientStep(model: tfl.LayersModel, x: tf.Variable, weights: readonly tfl.LayerVariable[]): () => void {
  const variables = [x, ...weights.map(weight => weight.read() as tf.Variable)];
  return () =>
    tf.tidy(() => {
      const loss = () => tf.mean(tf.square(model.apply(x, {training: true}) as tf.Tensor)) as tf.Scalar;
      tf.variableGrads(loss, variables).value.dataSync(); // the work is done when the loss is there
    });
}

function network(unsampled: UnsampledOutput) {
  const image = tfl.input({shape: SHAPE.slice(1)});
  const architecture = architectureLogits({seed: 1, name: `architecture_${unsampled}`});
  const cell = searchCell({unsampled, seed: 1, name: `cell_${unsampled}`});
  const output = cell.apply([image, architecture.apply(image) as tfl.SymbolicTensor]) as tfl.SymbolicTensor;
  architecture.hold(CHOICES);
  return {model: tfl.model({inputs: image, outputs: output}), architecture, cell};
}

function searchStep(x: tf.Variable, unsampled: UnsampledOutput, of: 'weights' | 'choices'): () => void {
  const {model, architecture, cell} = network(unsampled);
  const weights = of === 'weights' ? cell.trainableWeights : [architecture.logits];
  architecture.trainable = of === 'choices';
  return gradientStep(model, x, weights);
}

async function plainStep(x: tf.Variable): Promise<() => void> {
  const {model} = await network('ones').cell.deriveArchitecture(CHOICES);
  return gradientStep(model, x, model.trainableWeights);
}
