// What a Mixture-of-Experts layer asks of the way it computes.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type {DiscreteRouter} from './discrete-router.js';
import type {ApplyExpert} from './sparse-experts.js';
import type {SparseRouter} from './sparse-router.js';

/** What a call is told. */
export interface MixtureCall {
  training: boolean;
  /** float32 [T], 0 for padding. */
  mask: tf.Tensor1D | undefined;
  /** The axes of the input before its features; their product is T. */
  leading: number[];
  /** Applies an expert to rows. */
  apply: ApplyExpert;
}

/** A way to choose experts and to add up what they make of the tokens. */
export interface Mixture {
  /** Chooses; built before `build`. */
  readonly router: DiscreteRouter | SparseRouter;
  /** Layers beside the router and the experts, in the order of their weights. */
  readonly extras: readonly tfl.layers.Layer[];
  /** Makes ready for tokens of a width and experts of so many units; within the scope of the layer. */
  build(width: number, units: number): void;
  /** [T, D] to [T, units]; T is at least 1, and padding has been zeroed. */
  call(tokens: tf.Tensor2D, call: MixtureCall): tf.Tensor2D;
}
