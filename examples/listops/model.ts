// The network: tokens to vectors, merged by a tree that is learned without being shown, and a small classifier on its root.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import {LatentTreeEncoder, latentTreeEncoder} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import {CLASSES} from './grammar.js';
import {PROGRAM, type Settings} from './settings.js';
import {StepDropout} from './step-dropout.js';
import {TokenEmbedding} from './token-embedding.js';

/** The network, with what the program asks of its inside. */
export interface ListOpsModel {
  /** Tokens [batch, time], 0 for padding at the right -> logits [batch, 10]. */
  model: tfl.LayersModel;
  embedding: TokenEmbedding;
  encoder: LatentTreeEncoder;
  dropouts: StepDropout[];
}

/** The first word of the ids of random streams; the second counts within. */
const INITIAL_WEIGHTS = 0;

/**
 * Builds the network with weights drawn from the seed.
 *
 * @param vocabulary How many tokens there are, without the padding.
 */
export function createModel(settings: Settings, vocabulary: number): ListOpsModel {
  const {embedding, units, leaf, dropout, estimator, numSamples, temperature, seed} = settings;
  // tfjs takes a seed of 0 for none.
  const seedOf = (part: number) => 1 + Math.floor(seeded(seed).split(INITIAL_WEIGHTS, part).uniform(1)[0]! * 2 ** 30);
  const {heNormal, randomUniform} = tfl.initializers;
  const tokens = tfl.input({shape: [null], name: 'tokens'});
  const layers = [
    new TokenEmbedding({name: 'embedding', inputDim: vocabulary + 1, outputDim: embedding, seed: seedOf(0)}),
    new StepDropout({name: 'dropout_words', rate: dropout}),
    latentTreeEncoder({
      name: 'tree',
      units,
      leaf,
      estimator: numSamples === null ? estimator : {name: estimator, numSamples},
      temperature,
      seed: seedOf(1),
    }),
    new StepDropout({name: 'dropout_tree', rate: dropout}),
    tfl.layers.dense({name: 'hidden', units, activation: 'relu', kernelInitializer: heNormal({seed: seedOf(2)})}),
    new StepDropout({name: 'dropout_hidden', rate: dropout}),
    tfl.layers.dense({
      name: 'logits',
      units: CLASSES, // the published code has one more, for unknown labels, which never occur
      kernelInitializer: randomUniform({minval: -0.002, maxval: 0.002, seed: seedOf(3)}),
    }),
  ];
  const outputs = layers.reduce((x, layer) => layer.apply(x) as tfl.SymbolicTensor, tokens);
  return withParts(tfl.model({inputs: tokens, outputs, name: PROGRAM}));
}

/** Finds the parts of a network that createModel built, also one that was saved and loaded. */
export function withParts(model: tfl.LayersModel): ListOpsModel {
  const {layers} = model;
  const embedding = layers.find(layer => layer instanceof TokenEmbedding);
  const encoder = layers.find(layer => layer instanceof LatentTreeEncoder);
  if (!embedding || !encoder) {
    throw new ValueError(`${PROGRAM}: the saved model has no embedding and tree of ours; it is not of this program.`);
  }
  return {model, embedding, encoder, dropouts: layers.filter(layer => layer instanceof StepDropout)};
}

/** Sets where the masks of the next training step come from. */
export function setDropoutNoise({dropouts}: ListOpsModel, random: RandomSource): void {
  for (const [i, dropout] of dropouts.entries()) dropout.random = random.split(i);
}

/**
 * What the network answers in inference, and the tree that it builds over each row.
 *
 * @returns Two tensors, owned by the caller: logits [batch, 10], and merges, int32 [batch, time - 1], -1 beyond the last merge.
 */
export function answerAndParse(
  {model, embedding, encoder}: ListOpsModel,
  tokens: tf.Tensor2D,
): {logits: tf.Tensor2D; merges: tf.Tensor2D} {
  return tf.tidy(() => {
    const mask = embedding.computeMask(tokens) as tf.Tensor2D;
    const {hidden, merges} = encoder.parse(embedding.apply(tokens) as tf.Tensor3D, mask);
    const classifier = model.layers.slice(model.layers.indexOf(encoder) + 1);
    return {
      logits: classifier.reduce((x: tf.Tensor, layer) => layer.apply(x) as tf.Tensor, hidden) as tf.Tensor2D,
      merges,
    };
  });
}

/** How many weights learn. */
export function countWeights({model}: ListOpsModel): number {
  return model.trainableWeights.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape as number[]), 0);
}
