// The model that the tests of src/node save and load.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

/** A 2-3-1 network whose 12 weights are fill, fill + 1, fill + 2, ... in the model's order, so that a swap of two would show. */
export function smallModel(fill: number): tfl.Sequential {
  const model = tfl.sequential({
    layers: [
      tfl.layers.dense({units: 3, inputShape: [2], name: 'first'}),
      tfl.layers.dense({units: 1, useBias: false, name: 'second'}),
    ],
  });
  let next = fill;
  model.setWeights(
    model.getWeights().map(weight => {
      const values = Float32Array.from({length: weight.size}, () => next++);
      return tf.tensor(values, weight.shape);
    }),
  );
  return model;
}
