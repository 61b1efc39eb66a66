// The network of NAS-Bench-201, its cells undecided: one choice of operations for all of them.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {type ArchitectureLogits, architectureLogits, convolutionBlock, searchCell} from 'tfjs-moe/layers';
import {PROGRAM, type Settings} from './settings.js';

/** What the network is made of. */
export interface NetworkOptions
  extends Pick<Settings, 'estimator' | 'temperature' | 'unsampled' | 'channels' | 'cells' | 'seed'> {
  /** Of an image: height, width, channels. */
  image: [height: number, width: number, channels: number];
  numClasses: number;
  /** Whether the normalizations of the cells learn a factor and a shift: not in a search, where two cells share what they would learn. Default false. */
  affine?: boolean;
}

/** A network that a search trains. */
export interface SearchNetwork {
  /** Images [batch, height, width, channels] -> logits [batch, classes]. Each training call draws a cell. */
  model: tfl.LayersModel;
  /** Chooses for all cells. */
  architecture: ArchitectureLogits;
  /** The logits by the statistics of the batch, with one cell; it draws nothing, and no gradient reaches the choice. */
  classify(images: tf.Tensor4D, choices: readonly number[]): tf.Tensor2D;
}

/** Stages of the network; each has twice the channels of the one before, and half its height and width. */
const NUM_STAGES = 3;
/** The first word of the ids of random streams. */
const INITIAL_WEIGHTS = 0;

/** Builds the network with weights drawn from the seed. */
export function createNetwork(options: NetworkOptions): SearchNetwork {
  const {estimator, temperature, seed, image} = options;
  const architecture = architectureLogits({name: 'architecture', estimator, temperature, seed});
  const body = makeBody(options);
  const input = tfl.input({shape: image, name: 'images'});
  const outputs = body(input, architecture.apply(input) as tfl.SymbolicTensor, {}) as tfl.SymbolicTensor;
  return {
    model: tfl.model({inputs: input, outputs, name: PROGRAM}),
    architecture,
    classify: (images, choices) =>
      tf.tidy(() => {
        architecture.hold(choices);
        try {
          // Where a device keeps its tensors, the cells ask the layer what it was told to choose.
          const held = architecture.apply(images) as tf.Tensor;
          return body(images, held, {training: true}) as tf.Tensor2D;
        } finally {
          architecture.release();
        }
      }),
  };
}

type Value = tf.Tensor | tfl.SymbolicTensor;
type Layers = (x: Value, choices: Value, kwargs: {training?: boolean}) => Value;

/** All but the choice, for tensors and for the symbols of a model. */
function makeBody({channels, cells, unsampled, affine = false, seed, numClasses}: NetworkOptions): Layers {
  const layers: Layers[] = [
    plain(convolutionBlock({name: 'stem', filters: channels, kernelSize: 3, activation: 'linear', affine: true, seed})),
  ];
  for (let stage = 0; stage < NUM_STAGES; ++stage) {
    if (stage > 0) layers.push(residualBlock(`reduction_${stage}`, channels * 2 ** stage, seed));
    for (let i = 0; i < cells; ++i) {
      const cell = searchCell({name: `stage_${stage}_cell_${i}`, unsampled, affine, seed});
      layers.push((x, choices, kwargs) => cell.apply([x, choices] as tf.Tensor[], kwargs) as Value);
    }
  }
  // tfjs takes a seed of 0 for none.
  const denseSeed = 1 + Math.floor(seeded(seed).split(INITIAL_WEIGHTS).uniform(1)[0]! * 2 ** 30);
  const kernelInitializer = tfl.initializers.glorotUniform({seed: denseSeed});
  layers.push(
    plain(tfl.layers.batchNormalization({name: 'last_normalization', momentum: 0.9, epsilon: 1e-5})),
    plain(tfl.layers.reLU({name: 'last_activation'})),
    plain(tfl.layers.globalAveragePooling2d({name: 'pooling', dataFormat: 'channelsLast'})),
    plain(tfl.layers.dense({name: 'logits', units: numClasses, kernelInitializer})),
  );
  return (input, choices, kwargs) => layers.reduce((x, apply) => apply(x, choices, kwargs), input);
}

const plain =
  (layer: tfl.layers.Layer): Layers =>
  (x, _, kwargs) =>
    layer.apply(x as tf.Tensor, kwargs) as Value;

/** A basic block of a ResNet with half the height and width: two convolutions, and beside them the mean of each four pixels, mapped linearly. */
function residualBlock(name: string, filters: number, seed: number): Layers {
  const block = (part: string, strides: number) =>
    plain(convolutionBlock({name: `${name}_${part}`, filters, kernelSize: 3, strides, affine: true, seed}));
  const [first, second] = [block('first', 2), block('second', 1)];
  const pool = plain(tfl.layers.averagePooling2d({name: `${name}_pooling`, poolSize: 2, strides: 2, padding: 'same'}));
  const shortcutSeed = 1 + Math.floor(seeded(seed).split(INITIAL_WEIGHTS, filters).uniform(1)[0]! * 2 ** 30);
  const shortcut = plain(
    tfl.layers.conv2d({
      name: `${name}_shortcut`,
      filters,
      kernelSize: 1,
      useBias: false,
      kernelInitializer: tfl.initializers.heNormal({seed: shortcutSeed}),
    }),
  );
  const add = tfl.layers.add({name: `${name}_sum`});
  return (x, choices, kwargs) => {
    const residual = second(first(x, choices, kwargs), choices, kwargs);
    const direct = shortcut(pool(x, choices, kwargs), choices, kwargs);
    return add.apply([residual, direct] as tf.Tensor[], kwargs) as Value;
  };
}
