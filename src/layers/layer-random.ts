// The noise of a layer: a function of its seed, its name and its step, so that a saved model resumes on the noise it would have drawn.
// SPDX-License-Identifier: Apache-2.0
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
 * The randomness of a layer. Two layers of one model with equal seeds have independent streams, since their names differ.
 *
 * @param seed A whole number; undefined for noise that differs each time.
 * @param name The layer's name.
 */
export function layerRandom(seed: number | undefined, name: string): LayerRandom {
  const source = (seed === undefined ? unseeded() : seeded(seed)).split(hash(name));
  return {
    atStep: step => source.split(STEP, step),
    // Above 0, since tfjs takes some seeds of 0 for none.
    childSeed: index =>
      seed === undefined ? undefined : 1 + Math.floor(source.split(CHILD, index).uniform(1)[0]! * 2 ** 31),
  };
}
