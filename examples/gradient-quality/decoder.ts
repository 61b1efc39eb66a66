// A decoder at all codes at once: its losses on images, and the derivatives of the losses with respect to the codes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';

/** A decoder whose last layer is linear: logits = features(codes) kernel + bias. */
export interface SplitDecoder {
  /** [rows, code units] -> [rows, features], differentiable. */
  features(codes: tf.Tensor2D): tf.Tensor2D;
  /** [features, pixels]. */
  kernel: tf.Tensor2D;
  /** [pixels]. */
  bias: tf.Tensor1D;
}

/** The decoder of a discreteVAE, which ends with a dense layer without activation; the tensors remain the layer's. */
export function splitDecoder(decoder: tfl.LayersModel): SplitDecoder {
  const layers = decoder.layers.filter(layer => layer.getClassName() !== 'InputLayer');
  const last = layers.pop()!;
  const [kernel, bias] = last.getWeights() as [tf.Tensor2D, tf.Tensor1D];
  return {
    features: codes => layers.reduce((x: tf.Tensor, layer) => layer.apply(x) as tf.Tensor, codes) as tf.Tensor2D,
    kernel,
    bias,
  };
}

/** What `decodeAll` computed once for all images. */
export interface DecodedCodes {
  /** The losses of images at every code, in nats: [images, codes] from pixels [images, pixels]. */
  losses(pixels: tf.Tensor2D): tf.Tensor2D;
  /** The derivative of the loss with respect to the code, at every code: [codes, code units] from the pixels [1, pixels] of an image. */
  gradients(pixels: tf.Tensor2D): tf.Tensor2D;
  dispose(): void;
}

/**
 * Decodes all codes. The loss is the sum over pixels of the cross entropy, softplus(logit) - pixel logit, so that all images share the
 * sum of softplus, and of the derivative with respect to the features, kernel (sigmoid(logits) - pixels), its first term.
 *
 * @param codes [codes, code units]; remains the caller's.
 */
export function decodeAll({features, kernel, bias}: SplitDecoder, codes: tf.Tensor2D): DecodedCodes {
  const kept = tf.tidy(() => {
    const logits = tf.add(tf.matMul(features(codes), kernel), bias) as tf.Tensor2D;
    const softplusSums = tf.sum(tf.softplus(logits), 1) as tf.Tensor1D;
    const slopes = tf.matMul(tf.sigmoid(logits) as tf.Tensor2D, kernel, false, true);
    return {logits, softplusSums, slopes};
  });
  return {
    losses: pixels => tf.tidy(() => tf.sub(kept.softplusSums, tf.matMul(pixels, kept.logits, false, true))),
    gradients: pixels =>
      tf.tidy(() => {
        const upstream = tf.sub(kept.slopes, tf.matMul(pixels, kernel, false, true));
        return tf.grad(x => tf.sum(tf.mul(features(x as tf.Tensor2D), upstream)))(codes) as tf.Tensor2D;
      }),
    dispose: () => tf.dispose([kept.logits, kept.softplusSums, kept.slopes]),
  };
}
