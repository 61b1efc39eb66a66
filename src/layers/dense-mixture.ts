// A mixture whose experts are all evaluated in training, so that the estimator of the choice sees every derivative.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {sumOf} from '../ops/sum-of.js';
import {assign} from '../router/assign.js';
import {currentTape} from './auxiliary-loss.js';
import {DiscreteRouter} from './discrete-router.js';
import type {DiscreteRouterArgs} from './discrete-router-args.js';
import type {Mixture, MixtureCall} from './mixture.js';
import {sumOfChosen} from './sparse-experts.js';

/** output = sum over experts e of D_e * expert_e(input) / topK, with D the router's choice. */
export class DenseMixture implements Mixture {
  readonly router: DiscreteRouter;
  readonly extras: readonly tfl.layers.Layer[] = [];
  readonly #experts: readonly tfl.layers.Layer[];
  #units = 0;

  constructor(router: DiscreteRouterArgs, experts: readonly tfl.layers.Layer[]) {
    this.router = new DiscreteRouter(router);
    this.#experts = experts;
  }

  build(_width: number, units: number): void {
    this.#units = units;
  }

  call(tokens: tf.Tensor2D, {training, mask, leading, apply}: MixtureCall): tf.Tensor2D {
    // In the input's own shape: the router's loss may be one of sequences.
    const input = tf.reshape(tokens, [...leading, tokens.shape[1]]);
    const chosen = this.router.apply(input, {training, ...(mask && {mask: tf.reshape(mask, leading)})}) as tf.Tensor;
    const choice = tf.reshape(chosen, [tokens.shape[0], -1]) as tf.Tensor2D; // [tokens, experts]
    // Where nothing is learned, each row may go through its own experts only. With a gradient to take, also one of inference, all are
    // evaluated: every expert then has a gradient, if of zero.
    const isSparse = !training && isOnHost() && currentTape() === null;
    const sum = isSparse ? this.#sumOfChosen(tokens, choice, apply) : this.#sumOfAll(tokens, choice, apply);
    return this.router.topK === 1 ? sum : tf.div(sum, this.router.topK);
  }

  #sumOfChosen(tokens: tf.Tensor2D, choice: tf.Tensor2D, apply: MixtureCall['apply']): tf.Tensor2D {
    const indices = indicesOf(choice, this.router.topK);
    const weights = tf.ones<tf.Rank.R2>(indices.shape);
    const assignment = assign(indices, choice.shape[1]);
    const routing = {indices, weights, probs: choice};
    return sumOfChosen(tokens, routing, assignment, this.#experts, this.#units, 'ragged', apply);
  }

  #sumOfAll(tokens: tf.Tensor2D, choice: tf.Tensor2D, apply: MixtureCall['apply']): tf.Tensor2D {
    const columns =
      this.#experts.length === 1 ? [choice] : (tf.split(choice, this.#experts.length, 1) as tf.Tensor2D[]);
    return sumOf(this.#experts.map((expert, e) => tf.mul(columns[e]!, apply(expert, tokens)))) as tf.Tensor2D;
  }
}

/** Where the ones of each row stand, int32 [rows, k]; -1 for ones that a row does not have. */
function indicesOf(choice: tf.Tensor2D, k: number): tf.Tensor2D {
  const [rows, size] = choice.shape;
  const values = hostRead(choice);
  const indices = new Int32Array(rows * k).fill(-1);
  for (let row = 0; row < rows; ++row) {
    let next = row * k;
    for (let e = 0; e < size; ++e) if (values[row * size + e] !== 0) indices[next++] = e;
  }
  return tf.tensor2d(indices, [rows, k], 'int32');
}
