// From the gradients of an estimator at an image to the figures of the ReinMax paper, and from images to means with standard errors.
// SPDX-License-Identifier: Apache-2.0

/** The figures of an estimator at an image. */
export interface ImageFigures {
  /** ||exact - mean|| / ||exact||, the mean over the draws. */
  bias: number;
  /** ||standard deviation|| / ||mean||. */
  deviation: number;
  /** cos(exact, mean). */
  cosine: number;
  /** The mean over the draws of cos(exact, draw). */
  singleCosine: number;
  /** Bias and cosine of the expectation itself, where it is an exact sum over the codes; else null. */
  expectedBias: number | null;
  expectedCosine: number | null;
}

/** What the draws of an image add to the figures of the batch. */
export interface ImageSums {
  mean: Float64Array;
  /** Variance of each entry. */
  variance: Float64Array;
}

/** A mean over images. */
export interface MeanOverImages {
  mean: number;
  /** Its standard error. */
  error: number;
}

/** The gradients of an estimator at one image. */
export interface EstimateRows {
  exact: Float64Array;
  /** [rows, entries]. */
  rows: Float32Array;
  /** Which rows were drawn; a row may be drawn more than once. */
  drawn: ArrayLike<number>;
  /** The probability of each row, where the rows are those of all codes. */
  probabilities?: Float64Array | undefined;
}

/** The figures of one image. */
export function figuresOf({exact, rows, drawn, probabilities}: EstimateRows): ImageFigures & ImageSums {
  const width = exact.length;
  const row = (i: number) => rows.subarray(i * width, (i + 1) * width);
  const mean = new Float64Array(width);
  for (let i = 0; i < drawn.length; ++i) addTo(mean, row(drawn[i]!), 1 / drawn.length);
  const variance = new Float64Array(width);
  let singleCosine = 0;
  for (let i = 0; i < drawn.length; ++i) {
    const one = row(drawn[i]!);
    for (let k = 0; k < width; ++k) variance[k]! += (one[k]! - mean[k]!) ** 2 / (drawn.length - 1);
    singleCosine += cosineOf(exact, one) / drawn.length;
  }
  const expected = probabilities && new Float64Array(width);
  if (expected) {
    probabilities.forEach((q, i) => {
      addTo(expected, row(i), q);
    });
  }
  return {
    bias: relativeDistance(exact, mean),
    deviation: ratio(Math.sqrt(sum(variance)), norm(mean)),
    cosine: cosineOf(exact, mean),
    singleCosine,
    expectedBias: expected ? relativeDistance(exact, expected) : null,
    expectedCosine: expected ? cosineOf(exact, expected) : null,
    mean,
    variance,
  };
}

/** The cosine of the angle; 0 where one of the two is zero and has no direction. */
export function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let k = 0; k < a.length; ++k) {
    product += a[k]! * b[k]!;
    squaresA += a[k]! ** 2;
    squaresB += b[k]! ** 2;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : product / Math.sqrt(squaresA) / Math.sqrt(squaresB);
}

/** Mean over images with its standard error; null where an image has no figure. */
export function meanOverImages(values: readonly (number | null)[]): MeanOverImages | null {
  const all = values.filter(value => value !== null);
  if (all.length < values.length) return null;
  const mean = all.reduce((total, value) => total + value, 0) / all.length;
  const squares = all.reduce((total, value) => total + (value - mean) ** 2, 0);
  return {mean, error: Math.sqrt(squares / (all.length - 1) / all.length)};
}

/** The figures of all images' gradients as one vector, in which an image weighs by the length of its gradient. */
export interface BatchFigures {
  bias: number;
  deviation: number;
  /** The standard error is the jackknife's, over the images. */
  cosine: MeanOverImages;
}

/** The figures of the batch, from those of its images. */
export function figuresOfBatch(exacts: readonly Float64Array[], images: readonly ImageSums[]): BatchFigures {
  const exact = concatenate(exacts);
  const mean = concatenate(images.map(image => image.mean));
  const variance = images.reduce((total, image) => total + sum(image.variance), 0);
  const without = images.map((_, left) => {
    const isIn = (_: unknown, i: number) => i !== left;
    return cosineOf(concatenate(exacts.filter(isIn)), concatenate(images.filter(isIn).map(image => image.mean)));
  });
  const centre = without.reduce((total, cosine) => total + cosine / without.length, 0);
  const squares = without.reduce((total, cosine) => total + (cosine - centre) ** 2, 0);
  return {
    bias: relativeDistance(exact, mean),
    deviation: ratio(Math.sqrt(variance), norm(mean)),
    cosine: {
      mean: cosineOf(exact, mean),
      error: Math.sqrt((squares * (without.length - 1)) / without.length),
    },
  };
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap(part => Array.from(part)));
}

function addTo(total: Float64Array, row: ArrayLike<number>, weight: number): void {
  for (let k = 0; k < total.length; ++k) total[k]! += weight * row[k]!;
}

function relativeDistance(exact: Float64Array, other: Float64Array): number {
  return ratio(norm(exact.map((value, k) => value - other[k]!)), norm(exact));
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((total, value) => total + value * value, 0));
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Of two lengths; 0 over 0 is 0, as where everything is known. */
function ratio(above: number, below: number): number {
  return above === 0 ? 0 : above / below;
}
