// Two ways for a layer to add a loss that depends on its input, where tfjs-layers only knows losses of weights.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {sumOf} from '../ops/sum-of.js';

/** A value that is current for as long as one gradient is being recorded; null when none is. */
export function currentTape(): object | null {
  const {activeTape, gradientDepth} = tf.engine().state;
  return gradientDepth > 0 ? activeTape : null; // an error leaves its tape lying there
}

/**
 * Losses waiting for the model to collect them.
 *
 * `call` pushes, and the function given to `addLoss` takes. The scalars are kept past the tidies of `call`, nested models' included; a
 * layer that is called several times in a step pushes several, and whoever collects first takes them all. Scalars that nobody collected (a
 * custom loop without `calculateLosses`, an error on the way) are disposed at the next push of another step, or with the layer.
 */
export class AuxiliaryLossQueue {
  #pending: tf.Scalar[] = [];
  #tape: object | null = null;

  /** Keeps a scalar for the step that is being recorded; does nothing where none is. */
  push(loss: tf.Scalar): void {
    const tape = currentTape();
    if (tape === null) return;
    if (tape !== this.#tape) this.dispose();
    this.#tape = tape;
    this.#pending.push(tf.keep(tf.clone(loss)));
  }

  /** The sum of what was pushed in this step, as part of the recorded gradient; 0 where there is nothing. */
  take(): tf.Scalar {
    if (currentTape() !== this.#tape) this.dispose();
    if (this.#pending.length === 0) return tf.scalar(0);
    return tf.tidy(() => {
      // Recorded clones: the kept scalars may go at once, the gradient finds its way back by their identity.
      const sum = sumOf(this.#pending.map(loss => tf.clone(loss))) as tf.Scalar;
      this.dispose();
      return sum;
    });
  }

  /** Frees what nobody took. */
  dispose(): void {
    tf.dispose(this.#pending);
    this.#pending = [];
  }
}

/**
 * Attaches a loss to a tensor: returns x, and sends a gradient of 1 to the loss when the gradient of x is asked for. Works in every
 * container and custom loop, but the reported loss does not contain the term, and the total loss must not be scaled.
 */
export function injectLoss<T extends tf.Tensor>(x: T, loss: tf.Scalar): T {
  const attach = tf.customGrad((value, _loss) => ({
    value: tf.clone(value as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [tf.clone(dy), tf.scalar(1)],
  }));
  return attach(x, loss) as T;
}
