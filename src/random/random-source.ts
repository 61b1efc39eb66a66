// Where all randomness of the library comes from: a stream of uniforms that can be split into independent streams.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, show, ValueError} from '../errors.js';
import {runFused} from '../ops/fused-kernel.js';
import {hostRead} from '../ops/host-read.js';
import {philox4x32} from './philox.js';

/** A stream of random numbers. A test may pass its own object, with the noise that it wants. */
export interface RandomSource {
  /**
   * Draws the next numbers of the stream, uniform in the open interval (0, 1).
   *
   * @param count How many; a whole number of at least 0.
   */
  uniform(count: number): Float64Array;
  /**
   * Derives a stream that is independent of this one and of every stream with other ids. Splitting neither reads nor advances this
   * stream: the same ids give the same stream again, and `split(a, b)` is `split(a).split(b)`.
   *
   * @param ids Whole numbers, such as a layer's number and its step.
   */
  split(...ids: number[]): RandomSource;
}

/** Where numbers of a stream come from: blocks of Philox, from `position` on under a key, of four uniforms each. */
export interface PhiloxBlocks {
  key: Uint32Array;
  position: number;
}

/** How each of our own sources gives away its next blocks. */
const takers = new WeakMap<RandomSource, (numBlocks: number) => PhiloxBlocks>();

/**
 * Takes the blocks out of a stream that a call of `uniform` for `count` numbers would read, for who draws them in a kernel.
 *
 * @returns Undefined, and nothing is taken, where the source is not one of ours.
 */
export function takeBlocks(source: RandomSource, count: number): PhiloxBlocks | undefined {
  return takers.get(source)?.(Math.ceil(count / 4));
}

// The last counter word keeps the draws of a stream apart from the derivation of its children.
const DRAW = 0;
const SPLIT = 1;
const WORD = 2 ** 32;

/** From so many draws on a kernel that makes them is worth its call. */
const SMALLEST_FUSED = 512;

/** The two 32-bit words of a whole number, in two's complement. */
function toWords(owner: string, value: number): Uint32Array {
  if (!Number.isSafeInteger(value)) {
    throw new ValueError(`${owner} must be a whole number of at most 2^53 - 1 in magnitude, but got ${show(value)}.`);
  }
  return Uint32Array.of(value >>> 0, Math.floor(value / WORD) >>> 0);
}

function philoxSource(key: Uint32Array): RandomSource {
  const counter = new Uint32Array(4);
  const block = new Uint32Array(4);
  let position = 0; // in blocks; a call begins with a fresh one
  const source: RandomSource = {
    uniform(count: number): Float64Array {
      checkCount('RandomSource.uniform', 'count', count, 0);
      if (count >= SMALLEST_FUSED) {
        const numBlocks = Math.ceil(count / 4);
        const fused = runFused('PhiloxUniforms', {}, {key, position, numBlocks});
        if (fused) {
          position += numBlocks;
          const words = hostRead(fused);
          fused.dispose();
          return new Float64Array(words.buffer as ArrayBuffer, words.byteOffset, count);
        }
      }
      const values = new Float64Array(count);
      for (let i = 0; i < count; i += 4) {
        counter[0] = position >>> 0;
        counter[1] = Math.floor(position / WORD);
        counter[3] = DRAW;
        philox4x32(counter, key, block);
        ++position;
        const end = Math.min(4, count - i);
        // Half a step inside either end: neither 0 nor 1 is ever drawn, and log(u) and log(-log(u)) are finite.
        for (let j = 0; j < end; ++j) values[i + j] = (block[j]! + 0.5) / WORD;
      }
      return values;
    },
    split(...ids: number[]): RandomSource {
      let child = key;
      for (const id of ids) {
        counter.set(toWords('RandomSource.split: an id', id));
        counter[3] = SPLIT;
        philox4x32(counter, child, block);
        child = block.slice(0, 2);
      }
      return philoxSource(child);
    },
  };
  takers.set(source, numBlocks => {
    position += numBlocks;
    return {key, position: position - numBlocks};
  });
  return source;
}

/**
 * A stream that is the same for the same seed, on every backend and machine (Philox4x32-10).
 *
 * @param seed A whole number; 0 and negative ones are seeds like any other.
 * @throws ValueError for anything else.
 */
export function seeded(seed: number): RandomSource {
  return philoxSource(toWords('seeded: seed', seed));
}

/** A stream that differs each time, keyed by the operating system's randomness. */
export function unseeded(): RandomSource {
  return philoxSource(crypto.getRandomValues(new Uint32Array(2)));
}
