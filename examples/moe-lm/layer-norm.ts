// Layer normalization in the few ops that it takes: Ba, Kiros, Hinton, Layer Normalization, 2016. https://arxiv.org/abs/1607.06450
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {single} from './layer-args.js';

/** Added to the variance. */
const EPSILON = 1e-5;

/**
 * y = (x - mean) / sqrt(variance + 1e-5) * gain + offset over the last axis, gain and offset learned. The layer of tfjs computes
 * the same in five times the ops.
 *
 * Input shape: [..., width]. Output shape: the same.
 */
export class LayerNorm extends tfl.layers.Layer {
  static readonly className = 'LayerNorm';

  #gain!: tfl.LayerVariable;
  #offset!: tfl.LayerVariable;

  override build(inputShape: tfl.Shape): void {
    const width = inputShape[inputShape.length - 1]!;
    this.#gain = this.addWeight('gain', [width], 'float32', tfl.initializers.ones());
    this.#offset = this.addWeight('offset', [width], 'float32', tfl.initializers.zeros());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.add(tf.mul(standardize(single(inputs)), this.#gain.read()), this.#offset.read()));
  }

  override computeOutputShape(inputShape: tfl.Shape): tfl.Shape {
    return inputShape;
  }
}
tf.serialization.registerClass(LayerNorm);

/** (x - mean) / sqrt(variance + 1e-5) over the last axis. */
export function standardize(x: tf.Tensor): tf.Tensor {
  const op = tf.customGrad((input, save) => {
    const centered = tf.sub(input as tf.Tensor, tf.mean(input as tf.Tensor, -1, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), EPSILON));
    const value = tf.mul(centered, scale);
    (save as tf.GradSaveFunc)([value, scale]);
    // dx = scale (dy - mean(dy) - y mean(dy y)).
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.tidy(() => {
        const [y, s] = saved as [tf.Tensor, tf.Tensor];
        const along = tf.mul(y, tf.mean(tf.mul(dy, y), -1, true));
        return tf.mul(s, tf.sub(tf.sub(dy, tf.mean(dy, -1, true)), along));
      });
    return {value, gradFunc};
  });
  return op(x);
}
