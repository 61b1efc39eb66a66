// The products of matrices that a step of training of a latent tree encoder needs.
// SPDX-License-Identifier: Apache-2.0

/** [rows, inner] . [inner, columns], so many times. */
export interface Product {
  rows: number;
  inner: number;
  columns: number;
  transposeA: boolean;
  transposeB: boolean;
  times: number;
}

/**
 * The products of a step on sentences of one length, with the LSTM of the leaves; the classifier's are too few to count.
 *
 * @param form 'textbook': every pair of neighbours is composed at every step. 'once': a node meets the kernel once forward; backward, each pair
 *   once for its score and once if it is merged.
 */
export function products(form: 'textbook' | 'once', length: number, batch: number, units: number): Product[] {
  const leaves = [
    ...trained(batch * length, units, 4 * units),
    forward(batch, units, 4 * units, length - 1),
    backward(batch, units, 4 * units, length - 1),
    weights(batch * length, units, 4 * units),
  ];
  if (form === 'textbook') {
    const steps = Array.from({length: length - 1}, (_, step) => batch * (length - 1 - step));
    return [...leaves, ...steps.flatMap(rows => trained(rows, 2 * units, 5 * units))];
  }
  const merges = length - 1;
  const numPairs = merges + 2 * (merges - 1); // at most: a merge at an end of the sentence makes one pair
  return [
    ...leaves,
    forward(batch * length, units, 10 * units),
    forward(batch, units, 10 * units, merges - 1),
    backward(batch * numPairs, 2 * units, 5 * units),
    backward(batch, 2 * units, 5 * units, merges),
    weights(batch * (length + merges), units, 10 * units),
  ];
}

/** Floating-point operations of products, two a multiplication and addition. */
export function productsFlops(list: readonly Product[]): number {
  return list.reduce((sum, {rows, inner, columns, times}) => sum + 2 * rows * inner * columns * times, 0);
}

/** x . W, its gradients with respect to x and to W. */
function trained(rows: number, inner: number, columns: number): Product[] {
  return [forward(rows, inner, columns), backward(rows, inner, columns), weights(rows, inner, columns)];
}

function forward(rows: number, inner: number, columns: number, times = 1): Product {
  return {rows, inner, columns, transposeA: false, transposeB: false, times};
}

function backward(rows: number, inner: number, columns: number, times = 1): Product {
  return {rows, inner: columns, columns: inner, transposeA: false, transposeB: true, times};
}

function weights(rows: number, inner: number, columns: number): Product {
  return {rows: inner, inner: rows, columns, transposeA: true, transposeB: false, times: 1};
}
