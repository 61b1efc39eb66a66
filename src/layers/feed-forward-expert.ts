// The built-in expert: a stack of dense layers that maps rows, plain or gated.
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
  /** Width of the output; a function is asked when the layer is built. Default: the input's. */
  units?: number | null | (() => number);
  /** After each hidden layer, or of its gate; the last layer is linear. */
  activation: string;
  /** Whether hidden layers are gated: with the activation 'swish' SwiGLU, with 'gelu' GeGLU. Default false. */
  gated?: boolean;
  /** Whether each kernel has a bias. Default true. */
  useBias?: boolean;
  /** A seed for the kernel with this number, the gates' after all others; undefined for one that differs each time, as by default. */
  kernelSeed?: (index: number) => number | undefined;
}

/** What a layer's input is multiplied by, and what is added to that. */
export interface DenseWeights {
  /** [in, out]. */
  kernel: tfl.LayerVariable;
  /** [out]; undefined without biases. */
  bias: tfl.LayerVariable | undefined;
}

/** The weights of one layer: `main`, and `gate` where it is gated. */
export type DensePart = 'main' | 'gate';

/**
 * Computes x times the weights of a part of a layer, activated or not.
 *
 * @param layer Counts from 0.
 */
export type DenseStep = (x: tf.Tensor2D, layer: number, part: DensePart, isActivated: boolean) => tf.Tensor2D;

/**
 * x -> activation(x . kernel_0 + bias_0) -> ... -> . kernel_n + bias_n, over rows [rows, features].
 *
 * A gated hidden layer is activation(x . gate_kernel_i + gate_bias_i) * (x . kernel_i + bias_i), so that it has twice the weights.
 *
 * Reference: Shazeer, GLU Variants Improve Transformer, 2020. https://arxiv.org/abs/2002.05202
 */
export class FeedForwardExpert extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'FeedForwardExpert';

  readonly #args: Required<Omit<FeedForwardExpertArgs, keyof LayerArgs>>;
  readonly #activation: tfl.layers.Layer;
  readonly #layers: {main: DenseWeights; gate: DenseWeights | undefined}[] = [];

  constructor(args: FeedForwardExpertArgs) {
    const {hiddenUnits, units = null, activation, gated = false, useBias = true, kernelSeed, ...rest} = args;
    super(rest);
    this.#args = {hiddenUnits, units, activation, gated, useBias, kernelSeed: kernelSeed ?? (() => undefined)};
    this.#activation = tfl.layers.activation({activation: activation as 'relu'});
  }

  /** The activation's name, as tfjs has it. */
  get activation(): string {
    return this.#args.activation;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = singleShape(inputShape);
    const {hiddenUnits, gated, kernelSeed} = this.#args;
    const width = shape[shape.length - 1]!;
    const widths = [width, ...hiddenUnits, this.#units() ?? width];
    const last = widths.length - 2;
    for (let i = 0; i <= last; ++i) {
      const sides: [number, number] = [widths[i]!, widths[i + 1]!];
      const main = this.#addDense('', i, sides, kernelSeed(i));
      const gate = gated && i < last ? this.#addDense('gate_', i, sides, kernelSeed(last + 1 + i)) : undefined;
      this.#layers.push({main, gate});
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      return this.compose(singleTensor(inputs) as tf.Tensor2D, (x, layer, part, isActivated) => {
        const {kernel, bias} = this.weightsOf(layer, part);
        const product = tf.matMul<tf.Tensor2D>(x, kernel.read() as tf.Tensor2D);
        const sum = bias ? tf.add<tf.Tensor2D>(product, bias.read()) : product;
        return isActivated ? this.activate(sum) : sum;
      });
    });
  }

  /** The weights of a part that the layer has. */
  weightsOf(layer: number, part: DensePart): DenseWeights {
    return this.#layers[layer]![part]!;
  }

  /** activation(x). */
  activate(x: tf.Tensor2D): tf.Tensor2D {
    return this.#activation.call(x, {}) as tf.Tensor2D;
  }

  /** The expert's output for x, whoever computes its dense layers. */
  compose(x: tf.Tensor2D, dense: DenseStep): tf.Tensor2D {
    const last = this.#layers.length - 1;
    return this.#layers.reduce<tf.Tensor2D>((input, {gate}, i) => {
      if (gate === undefined) return dense(input, i, 'main', i !== last);
      return tf.mul(dense(input, i, 'gate', true), dense(input, i, 'main', false));
    }, x);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [...shape.slice(0, -1), this.#units() ?? shape[shape.length - 1]!];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {hiddenUnits, activation, gated, useBias} = this.#args;
    return {...super.getConfig(), hiddenUnits, units: this.#units(), activation, gated, useBias};
  }

  #units(): number | null {
    const {units} = this.#args;
    return typeof units === 'function' ? units() : units;
  }

  #addDense(prefix: string, layer: number, sides: [number, number], seed: number | undefined): DenseWeights {
    const initializer = resolveInitializer('GumbelMoE', 'experts', 'glorotUniform', seed);
    const kernel = this.addWeight(`${prefix}kernel_${layer}`, sides, 'float32', initializer);
    const zeros = tfl.initializers.zeros();
    const bias = this.#args.useBias
      ? this.addWeight(`${prefix}bias_${layer}`, [sides[1]], 'float32', zeros)
      : undefined;
    return {kernel, bias};
  }
}
tf.serialization.registerClass(FeedForwardExpert);
