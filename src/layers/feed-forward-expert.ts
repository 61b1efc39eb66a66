// The built-in expert: a stack of dense layers that maps rows.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {resolveInitializer} from './initializers.js';
import {singleShape, singleTensor} from './layer-input.js';
import type {LayerArgs} from './tfjs-types.js';

/** Arguments of the built-in expert. */
export interface FeedForwardExpertArgs extends LayerArgs {
  /** Widths of the hidden layers. */
  hiddenUnits: number[];
  /** Width of the output; the input's where undefined. */
  units: number | undefined;
  /** After each hidden layer; the last layer is linear. */
  activation: string;
  /** A seed for the kernel with this number; undefined for one that differs each time. */
  kernelSeed: (index: number) => number | undefined;
}

/** x -> activation(x . kernel_0 + bias_0) -> ... -> . kernel_n + bias_n, over rows [rows, features]. */
export class FeedForwardExpert extends tfl.layers.Layer {
  /** The name under which tfjs knows the class; `GumbelMoE` rebuilds its own experts, so that no file names it. */
  static readonly className = 'FeedForwardExpert';

  readonly #args: Omit<FeedForwardExpertArgs, keyof LayerArgs>;
  readonly #activation: tfl.layers.Layer;
  readonly #kernels: tfl.LayerVariable[] = [];
  readonly #biases: tfl.LayerVariable[] = [];

  constructor({hiddenUnits, units, activation, kernelSeed, ...rest}: FeedForwardExpertArgs) {
    super(rest);
    this.#args = {hiddenUnits, units, activation, kernelSeed};
    this.#activation = tfl.layers.activation({activation: activation as 'relu'});
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = singleShape(inputShape);
    let width = shape[shape.length - 1]!;
    [...this.#args.hiddenUnits, this.#args.units ?? width].forEach((units, i) => {
      const initializer = resolveInitializer('GumbelMoE', 'experts', 'glorotUniform', this.#args.kernelSeed(i));
      this.#kernels.push(this.addWeight(`kernel_${i}`, [width, units], 'float32', initializer));
      this.#biases.push(this.addWeight(`bias_${i}`, [units], 'float32', tfl.initializers.zeros()));
      width = units;
    });
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const last = this.#kernels.length - 1;
      return this.#kernels.reduce<tf.Tensor>((x, kernel, i) => {
        const y = tf.add(tf.matMul(x as tf.Tensor2D, kernel.read() as tf.Tensor2D), this.#biases[i]!.read());
        return i === last ? y : (this.#activation.call(y, {}) as tf.Tensor);
      }, singleTensor(inputs));
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [...shape.slice(0, -1), this.#args.units ?? shape[shape.length - 1]!];
  }
}
tf.serialization.registerClass(FeedForwardExpert);
