// Layers within a layer: built under its name, their weights named apart, copied from their configuration.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {lookUpClass} from './initializers.js';

/** A layer as a saved configuration holds it. */
export interface SavedLayer {
  className: string;
  config: tf.serialization.ConfigDict;
}

/** A tensor that stands for a shape, to build a layer on. */
export function placeholder(shape: tfl.Shape): tfl.SymbolicTensor {
  return new tfl.SymbolicTensor('float32', shape, null as unknown as tfl.layers.Layer, [], {});
}

/**
 * Builds a child of a layer for inputs of a shape, within the name scope that the parent is being built in.
 *
 * Applied to a symbolic tensor, a layer builds under its own name, so that weights of equal children differ in name (a plain `build` would
 * call them alike, and the file could not be loaded). A model is built already.
 */
export function buildChild(child: tfl.layers.Layer, shape: tfl.Shape): void {
  if (child.built || child instanceof tfl.LayersModel) return;
  child.apply(placeholder(shape));
}

/**
 * Gives a child's weights names of their own. Inside a model, or in a layer that was built before, they carry whatever names they had, which
 * two children may share; in a file each must be found by its name.
 *
 * @param prefix Ends in a slash; what has it in its name is left alone.
 */
export function nameWeights(prefix: string, child: tfl.layers.Layer): void {
  for (const weight of child.weights) {
    if (!weight.originalName.includes(prefix)) {
      (weight as {originalName: string}).originalName = prefix + weight.originalName;
    }
  }
}

/** The saved form of a layer. */
export function serializeLayer(layer: tfl.layers.Layer): SavedLayer {
  return {className: layer.getClassName(), config: layer.getConfig()};
}

/**
 * The layer of a saved form, with weights of its own.
 *
 * @throws ValueError, in the name of `owner` and `field`, for a class that is not registered.
 */
export function deserializeLayer(owner: string, field: string, {className, config}: SavedLayer): tfl.layers.Layer {
  const [cls, fromConfig] = lookUpClass(owner, field, className);
  return fromConfig(cls, config) as tfl.layers.Layer;
}
