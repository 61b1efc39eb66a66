// How much the gradient of a run's encoder varies from update to update.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {NamedTensor} from '../shared/checkpoint.js';

/** How much of a running mean stays at an update, as in the code of Shi et al. 2022. */
const DECAY = 0.999;

/**
 * Running means of the gradient g and of its square, for each parameter: the mean over parameters of E[g^2] - E[g]^2.
 *
 * Both start at 0 and are corrected for it. The gradient is that of the mean over the batch; the code of Shi et al. has sums, and divides
 * by the square of the batch, to the same figure. Images, codes and, slowly, the parameters differ from update to update, and
 * all of that counts.
 */
export class GradientVariance {
  readonly #means: tf.Variable[];
  readonly #squares: tf.Variable[];

  /** @param parameters Whose gradients will come. */
  constructor(parameters: readonly tf.Variable[]) {
    const zeros = () => parameters.map(({shape}) => tf.tidy(() => tf.variable(tf.zeros(shape), false)));
    this.#means = zeros();
    this.#squares = zeros();
  }

  /** Takes the gradients of an update, in the order of the parameters. */
  update(gradients: readonly tf.Tensor[]): void {
    tf.tidy(() => {
      gradients.forEach((gradient, i) => {
        const weighted = tf.mul(gradient, 1 - DECAY);
        move(this.#means[i]!, weighted);
        move(this.#squares[i]!, tf.mul(weighted, gradient));
      });
    });
  }

  /** The figure after so many updates, at least one. */
  async read(updates: number): Promise<number> {
    const weight = 1 - DECAY ** updates;
    const count = this.#means.reduce((sum, {size}) => sum + size, 0);
    const sums = tf.tidy(() =>
      tf.stack(
        this.#means.map((mean, i) =>
          tf.sum(tf.sub(tf.div(this.#squares[i]!, weight), tf.square(tf.div(mean, weight)))),
        ),
      ),
    );
    const values = Array.from(await sums.data());
    sums.dispose();
    return values.reduce((sum, value) => sum + value, 0) / count;
  }

  /** For a checkpoint; the caller owns the tensors. */
  tensors(): NamedTensor[] {
    return this.#all().map((variable, i) => ({name: String(i), tensor: tf.clone(variable)}));
  }

  /** Takes what `tensors` gave, which stays the caller's. */
  restore(tensors: readonly NamedTensor[]): void {
    this.#all().forEach((variable, i) => {
      variable.assign(tensors[i]!.tensor);
    });
  }

  /** Frees the running means. */
  dispose(): void {
    tf.dispose(this.#all());
  }

  #all(): tf.Variable[] {
    return [...this.#means, ...this.#squares];
  }
}

function move(mean: tf.Variable, weighted: tf.Tensor): void {
  mean.assign(tf.add(tf.mul(mean, DECAY), weighted));
}
