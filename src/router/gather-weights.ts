// The entries of a matrix at the chosen experts, with their gradient. The gradient of tf.gather is wrong along batch axes and missing on
// wasm.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from '../ops/custom-gradient.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/**
 * The entries of each row at its indices.
 *
 * @param x float32 [T, E]. Differentiable once.
 * @param indices int32 [T, K], from -1 to E - 1.
 * @returns float32 [T, K], 0 where the index is -1, owned by the caller.
 */
export function gatherWeights(x: tf.Tensor2D, indices: tf.Tensor2D): tf.Tensor2D {
  return isOnHost() ? gatherWeightsOnHost(x, indices) : gatherWeightsOnDevice(x, indices);
}

/** By loops over the values read from the backend, at a cost of T K beside that of the reads. */
export function gatherWeightsOnHost(x: tf.Tensor2D, indices: tf.Tensor2D): tf.Tensor2D {
  const [numTokens, numExperts] = x.shape;
  const topK = indices.shape[1];
  const chosen = hostRead(indices);
  return customGradient(x, input => {
    const values = hostRead(input);
    const weights = Float32Array.from(chosen, (e, i) => (e < 0 ? 0 : values[Math.floor(i / topK) * numExperts + e]!));
    return {
      value: tf.tensor2d(weights, [numTokens, topK]),
      gradient: dy => {
        const dWeights = hostRead(dy);
        const dx = new Float32Array(numTokens * numExperts);
        chosen.forEach((e, i) => {
          if (e >= 0) dx[Math.floor(i / topK) * numExperts + e]! += dWeights[i]!;
        });
        return tf.tensor2d(dx, [numTokens, numExperts]);
      },
    };
  }) as tf.Tensor2D;
}

/** By a one-hot mask for each of the K choices, on the device. */
export function gatherWeightsOnDevice(x: tf.Tensor2D, indices: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const [numTokens, topK] = indices.shape;
    const columns = Array.from({length: topK}, (_, choice) => {
      const isChosen = noGradient(() => {
        const index = toFloat(tf.slice(indices, [0, choice], [numTokens, 1]));
        return tf.equal(index, tf.range(0, x.shape[1], 1, 'float32'));
      });
      // A product with the mask would turn a masked expert's -Infinity into NaN.
      return tf.sum(tf.where(isChosen, x, tf.zerosLike(x)), 1, true); // [T, 1]
    });
    return tf.concat(columns, 1) as tf.Tensor2D;
  });
}
