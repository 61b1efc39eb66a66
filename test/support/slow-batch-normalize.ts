// Batch normalisation by loops in float64: the oracle of the op and of the kernels.
// SPDX-License-Identifier: Apache-2.0

interface Affine {
  channels: number;
  epsilon: number;
  gamma?: ArrayLike<number> | undefined;
  beta?: ArrayLike<number> | undefined;
}

/** Value, statistics and gradients for rows of `channels` numbers and the gradient dy of the value. */
export function slowBatchNormalize(
  x: ArrayLike<number>,
  dy: ArrayLike<number>,
  {channels, epsilon, gamma, beta}: Affine,
) {
  const numRows = x.length / channels;
  const fill = (length: number) => new Array<number>(length).fill(0);
  const [normalized, dx] = [fill(x.length), fill(x.length)];
  const [mean, variance, dGamma, dBeta] = [fill(channels), fill(channels), fill(channels), fill(channels)];
  for (let c = 0; c < channels; ++c) {
    const sum = (term: (i: number) => number) => {
      let total = 0;
      for (let row = 0; row < numRows; ++row) total += term(row * channels + c);
      return total;
    };
    mean[c] = sum(i => x[i]!) / numRows;
    variance[c] = sum(i => (x[i]! - mean[c]!) ** 2) / numRows;
    const rstd = 1 / Math.sqrt(variance[c]! + epsilon);
    const scale = gamma?.[c] ?? 1;
    const xhat = (i: number) => (x[i]! - mean[c]!) * rstd;
    dBeta[c] = sum(i => dy[i]!);
    dGamma[c] = sum(i => dy[i]! * xhat(i));
    for (let row = 0; row < numRows; ++row) {
      const i = row * channels + c;
      normalized[i] = scale * xhat(i) + (beta?.[c] ?? 0);
      // The chain rule through mean and variance: d mean / d x = 1 / m and d variance / d x = 2 (x - mean) / m.
      const byVariance = -0.5 * scale * rstd ** 2 * dGamma[c]!;
      dx[i] = scale * rstd * (dy[i]! - dBeta[c]! / numRows) + (byVariance * 2 * (x[i]! - mean[c]!)) / numRows;
    }
  }
  return {normalized, mean, variance, dx, dGamma, dBeta};
}
