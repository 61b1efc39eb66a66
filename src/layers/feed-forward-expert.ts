// The built-in expert: a stack of dense layers that maps rows.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {resolveInitializer} from './initializers.js';
import {singleShape, singleTensor} from './layer-input.js';
import type {Kwargs, LayerArgs} from './tfjs-types.js';

/** Arguments of the built-in expert. */
export interface FeedForwardExpertArgs extends LayerArgs {
  /** Widths of the hidden layers. */
  hiddenUnits: number[];
  /** Width of the output. Default: the input's. */
  units?: number | null;
  /** After each hidden layer; the last layer is linear. */
  activation: string;
  /** A seed for the kernel with this number; undefined for one that differs each time, as by default. */
  kernelSeed?: (index: number) => number | undefined;
}

/** x -> activation(x . kernel_0 + bias_0) -> ... -> . kernel_n + bias_n, over rows [rows, features]. */
export class FeedForwardExpert extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'FeedForwardExpert';

  readonly #args: Required<Omit<FeedForwardExpertArgs, keyof LayerArgs>>;
  readonly #activation: tfl.layers.Layer;
  readonly #kernels: tfl.LayerVariable[] = [];
  readonly #biases: tfl.LayerVariable[] = [];

  constructor({hiddenUnits, units = null, activation, kernelSeed = () => undefined, ...rest}: FeedForwardExpertArgs) {
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

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
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

  override getConfig(): tf.serialization.ConfigDict {
    const {hiddenUnits, units, activation} = this.#args;
    return {...super.getConfig(), hiddenUnits, units, activation};
  }
}
tf.serialization.registerClass(FeedForwardExpert);
