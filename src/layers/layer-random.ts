// The noise of a layer: a function of its seed, its place in the model and its step, so that a saved model resumes on the noise it would have drawn.
// SPDX-License-Identifier: Apache-2.0
import type * as tfl from '@tensorflow/tfjs-layers';
import {type RandomSource, seeded, unseeded} from '../random/random-source.js';

// What a stream of a layer is used for.
const STEP = 0;
const CHILD = 1;

/** The randomness of one layer. */
export interface LayerRandom {
  /** The stream of a training step. */
  atStep(step: number): RandomSource;
  /** A seed for a part of the layer, such as an initializer or an expert; undefined where the layer has no seed. */
  childSeed(index: number): number | undefined;
}

/** FNV-1a, 32 bits: turns a name into a number. http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (const character of name) value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193);
  return value >>> 0;
}

/**
 * The randomness of a layer. Two layers of one model with equal seeds have independent streams, since their scopes differ.
 *
 * @param seed A whole number; undefined for noise that differs each time.
 * @param scope The layer's name with those of the layers around it.
 */
export function layerRandom(seed: number | undefined, scope: string): LayerRandom {
  const source = (seed === undefined ? unseeded() : seeded(seed)).split(hash(scope));
  return {
    atStep: step => source.split(STEP, step),
    // Above 0, since tfjs takes some seeds of 0 for none.
    childSeed: index =>
      seed === undefined ? undefined : 1 + Math.floor(source.split(CHILD, index).uniform(1)[0]! * 2 ** 31),
  };
}

/**
 * The scope of a layer while it is built, as its weights have it in a saved model: `outer/expert_0/router`. A layer's own name would not do,
 * since the experts of all mixtures have the same.
 *
 * @param weight One of the layer's own.
 */
export function scopeOf(layer: tfl.layers.Layer, weight: tfl.LayerVariable): string {
  const end = weight.originalName.lastIndexOf('/');
  return end === -1 ? layer.name : weight.originalName.slice(0, end); // without a scope where `build` was called by itself
}
