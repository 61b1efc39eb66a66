// The gradient of DenseMixer's unchosen weights, from the outputs of all experts.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, ValueError} from '../../errors.js';
import {customGradient} from '../../ops/custom-gradient.js';

/**
 * The sum over experts of unchosen_te output_te, in gradient alone: zeros to add to the sparse output. The gradient of unchosen_te is
 * <dy_t, output_te>; the outputs get none.
 *
 * @param unchosen float32 [T, E], of a routing.
 * @param outputs E tensors, float32 [T, D]: each expert's output for every token. They are read in the backward pass.
 * @returns float32 [T, D] of zeros, owned by the caller.
 * @throws ValueError for shapes that do not match.
 * @example
 * const output = tf.add(sparseOutput, denseTerm(unchosen, experts.map(expert => expert.apply(tokens))));
 */
export function denseTerm(unchosen: tf.Tensor2D, outputs: readonly tf.Tensor2D[]): tf.Tensor2D {
  const [numTokens, numExperts] = unchosen.shape;
  if (outputs.length !== numExperts) {
    throw new ValueError(
      `denseTerm: outputs must hold one tensor an expert (${numExperts}), but got ${outputs.length}.`,
    );
  }
  const width = outputs[0]!.shape[1];
  for (const output of outputs)
    checkShape('denseTerm', 'outputs', output.shape, [numTokens, width], '[tokens, features]');
  return customGradient(unchosen, (_, save) => {
    save([...outputs]);
    return {
      value: tf.zeros([numTokens, width]),
      gradient: (dy, saved) =>
        tf.stack(
          saved.map(output => tf.sum(tf.mul(dy, output), 1)),
          1,
        ), // [T, E]
    };
  }) as tf.Tensor2D;
}
