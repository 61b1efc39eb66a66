// Tokens as vectors, by one-hot rows: the gather of tfjs' own embedding has no gradient on wasm without our kernels.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {LayerArgs} from 'tfjs-moe/layers';

/** Arguments of `TokenEmbedding`. */
export interface TokenEmbeddingArgs extends LayerArgs {
  /** How many tokens there are, the 0 of the padding included. */
  inputDim: number;
  /** Length of the vectors. */
  outputDim: number;
  /** A whole number above 0 from which the initial vectors are drawn: N(0, 0.01^2). */
  seed: number;
}

/**
 * output[b, t] = a vector for the token at t, learned; a token 0 is padding, and the mask tells the next layer where it is.
 *
 * Input shape: [batch, time], whole numbers from 0 to inputDim - 1. Output shape: [batch, time, outputDim].
 */
export class TokenEmbedding extends tfl.layers.Layer {
  static readonly className = 'TokenEmbedding';

  readonly #args: {inputDim: number; outputDim: number; seed: number};
  #vectors!: tfl.LayerVariable;

  constructor({inputDim, outputDim, seed, ...rest}: TokenEmbeddingArgs) {
    super(rest);
    this.#args = {inputDim, outputDim, seed};
    this.supportsMasking = true;
  }

  override build(): void {
    const {inputDim, outputDim, seed} = this.#args;
    const initializer = tfl.initializers.randomNormal({mean: 0, stddev: 0.01, seed});
    this.#vectors = this.addWeight('vectors', [inputDim, outputDim], 'float32', initializer);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const {inputDim, outputDim} = this.#args;
      const tokens = first(inputs);
      const rows = tf.oneHot(tf.cast(tf.reshape(tokens, [-1]), 'int32'), inputDim);
      const vectors = tf.matMul(tf.cast(rows, 'float32'), this.#vectors.read() as tf.Tensor2D);
      return tf.reshape(vectors, [...tokens.shape, outputDim]);
    });
  }

  override computeMask(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.notEqual(first(inputs), 0));
  }

  override computeOutputShape([batch, time]: tfl.Shape): tfl.Shape {
    return [batch!, time!, this.#args.outputDim];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), ...this.#args};
  }
}
tf.serialization.registerClass(TokenEmbedding);

const first = (inputs: tf.Tensor | tf.Tensor[]) => (Array.isArray(inputs) ? inputs[0]! : inputs);
