// Mean and covariance of vectors that come one after the other, and what they say of a gradient.
// SPDX-License-Identifier: Apache-2.0

/** A gradient for three logits, or a point of the simplex. */
export type Vector = readonly [number, number, number];

const AXES = [0, 1, 2] as const;

/** Sums in float64. */
export class Moments {
  count = 0;
  readonly #sum = [0, 0, 0];
  readonly #products = [0, 0, 0, 0, 0, 0, 0, 0, 0];

  /** Adds n vectors, row after row. */
  add(rows: ArrayLike<number>): void {
    for (let at = 0; at < rows.length; at += 3) {
      for (const i of AXES) {
        this.#sum[i]! += rows[at + i]!;
        for (const j of AXES) this.#products[3 * i + j]! += rows[at + i]! * rows[at + j]!;
      }
    }
    this.count += rows.length / 3;
  }

  get mean(): Vector {
    return AXES.map(i => this.#sum[i]! / this.count) as unknown as Vector;
  }

  /** 3 by 3, row after row; of single vectors, not of their mean. */
  get covariance(): number[] {
    const {mean, count} = this;
    // Rounding can leave a variance of 0 a little below it.
    return this.#products.map((product, at) => {
      const [i, j] = [Math.floor(at / 3), at % 3];
      const value = (product - count * mean[i]! * mean[j]!) / Math.max(count - 1, 1);
      return i === j ? Math.max(value, 0) : value;
    });
  }
}

/** How estimates compare with the gradient that they estimate. */
export interface Quality {
  mean: Vector;
  /** The length of mean minus exact; it holds the noise of the mean too. */
  bias: number;
  /** The standard error of the mean: how long the bias of an unbiased estimator would be about now. */
  error: number;
  /** The trace of the covariance. */
  variance: number;
  /** Between the mean and the exact gradient; NaN where either has no length. */
  cosine: number;
}

export function qualityOf(moments: Moments, exact: Vector): Quality {
  const {mean, covariance, count} = moments;
  const variance = covariance[0]! + covariance[4]! + covariance[8]!;
  const bias = length(AXES.map(i => mean[i]! - exact[i]!));
  const lengths = length(mean) * length(exact);
  // The gradient of a loss without slope is 0 but for rounding, which has no direction.
  const cosine =
    lengths > 1e-12 ? AXES.reduce<number>((sum, i) => sum + mean[i]! * exact[i]!, 0) / lengths : Number.NaN;
  return {mean, bias, error: Math.sqrt(variance / count), variance, cosine};
}

export function length(vector: readonly number[]): number {
  return Math.hypot(...vector);
}
