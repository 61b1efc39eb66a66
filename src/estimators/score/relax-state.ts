// What RELAX learns: the scale of its control variate, and a network that is added to it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkPositive, show, ValueError} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import {seeded, unseeded} from '../../random/random-source.js';
import {coefficient} from './coefficient.js';
import {type ControlNetwork, type ControlValue, createControlNetwork, readControlNetwork} from './control-network.js';
import type {ScoreState} from './types.js';

/** Options of `createRelaxState`. */
export interface RelaxStateOptions {
  /** How many logits an example has: the product of their shape without the batch. */
  latentSize: number;
  /** How many values of `context` an example has. Default 0: the network sees no context. */
  contextSize?: number;
  /** Width of the network's hidden layer; with 0 there is no network, and the scale alone is learned. Default 137. */
  hiddenUnits?: number;
  /** Where the scale starts. Default 1. */
  scale?: number;
  /** lambda, > 0: the relaxed sample is sigmoid or softmax of z / lambda. Not learned. Default 0.1. */
  relaxation?: number;
  /** Of the network's first weights. Default: another network each time. */
  seed?: number;
}

/** The state of `relax`; made by `createRelaxState`. */
export class RelaxState implements ScoreState {
  /** The scale s, then the weights of the network. All trainable. */
  readonly variables: readonly tf.Variable[];
  /** s, a scalar. */
  readonly scale: tf.Variable;
  /** lambda. */
  readonly relaxation: number;
  readonly #latentSize: number;
  readonly #contextSize: number;
  readonly #network: ControlNetwork | undefined;

  /** As `createRelaxState`. */
  constructor({latentSize, contextSize = 0, hiddenUnits = 137, scale = 1, relaxation = 0.1, seed}: RelaxStateOptions) {
    const owner = 'createRelaxState';
    checkCount(owner, 'latentSize', latentSize, 1);
    checkCount(owner, 'contextSize', contextSize, 0);
    checkCount(owner, 'hiddenUnits', hiddenUnits, 0);
    checkPositive(owner, 'relaxation', relaxation);
    const random = seed === undefined ? unseeded() : seeded(seed); // refuses a bad seed before there is a variable
    this.#latentSize = latentSize;
    this.#contextSize = contextSize;
    this.relaxation = relaxation;
    this.scale = coefficient(owner, 'scale', scale);
    this.#network = hiddenUnits > 0 ? createControlNetwork(latentSize, contextSize, hiddenUnits, random) : undefined;
    const weights = Object.values(this.#network ?? {}) as (tf.Variable | undefined)[];
    this.variables = [this.scale, ...weights.filter(weight => weight !== undefined)];
  }

  /**
   * The network on a context, as a function of z; undefined where there is none.
   *
   * @internal
   * @throws ValueError for logits or a context of another size than the state was made for.
   */
  readNetwork(
    owner: string,
    logits: tf.Tensor,
    context: tf.Tensor | undefined,
  ): ((z: tf.Tensor) => ControlValue) | undefined {
    const batch = logits.shape[0]!;
    this.#checkSizes(owner, logits, context);
    if (this.#network === undefined) return undefined;
    const flat = context && noGradient(() => toFloat(tf.reshape(context, [batch, -1]) as tf.Tensor2D));
    return readControlNetwork(this.#network, flat);
  }

  /** Frees the variables. */
  dispose(): void {
    tf.dispose([...this.variables]);
  }

  #checkSizes(owner: string, logits: tf.Tensor, context: tf.Tensor | undefined): void {
    const batch = logits.shape[0]!;
    if (logits.size !== batch * this.#latentSize) {
      throw new ValueError(
        `${owner}: the state was made for latentSize=${this.#latentSize} logits an example, ` +
          `but the logits have shape ${show(logits.shape)}.`,
      );
    }
    const isRight =
      context === undefined
        ? this.#contextSize === 0
        : context.rank > 0 && context.shape[0] === batch && context.size === batch * this.#contextSize;
    if (!isRight) {
      const got = context === undefined ? 'there is no context' : `context has shape ${show(context.shape)}`;
      throw new ValueError(
        `${owner}: the state was made for contextSize=${this.#contextSize} values of context an example, ` +
          `but with ${batch} examples ${got}.`,
      );
    }
  }
}

/**
 * Makes a state for `relax`, which learns to lower the variance of its estimates.
 *
 * The control variate is c(z) = s (f(soft) + r(x, z)), with soft the relaxed sample at z and r a network
 * LeakyReLU([x, z] W + b) w + a of slope 0.3 below 0. s, W, b, w and a are trained by `controlLoss`; lambda stays as given. Its derivative
 * would take second derivatives of the objective, and tfjs has none of sigmoid, tanh, exp or softmax. W starts by Glorot's rule and the
 * rest of the network at zero, so that an untrained network adds no variance.
 *
 * @param options.latentSize How many logits an example has.
 * @param options.contextSize How many values of context an example has. Default 0.
 * @param options.hiddenUnits Width of the network; 0 for none. Default 137.
 * @param options.scale Where s starts. Default 1.
 * @param options.relaxation lambda, > 0. Default 0.1.
 * @param options.seed Of the network's first weights.
 * @returns The state; dispose it when training is over.
 * @throws ValueError for a size that is not a whole number, a scale that is not finite, and a relaxation that is not positive.
 */
export function createRelaxState(options: RelaxStateOptions): RelaxState {
  return new RelaxState(options);
}
