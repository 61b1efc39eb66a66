// All codes of a few categorical variables: their probabilities, and exact sums over them.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';

/** The size of a code. */
export interface CodeSize {
  numLatents: number;
  numCategories: number;
}

/** More codes than these are not enumerated. */
export const MOST_CODES = 2 ** 14;

/** How many codes there are. */
export function countCodes({numLatents, numCategories}: CodeSize): number {
  return numCategories ** numLatents;
}

/** Refuses a code that is too large to be enumerated. */
export function checkSize(size: CodeSize): void {
  const count = countCodes(size);
  if (count > MOST_CODES || size.numCategories < 2) {
    const text = `${size.numCategories}x${size.numLatents}`;
    throw new ValueError(
      `--size: the codes must be enumerated, at most ${MOST_CODES} of 2 categories or more, but ${text} has ${count}.`,
    );
  }
}

/** The category of a variable in a code; codes are counted as numbers are written, the last variable changing first. */
function categoryOf(code: number, latent: number, {numLatents, numCategories}: CodeSize): number {
  return Math.floor(code / numCategories ** (numLatents - 1 - latent)) % numCategories;
}

/** All codes, one-hot, [codes, numLatents * numCategories], row by row. */
export function allCodes(size: CodeSize): Float32Array {
  const {numLatents, numCategories} = size;
  const width = numLatents * numCategories;
  const values = new Float32Array(countCodes(size) * width);
  for (let code = 0; code < countCodes(size); ++code) {
    for (let latent = 0; latent < numLatents; ++latent) {
      values[code * width + latent * numCategories + categoryOf(code, latent, size)] = 1;
    }
  }
  return values;
}

/** What a one-hot code is multiplied with to give its number. */
export function placeValues({numLatents, numCategories}: CodeSize): number[] {
  return Array.from({length: numLatents * numCategories}, (_, i) => {
    const latent = Math.floor(i / numCategories);
    return (i % numCategories) * numCategories ** (numLatents - 1 - latent);
  });
}

/** softmax of each variable's logits, in float64. */
export function latentProbabilities(logits: ArrayLike<number>, {numLatents, numCategories}: CodeSize): Float64Array {
  const probs = new Float64Array(logits.length);
  for (let latent = 0; latent < numLatents; ++latent) {
    const begin = latent * numCategories;
    const own = Array.from({length: numCategories}, (_, k) => logits[begin + k]!);
    const top = Math.max(...own);
    const weights = own.map(logit => Math.exp(logit - top));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, k) => {
      probs[begin + k] = weight / total;
    });
  }
  return probs;
}

/** The probability of each code: the product of its variables'. */
export function codeProbabilities(probs: Float64Array, {numLatents, numCategories}: CodeSize): Float64Array {
  let products = Float64Array.of(1);
  for (let latent = 0; latent < numLatents; ++latent) {
    const next = new Float64Array(products.length * numCategories);
    for (let i = 0; i < next.length; ++i) {
      next[i] = products[Math.floor(i / numCategories)]! * probs[latent * numCategories + (i % numCategories)]!;
    }
    products = next;
  }
  return products;
}

/**
 * The gradient of sum over codes of q(code) loss(code) with respect to the logits: for category c of variable l, the sum over the codes
 * that have it of q (loss - E loss), since d q / d logit = q (1[the code has c at l] - p_c).
 */
export function exactGradient(
  codeProbs: Float64Array,
  probs: Float64Array,
  losses: ArrayLike<number>,
  size: CodeSize,
): Float64Array {
  const {numLatents, numCategories} = size;
  let mean = 0;
  codeProbs.forEach((q, code) => {
    mean += q * losses[code]!;
  });
  const gradient = new Float64Array(probs.length);
  let rest = 0; // what rounding leaves of E (loss - E loss)
  codeProbs.forEach((q, code) => {
    const weighted = q * (losses[code]! - mean);
    rest += weighted;
    for (let latent = 0; latent < numLatents; ++latent) {
      gradient[latent * numCategories + categoryOf(code, latent, size)]! += weighted;
    }
  });
  return gradient.map((value, i) => value - probs[i]! * rest);
}

/** Codes drawn by their probabilities, as their numbers; one uniform each. */
export function drawCodes(codeProbs: Float64Array, count: number, random: RandomSource): Uint32Array {
  const cumulative = new Float64Array(codeProbs.length);
  let total = 0;
  codeProbs.forEach((q, code) => {
    total += q;
    cumulative[code] = total;
  });
  return Uint32Array.from(random.uniform(count), u => {
    let [low, high] = [0, cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > u * total) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}
