// The network: a byte-level Transformer whose feed-forward layers are Mixtures-of-Experts.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {type GumbelMoE, type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import {BYTES, ByteEmbedding} from './byte-embedding.js';
import {CausalSelfAttention} from './causal-self-attention.js';
import {LayerNorm} from './layer-norm.js';
import {activeHiddenUnits, expertHiddenUnits, type Settings} from './settings.js';

/** The network, with what the program asks of its inside. */
export interface LanguageModel {
  /** Bytes [batch, time] -> logits of the byte after each, [batch, time, 256]. */
  model: tfl.LayersModel;
  /** The layers of experts, block by block; none in a dense model. */
  moes: GumbelMoE[];
  /** The greatest `time`. */
  context: number;
}

const EMBEDDING = 'embedding';
const EXPERTS = 'experts';
/** The router by which the experts choose among all bytes of a step. */
const LOOKS_AHEAD = 'expertChoice';
/** The first word of the ids of random streams; the second counts within. */
const INITIAL_WEIGHTS = 0;

/** Builds the network with weights drawn from the seed. */
export function createModel(settings: Settings): LanguageModel {
  const {blocks, width, heads, context, seed} = settings;
  let numSeeds = 0;
  // tfjs takes a seed of 0 for none.
  const nextSeed = () => 1 + Math.floor(seeded(seed).split(INITIAL_WEIGHTS, numSeeds++).uniform(1)[0]! * 2 ** 30);
  const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor) => layer.apply(x) as tfl.SymbolicTensor;
  /** x + branch(normalized x). */
  const residual = (x: tfl.SymbolicTensor, name: string, branch: tfl.layers.Layer[]) => {
    const change = [new LayerNorm({name: `${name}_norm`}), ...branch].reduce((y, layer) => apply(layer, y), x);
    return tfl.layers.add({name: `${name}_sum`}).apply([x, change]) as tfl.SymbolicTensor;
  };
  const bytes = tfl.input({shape: [null], name: 'bytes'});
  let x = apply(new ByteEmbedding({name: EMBEDDING, width, context, seed: nextSeed()}), bytes);
  for (let block = 0; block < blocks; ++block) {
    const attention = new CausalSelfAttention({name: `attention_${block}`, heads, seed: nextSeed()});
    x = residual(x, `attention_${block}`, [attention]);
    x = residual(x, `feed_forward_${block}`, feedForward(settings, block, nextSeed));
  }
  const logits = tfl.layers.dense({
    name: 'logits',
    units: BYTES,
    useBias: false,
    kernelInitializer: tfl.initializers.glorotUniform({seed: nextSeed()}),
  });
  const outputs = apply(logits, apply(new LayerNorm({name: 'norm'}), x));
  return withParts(tfl.model({inputs: bytes, outputs, name: 'moe_lm'}));
}

/** The layers of a block that see each byte by itself: a mixture, or a dense layer of as many active weights. */
function feedForward(settings: Settings, block: number, nextSeed: () => number): tfl.layers.Layer[] {
  const {experts, topK, router, capacityFactor, balanceWeight, width} = settings;
  if (router === LOOKS_AHEAD) {
    throw new ValueError(
      `--router: with ${router} a later byte can take an earlier one's place at an expert, so that the model would look ahead.`,
    );
  }
  if (experts === null) {
    const dense = (name: string, units: number, activation: 'relu' | 'linear') =>
      tfl.layers.dense({
        name: `${name}_${block}`,
        units,
        activation,
        kernelInitializer: tfl.initializers.glorotUniform({seed: nextSeed()}),
      });
    return [dense('hidden', activeHiddenUnits(settings), 'relu'), dense('output', width, 'linear')];
  }
  return [
    gumbelMoE({
      name: `${EXPERTS}_${block}`,
      numExperts: experts,
      topK,
      compute: 'sparse',
      router: router as NonNullable<GumbelMoEArgs['router']>, // the layer refuses what is none
      ...(capacityFactor !== null && {capacityFactor}),
      hiddenUnits: expertHiddenUnits(settings),
      activation: 'relu',
      loadBalancingWeight: balanceWeight,
      seed: nextSeed(),
    }),
  ];
}

/** Finds the parts of a network that createModel built, also one that was saved and loaded. */
export function withParts(model: tfl.LayersModel): LanguageModel {
  const embedding = model.layers.find(({name}) => name === EMBEDDING);
  if (!(embedding instanceof ByteEmbedding)) {
    throw new ValueError(`moe-lm: the saved model has no layer "${EMBEDDING}"; it is not of this program.`);
  }
  const moes = model.layers.filter(({name}) => name.startsWith(`${EXPERTS}_`)) as GumbelMoE[];
  return {model, moes, context: embedding.context};
}

/** How many weights learn, and how many of them a byte meets. */
export function countWeights({model, moes}: LanguageModel, topK: number): {total: number; active: number} {
  const count = (weights: tfl.LayerVariable[]) =>
    weights.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape as number[]), 0);
  const total = count(model.trainableWeights);
  const inExperts = moes.map(({experts}) => experts.map(expert => count(expert.trainableWeights)));
  const idle = inExperts.map(counts => counts.slice(topK).reduce((sum, each) => sum + each, 0));
  return {total, active: total - idle.reduce((sum, each) => sum + each, 0)};
}
