// Causal multi-head self-attention: Vaswani et al., Attention Is All You Need, 2017. https://arxiv.org/abs/1706.03762
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ValueError} from 'tfjs-moe/node';
import {type LayerArgs, normal, single} from './layer-args.js';

/** Arguments of `CausalSelfAttention`. */
export interface CausalSelfAttentionArgs extends LayerArgs {
  /** How many heads; the width of the input must be a multiple. */
  heads: number;
  /** A whole number from which the initial weights are drawn. Default 0. */
  seed?: number;
}

/** Added to the scores of later positions: far below any score, but finite, so that no row can become NaN. */
const FORBIDDEN = -1e9;

/**
 * Each position takes a mean of what it and the earlier ones hold, weighted by softmax(q k' / sqrt(width / heads)), for each head.
 *
 * Input shape: [batch, time, width]. Output shape: the same.
 */
export class CausalSelfAttention extends tfl.layers.Layer {
  static readonly className = 'CausalSelfAttention';

  readonly heads: number;
  readonly #seed: number;
  #input!: tfl.LayerVariable;
  #output!: tfl.LayerVariable;
  #later = new Float32Array(0);

  constructor({heads, seed = 0, ...rest}: CausalSelfAttentionArgs) {
    super(rest);
    this.heads = heads;
    this.#seed = seed;
  }

  override build(inputShape: tfl.Shape): void {
    const width = inputShape[2]!;
    if (width % this.heads !== 0) {
      throw new ValueError(
        `CausalSelfAttention: the width (=${width}) must be a multiple of the heads (=${this.heads}).`,
      );
    }
    const initializer = (matrix: number) => normal(width ** -0.5, 2 * this.#seed + matrix);
    // Queries, keys and values beside each other: one product gives all three.
    this.#input = this.addWeight('input_kernel', [width, 3 * width], 'float32', initializer(0));
    this.#output = this.addWeight('output_kernel', [width, width], 'float32', initializer(1));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = single<tf.Tensor3D>(inputs);
      const [batch, time, width] = x.shape;
      const {heads} = this;
      const perHead = width / heads;
      const rows = tf.reshape(x, [batch * time, width]) as tf.Tensor2D;
      const parts = tf.split(tf.matMul(rows, this.#input.read() as tf.Tensor2D), 3, 1);
      const [queries, keys, values] = parts.map(part => {
        const byHead = tf.transpose(tf.reshape(part, [batch, time, heads, perHead]), [0, 2, 1, 3]);
        return tf.reshape(byHead, [batch * heads, time, perHead]) as tf.Tensor3D;
      }) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
      const scores = tf.matMul(tf.mul(queries, perHead ** -0.5) as tf.Tensor3D, keys, false, true);
      const shares = tf.softmax(tf.add(scores, this.#mask(time))) as tf.Tensor3D; // [batch * heads, time, time]
      const mixed = tf.reshape(tf.matMul(shares, values), [batch, heads, time, perHead]);
      const together = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * time, width]) as tf.Tensor2D;
      return tf.reshape(tf.matMul(together, this.#output.read() as tf.Tensor2D), [batch, time, width]);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape): tfl.Shape {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), heads: this.heads, seed: this.#seed};
  }

  /** [time, time]: 0 where the column is not later than the row. */
  #mask(time: number): tf.Tensor2D {
    if (this.#later.length !== time * time) {
      this.#later = Float32Array.from({length: time * time}, (_, i) =>
        i % time > Math.floor(i / time) ? FORBIDDEN : 0,
      );
    }
    return tf.tensor2d(this.#later, [time, time]);
  }
}
tf.serialization.registerClass(CausalSelfAttention);
