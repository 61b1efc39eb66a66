// From gradients drawn category by category to bias, variance and mean squared error, with their standard errors.
// SPDX-License-Identifier: Apache-2.0

/** What is known of an estimator at one place. Squared norms, summed over the entries of the gradient. */
export interface Figures {
  /** The estimated mean of the estimator. */
  mean: number[];
  /** ||E - g||, and the root mean square of its Monte Carlo noise, which adds to it: a bias of that size may be none. */
  bias: number;
  biasError: number;
  /** Trace of the covariance. */
  variance: number;
  varianceError: number;
  /** Its two parts: E var(. | D), the noise beside the drawn category, and var E(. | D). */
  within: number;
  withinError: number;
  between: number;
  betweenError: number;
  /** E ||. - g||^2 = variance + bias^2. */
  meanSquaredError: number;
  meanSquaredErrorError: number;
}

/** Gradients of one category: as many rows of `size` as there were draws of the noise. */
export type Draws = ArrayLike<number>;

/** Draws are cut into so many parts, whose spread gives the standard errors. */
export const PARTS = 20;

/**
 * Figures from gradients that were drawn on condition of each category. The categories are weighted by their probabilities, not drawn,
 * so that an estimator that draws nothing else has figures without any Monte Carlo error.
 *
 * @param probs Of the categories.
 * @param draws For each category, a single gradient, or a multiple of PARTS of them, two in each part at least.
 * @param truth The true gradient.
 */
export function figuresOf(probs: readonly number[], draws: readonly Draws[], truth: readonly number[]): Figures {
  const size = truth.length;
  const count = draws[0]!.length / size;
  const whole = moments(probs, draws, truth);
  const noError = {varianceError: 0, withinError: 0, betweenError: 0, meanSquaredErrorError: 0};
  if (count === 1) return {...whole, biasError: 0, ...noError};
  const length = (count / PARTS) * size;
  const parts = Array.from({length: PARTS}, (_, part) => {
    const cut = draws.map(ofCategory => Array.prototype.slice.call(ofCategory, part * length, (part + 1) * length));
    return moments(probs, cut, truth);
  });
  return {
    ...whole,
    varianceError: errorOf(parts.map(({variance}) => variance)),
    withinError: errorOf(parts.map(({within}) => within)),
    betweenError: errorOf(parts.map(({between}) => between)),
    meanSquaredErrorError: errorOf(parts.map(({meanSquaredError}) => meanSquaredError)),
  };
}

/** Standard error of the mean of a list. */
export function errorOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

function moments(probs: readonly number[], draws: readonly Draws[], truth: readonly number[]) {
  const size = truth.length;
  const count = draws[0]!.length / size;
  const means = draws.map(ofCategory => meanRow(ofCategory, size));
  const mean = truth.map((_, k) => probs.reduce((sum, p, i) => sum + p * means[i]![k]!, 0));
  const spreads = draws.map((ofCategory, i) => (count === 1 ? 0 : spread(ofCategory, means[i]!)));
  const within = weigh(probs, spreads);
  // The means are themselves drawn: their noise, spread / count each, is taken off again. In the weighted squared distances of the
  // means from their mean it stands with the weight p (1 - p), in the squared norm of the mean with p^2.
  const noiseOfMeans = probs.reduce((sum, p, i) => sum + (p * (1 - p) * spreads[i]!) / count, 0);
  const noiseOfMean = probs.reduce((sum, p, i) => sum + (p * p * spreads[i]!) / count, 0);
  const distances = means.map(row => squaredDistance(row, mean));
  const between = weigh(probs, distances) - noiseOfMeans;
  const variance = within + between;
  const squaredBias = squaredDistance(mean, truth);
  return {
    mean,
    bias: Math.sqrt(squaredBias),
    biasError: Math.sqrt(noiseOfMean),
    variance,
    within,
    between,
    meanSquaredError: variance + squaredBias - noiseOfMean,
  };
}

function meanRow(rows: Draws, size: number): number[] {
  const sums = new Array<number>(size).fill(0);
  for (let i = 0; i < rows.length; ++i) sums[i % size]! += rows[i]!;
  return sums.map(sum => (sum * size) / rows.length);
}

/** Unbiased estimate of the trace of the covariance. */
function spread(rows: Draws, mean: readonly number[]): number {
  let squares = 0;
  for (let i = 0; i < rows.length; ++i) squares += (rows[i]! - mean[i % mean.length]!) ** 2;
  return squares / (rows.length / mean.length - 1);
}

function weigh(probs: readonly number[], values: readonly number[]): number {
  return probs.reduce((sum, p, i) => sum + p * values[i]!, 0);
}

function squaredDistance(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, k) => sum + (value - b[k]!) ** 2, 0);
}
