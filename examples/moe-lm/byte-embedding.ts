// Bytes and their places as vectors.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ValueError} from 'tfjs-moe/node';
import {type LayerArgs, normal, single} from './layer-args.js';

/** How many values a byte has. */
export const BYTES = 256;

/** Arguments of `ByteEmbedding`. */
export interface ByteEmbeddingArgs extends LayerArgs {
  /** Length of the vectors. */
  width: number;
  /** How many places there are. */
  context: number;
  /** A whole number from which the initial weights are drawn. Default 0. */
  seed?: number;
}

/**
 * output[b, t] = a vector for the byte at t + a vector for the place t, both learned.
 *
 * Input shape: [batch, time], whole numbers 0 to 255, time at most `context`. Output shape: [batch, time, width].
 */
export class ByteEmbedding extends tfl.layers.Layer {
  static readonly className = 'ByteEmbedding';

  readonly #width: number;
  /** How many places there are. */
  readonly context: number;
  readonly #seed: number;
  #bytes!: tfl.LayerVariable;
  #places!: tfl.LayerVariable;

  constructor({width, context, seed = 0, ...rest}: ByteEmbeddingArgs) {
    super(rest);
    this.#width = width;
    this.context = context;
    this.#seed = seed;
  }

  override build(): void {
    const initializer = (matrix: number) => normal(0.02, 2 * this.#seed + matrix);
    this.#bytes = this.addWeight('bytes', [BYTES, this.#width], 'float32', initializer(0));
    this.#places = this.addWeight('places', [this.context, this.#width], 'float32', initializer(1));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const bytes = single<tf.Tensor2D>(inputs);
      const [batch, time] = bytes.shape;
      if (time > this.context) {
        throw new ValueError(`ByteEmbedding: the input has ${time} bytes, but there are ${this.context} places.`);
      }
      // One-hot rows times the table: a gather has no gradient on a wasm backend without our kernels.
      const rows = tf.cast(tf.oneHot(tf.cast(tf.reshape(bytes, [-1]), 'int32'), BYTES), 'float32') as tf.Tensor2D;
      const vectors = tf.reshape(tf.matMul(rows, this.#bytes.read() as tf.Tensor2D), [batch, time, this.#width]);
      return tf.add(vectors, tf.slice(this.#places.read() as tf.Tensor2D, 0, time));
    });
  }

  override computeOutputShape([batch, time]: tfl.Shape): tfl.Shape {
    return [batch!, time!, this.#width];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), width: this.#width, context: this.context, seed: this.#seed};
  }
}
tf.serialization.registerClass(ByteEmbedding);
