// What a layer is called and built with: in a model, tensors and shapes may come in lists of one.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';

/** The one tensor that a layer is called with. */
export function singleTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0]! : inputs;
}

/** The one shape that a layer is built with. */
export function singleShape(shape: tfl.Shape | tfl.Shape[]): tfl.Shape {
  return (Array.isArray(shape[0]) ? shape[0] : shape) as tfl.Shape;
}

/** The number of features of an input of shape [..., features]; refuses one of rank below 2 or of unknown width. */
export function featureWidth(owner: string, inputShape: tfl.Shape | tfl.Shape[]): number {
  const shape = singleShape(inputShape);
  const width = shape[shape.length - 1];
  if (shape.length < 2 || width == null) {
    throw new ValueError(
      `${owner}: input must have shape [..., features] of rank 2 or more with known features, but got ${show(shape)}.`,
    );
  }
  return width;
}
