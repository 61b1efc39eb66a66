// Types of tfjs-layers that its package index does not export, derived from what it does.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';

/** What every tfjs layer can be made with: `name`, `trainable`, `inputShape`, ... */
export type LayerArgs = NonNullable<ConstructorParameters<typeof tfl.layers.Layer>[0]>;

/** What a model passes to a layer's `call`: `training`, and `mask` where there is one. */
export type Kwargs = Parameters<tfl.layers.Layer['call']>[1];

/** An initializer object. */
export type Initializer = ReturnType<typeof tfl.initializers.zeros>;

/** An initializer as a saved model holds it. */
export interface SavedInitializer {
  /** The name that its class is registered under. */
  className: string;
  /** What its `getConfig` gave. */
  config: tf.serialization.ConfigDict;
}

/** An initializer: an object, the name of a factory of `initializers` such as `'glorotUniform'`, or a saved one. */
export type InitializerIdentifier = Initializer | string | SavedInitializer;
