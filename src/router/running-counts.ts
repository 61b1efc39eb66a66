// Counts of each expert's tokens over several batches, for a load-balancing loss of more than the batch at hand: Liu et
// al. 2024, "GRIN", https://arxiv.org/abs/2409.12136, section 3.3; Qiu et al. 2025, https://arxiv.org/abs/2501.11873.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkRange, checkShape, ValueError} from '../errors.js';
import {kHot} from '../ops/k-hot.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {type TokenMaskOptions, tokensOf} from './tokens.js';

/** What a router chose, before any choice is dropped for want of capacity: a `Routing`, or the choices as ones. */
export type Choices =
  | {
      /** int32 [tokens, topK]: the expert of each choice, -1 where there is none. */
      indices: tf.Tensor2D;
    }
  | {
      /** Of shape [..., numExperts], 1 at the chosen experts, 0 elsewhere. */
      kHot: tf.Tensor;
    };

/** Options of `addCounts`. */
export interface AddCountsOptions extends TokenMaskOptions {
  /** What part of the earlier counts remains, from 0 to 1. Default 1: all of them. */
  decay?: number;
}

/**
 * Adds a batch to the running counts of each expert's tokens: decay * running + counts. No gradient.
 *
 * With these as the `counts` of `loadBalancingLoss`, the micro-batches of a step are balanced together and not each by
 * itself. Count each batch of training once, also where its forward pass is computed again.
 *
 * @param running float32 [numExperts]. The counts so far, zeros to begin with; unchanged, and still the caller's.
 * @param choices The router's choices, as `{indices}` or `{kHot}`; a `Routing` will do.
 * @param options.mask [tokens], or the leading axes of kHot. 1 or true for real tokens, 0 or false for padding. Default:
 *   all are real.
 * @param options.decay What part of the earlier counts remains, from 0 to 1. Default 1.
 * @returns float32 [numExperts], in tokens, owned by the caller.
 * @throws ValueError for shapes that do not match, a decay out of range, and choices of neither kind.
 * @example
 * addCounts(tf.zeros([3]), {indices: tf.tensor2d([0, 2, 2], [3, 1], 'int32')}); // => [1, 0, 2]
 */
export function addCounts(
  running: tf.Tensor1D,
  choices: Choices,
  {mask, decay = 1}: AddCountsOptions = {},
): tf.Tensor1D {
  const owner = 'addCounts';
  checkShape(owner, 'running', running.shape, [null], '[numExperts]');
  checkRange(owner, 'decay', decay, 0, 1);
  return noGradient(() =>
    tf.tidy(() => {
      const kept = tf.mul<tf.Tensor1D>(running, decay);
      const chosen = asKHot(owner, choices, running.shape[0]);
      const tokens = tokensOf(owner, 'choices', chosen, mask);
      return tokens === undefined ? kept : tf.add<tf.Tensor1D>(kept, tf.sum(tokens.rows(chosen), 0));
    }),
  );
}

/** The choices as float32 [..., numExperts]. */
function asKHot(owner: string, choices: Choices, numExperts: number): tf.Tensor {
  if ('indices' in choices) {
    checkShape(owner, 'indices', choices.indices.shape, [null, null], '[tokens, topK]');
    return kHot(choices.indices, numExperts);
  }
  if (!('kHot' in choices)) {
    throw new ValueError(
      `${owner}: choices must have indices or kHot, as a router gives them before any is dropped, ` +
        `but got the fields ${Object.keys(choices).join(', ')}.`,
    );
  }
  const {shape} = choices.kHot;
  checkShape(owner, 'kHot', shape, [...shape.slice(0, -1), numExperts], '[..., numExperts]');
  return toFloat(choices.kHot);
}
