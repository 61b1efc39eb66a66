// The bias of loss-free balancing as a layer keeps it: moved once a step, by the choices of the step before.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {noGradient} from '../ops/no-gradient.js';
import {updatedBias} from '../router/bias-update.js';
import {currentTape} from './auxiliary-loss.js';

/** What is added to the scores where experts are chosen, and the choices of the step at hand; weights that are saved and not trained. */
export class SelectionBias {
  readonly #bias: tfl.LayerVariable;
  readonly #counts: tfl.LayerVariable;
  readonly #rate: number;
  #tape: object | null = null;

  /**
   * @param addState Makes a weight of zeros of shape [experts].
   * @param rate By how much the bias moves.
   */
  constructor(addState: (name: string) => tfl.LayerVariable, rate: number) {
    this.#bias = addState('balance_bias');
    this.#counts = addState('balance_counts');
    this.#rate = rate;
  }

  /** The bias of this step, [experts]; a training call that begins a step first moves it. */
  ofStep(training: boolean): tf.Tensor1D {
    const tape = currentTape();
    if (training && (tape === null || tape !== this.#tape)) {
      this.#tape = tape;
      const [bias, counts] = [this.#bias.read() as tf.Tensor1D, this.#counts.read() as tf.Tensor1D];
      this.#bias.write(noGradient(() => updatedBias(bias, counts, {rate: this.#rate})));
      this.#counts.write(tf.zerosLike(counts));
    }
    return this.#bias.read() as tf.Tensor1D;
  }

  /** Adds a call's choices, ones at [tokens, experts]. */
  count(chosen: tf.Tensor2D): void {
    const counts = this.#counts.read();
    this.#counts.write(noGradient(() => tf.add(counts, tf.sum(chosen, 0))));
  }
}
