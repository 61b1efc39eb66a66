// The mask that a model hands to a layer, when it belongs to the layer's input.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import type {Kwargs} from './tfjs-types.js';

/**
 * The mask over the rows of an input, or undefined.
 *
 * tfjs passes one mask on to every later layer, also to layers on branches that have none, so that a mask of another shape than the
 * input's leading axes is somebody else's.
 *
 * @param kwargs What the layer's `call` was given.
 * @param shape The shape of the input, [..., features].
 * @returns float32 [rows] of zeros and ones.
 */
export function tokenMask(kwargs: Kwargs | undefined, shape: number[]): tf.Tensor1D | undefined {
  const mask = kwargs?.mask as tf.Tensor | tf.Tensor[] | null | undefined;
  const single = Array.isArray(mask) ? mask[0] : mask;
  const leading = shape.slice(0, -1);
  if (single == null || !tf.util.arraysEqual(single.shape, leading)) return undefined;
  return tf.reshape(toFloat(single), [tf.util.sizeFromShape(leading)]);
}

/** The tokens with zeros for padding, whatever it held: a product with the mask would let NaN through. */
export function withoutPadding(tokens: tf.Tensor2D, mask: tf.Tensor1D | undefined): tf.Tensor2D {
  if (mask === undefined) return tokens;
  const isReal = noGradient(() => tf.cast(tf.tile(tf.expandDims(mask, 1), [1, tokens.shape[1]]), 'bool'));
  return tf.where(isReal, tokens, tf.zerosLike(tokens));
}
