// What this program's layers have in common.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

export type LayerArgs = NonNullable<ConstructorParameters<typeof tfl.layers.Layer>[0]>;

/** In a model, a layer is called with a list of one tensor, and built with its shape. */
export const single = <T extends tf.Tensor>(inputs: tf.Tensor | tf.Tensor[]) =>
  (Array.isArray(inputs) ? inputs[0]! : inputs) as T;

/** A normal distribution around 0; tfjs takes a seed of 0 for none. */
export function normal(stddev: number, seed: number) {
  return tfl.initializers.randomNormal({mean: 0, stddev, seed: 1 + seed});
}
