// Hash routing: experts by a fixed table of token ids. Roller et al. 2021, "Hash Layers for Large Sparse Models",
// https://arxiv.org/abs/2106.04426.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkShape, show, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {fixedRouting} from './fixed-routing.js';
import type {Routing} from './types.js';

/** Options of `hashRouting`. */
export interface HashRoutingOptions {
  /** E. */
  numExperts: number;
  /** The expert of each token id, from 0 to E - 1; `balancedHashTable` makes one. */
  table: ArrayLike<number>;
  /** [T], any dtype: 1 or true for real tokens, 0 or false for padding. Default: all are real. */
  mask?: tf.Tensor1D;
}

/**
 * Routes each token to the expert that a table gives for its id. There is nothing to learn, and nothing has a gradient.
 *
 * @param tokenIds int32 [T], from 0 to the table's length - 1; those of padding are not looked at.
 * @param options.numExperts E, at least 1.
 * @param options.table The expert of each id.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, 1]; weights float32 [T, 1] of 1; probs float32 [T, E], one-hot. Owned by the caller.
 * @throws ValueError for a table with anything but experts, for shapes that do not match, and, where tensors live on the host, for an id
 *   that is not in the table (on GPU backends the id's routing is undefined).
 * @example
 * hashRouting(tf.tensor1d([2, 0], 'int32'), {numExperts: 2, table: [0, 1, 1]}); // => indices [[1], [0]]
 */
export function hashRouting(tokenIds: tf.Tensor1D, {numExperts, table, mask}: HashRoutingOptions): Routing {
  const owner = 'hashRouting';
  checkCount(owner, 'numExperts', numExperts, 1);
  checkShape(owner, 'tokenIds', tokenIds.shape, [null], '[tokens]');
  if (mask) checkShape(owner, 'mask', mask.shape, tokenIds.shape, '[tokens]');
  for (let id = 0; id < table.length; ++id) checkCount(owner, `table[${id}]`, table[id], 0, numExperts - 1);
  return tf.tidy(() => {
    const experts = noGradient(() =>
      isOnHost() ? lookUpOnHost(tokenIds, table, mask) : lookUpOnDevice(tokenIds, table),
    );
    return fixedRouting(experts, numExperts, mask);
  });
}

function lookUpOnHost(tokenIds: tf.Tensor1D, table: ArrayLike<number>, mask: tf.Tensor1D | undefined): tf.Tensor1D {
  const isReal = mask && hostRead(mask);
  const experts = Int32Array.from(hostRead(tokenIds), (id, token) => {
    if (isReal && isReal[token] === 0) return -1;
    const expert = table[id];
    if (expert === undefined) {
      throw new ValueError(
        `hashRouting: tokenIds[${token}] must be a whole number from 0 to ${table.length - 1}, but got ${show(id)}.`,
      );
    }
    return expert;
  });
  return tf.tensor1d(experts, 'int32');
}

/** Padding may come out as any expert; `fixedRouting` takes it out. */
function lookUpOnDevice(tokenIds: tf.Tensor1D, table: ArrayLike<number>): tf.Tensor1D {
  const inTable = tf.clipByValue(toFloat(tokenIds), 0, table.length - 1); // padding may have an id of -1
  return tf.gather(tf.tensor1d(Int32Array.from(table), 'int32'), tf.cast(inTable, 'int32'));
}

/**
 * A table for `hashRouting` that loads the experts evenly: ids in falling order of frequency, each to the expert with the least so far.
 *
 * @param frequencies How often each token id occurs, >= 0, in any unit.
 * @param numExperts E, at least 1.
 * @returns The expert of each id. Ties go to the lower id and to the lower expert; an expert with as much load and fewer ids comes first.
 * @throws ValueError for a frequency that is negative or not finite.
 * @example
 * balancedHashTable([1, 5, 3, 3], 2); // => [0, 0, 1, 1]
 */
export function balancedHashTable(frequencies: ArrayLike<number>, numExperts: number): Int32Array {
  checkCount('balancedHashTable', 'numExperts', numExperts, 1);
  const ids = Array.from(frequencies, (frequency, id) => {
    if (!(frequency >= 0 && frequency < Number.POSITIVE_INFINITY)) {
      throw new ValueError(
        `balancedHashTable: frequencies[${id}] must be a finite number of at least 0, but got ${show(frequency)}.`,
      );
    }
    return id;
  });
  ids.sort((a, b) => frequencies[b]! - frequencies[a]! || a - b);
  const table = new Int32Array(frequencies.length);
  const loads = new Float64Array(numExperts);
  const counts = new Int32Array(numExperts);
  for (const id of ids) {
    let least = 0;
    for (let e = 1; e < numExperts; ++e) {
      if (loads[e]! < loads[least]! || (loads[e] === loads[least] && counts[e]! < counts[least]!)) least = e;
    }
    table[id] = least;
    loads[least]! += frequencies[id]!;
    ++counts[least]!;
  }
  return table;
}
