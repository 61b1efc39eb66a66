// A stack of dense layers, started as PyTorch starts them, which is how the papers' networks began.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {layerRandom} from './layer-random.js';

/** The name of an activation of tfjs. */
export type Activation = NonNullable<Parameters<typeof tfl.layers.dense>[0]['activation']>;

/** What `denseNetwork` builds. */
export interface DenseNetworkOptions {
  /** Of the model; its layers are called <name>_0, <name>_1, ...: a model that holds two networks saves their weights by those names. */
  name: string;
  inputUnits: number;
  /** Widths of the layers with the activation. */
  hiddenUnits: readonly number[];
  /** Width of the last layer, which has none. */
  outputUnits: number;
  activation: Activation;
  seed: number | undefined;
}

/** Dense layers of which the last is linear; weights and biases start uniform in +-1 / sqrt(inputs). */
export function denseNetwork(options: DenseNetworkOptions): tfl.Sequential {
  const {name, inputUnits, hiddenUnits, outputUnits, activation, seed} = options;
  const random = layerRandom(seed, name);
  const widths = [...hiddenUnits, outputUnits];
  const layers = widths.map((units, i) => {
    const fanIn = i === 0 ? inputUnits : widths[i - 1]!;
    const uniform = (index: number) => {
      const childSeed = random.childSeed(index);
      const limit = 1 / Math.sqrt(fanIn);
      return tfl.initializers.randomUniform({
        minval: -limit,
        maxval: limit,
        ...(childSeed !== undefined && {seed: childSeed}),
      });
    };
    return tfl.layers.dense({
      name: `${name}_${i}`,
      units,
      ...(i === 0 && {inputShape: [inputUnits]}),
      ...(i < hiddenUnits.length && {activation}),
      kernelInitializer: uniform(2 * i),
      biasInitializer: uniform(2 * i + 1),
    });
  });
  return tfl.sequential({name, layers});
}
