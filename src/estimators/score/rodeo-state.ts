// What RODEO learns: two coefficients and a small network that guesses the objective at the neighbours of a draw.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import {type RandomSource, seeded, unseeded} from '../../random/random-source.js';
import {coefficient} from './coefficient.js';
import type {Surrogates} from './stein-operator.js';
import type {ScoreState} from './types.js';

/** The slope of the leaky ReLU below 0. */
const LEAK = 0.3;

/** Options of `createRodeoState`. */
export interface RodeoStateOptions {
  /** Width of the hidden layer. Default 100. */
  hiddenUnits?: number;
  /** Where the coefficient of the control variate in the baseline starts. Default 0. */
  alpha?: number;
  /** Where the coefficient of the other control variate starts. Default 0; at 0 and 0 the estimate is that of leave-one-out. */
  beta?: number;
  /** Of the network's initial weights. Default: different each time. */
  seed?: number;
}

/**
 * What `rodeo` learns. Made by `createRodeoState`.
 *
 * The network maps (linear term, value) through a hidden layer with a leaky ReLU to two numbers. The authors' code has a bias for each
 * of the two inputs; only their sum matters, and here it is one.
 */
export class RodeoState implements ScoreState {
  readonly variables: readonly tf.Variable[];
  /** How much of the control variate in the baseline is used. */
  readonly alpha: tf.Variable<tf.Rank.R0>;
  /** How much of the other control variate is used. */
  readonly beta: tf.Variable<tf.Rank.R0>;
  readonly #hiddenKernel: tf.Variable<tf.Rank.R2>;
  readonly #hiddenBias: tf.Variable<tf.Rank.R1>;
  readonly #outputKernel: tf.Variable<tf.Rank.R2>;
  readonly #outputBias: tf.Variable<tf.Rank.R1>;

  constructor({hiddenUnits = 100, alpha = 0, beta = 0, seed}: RodeoStateOptions) {
    checkCount('createRodeoState', 'hiddenUnits', hiddenUnits, 1);
    const random = seed === undefined ? unseeded() : seeded(seed);
    this.alpha = coefficient('createRodeoState', 'alpha', alpha);
    this.beta = coefficient('createRodeoState', 'beta', beta);
    // As two layers of one input each, whose outputs are added.
    this.#hiddenKernel = uniformVariable([2, hiddenUnits], Math.sqrt(6 / (1 + hiddenUnits)), random);
    this.#hiddenBias = zeros(hiddenUnits);
    this.#outputKernel = uniformVariable([hiddenUnits, 2], Math.sqrt(6 / (hiddenUnits + 2)), random);
    this.#outputBias = zeros(2);
    const network = [this.#hiddenKernel, this.#hiddenBias, this.#outputKernel, this.#outputBias];
    this.variables = [this.alpha, this.beta, ...network];
  }

  /** See `Surrogates` of stein-operator.ts. Differentiable with respect to the variables, not to the inputs. */
  readonly surrogates: Surrogates = (linear, value) => {
    const shape = linear.shape;
    const inputs = noGradient(() => {
      const values = tf.mul(tf.onesLike(linear), value);
      return tf.stack([tf.reshape(linear, [-1]), tf.reshape(values, [-1])], 1) as tf.Tensor2D; // [points, 2]
    });
    const hidden = tf.leakyRelu(tf.add(tf.matMul(inputs, this.#hiddenKernel), this.#hiddenBias), LEAK);
    const output = tf.add(tf.matMul(hidden as tf.Tensor2D, this.#outputKernel), this.#outputBias);
    const column = (i: number) => tf.reshape(tf.slice(output, [0, i], [-1, 1]), shape) as tf.Tensor3D;
    return [column(0), column(1)];
  };

  dispose(): void {
    tf.dispose([...this.variables]);
  }
}

/**
 * Makes what `rodeo` learns: the coefficients alpha and beta, and a network, all trained by `controlLoss`.
 *
 * @throws ValueError for a coefficient that is not finite, and for hidden units or a seed that are not whole numbers.
 */
export function createRodeoState(options: RodeoStateOptions = {}): RodeoState {
  return new RodeoState(options);
}

function uniformVariable(shape: [number, number], limit: number, random: RandomSource): tf.Variable<tf.Rank.R2> {
  const values = Float32Array.from(random.uniform(shape[0] * shape[1]), u => limit * (2 * u - 1));
  return tf.tidy(() => tf.variable(tf.tensor2d(values, shape)));
}

function zeros(length: number): tf.Variable<tf.Rank.R1> {
  return tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R1>([length])));
}
