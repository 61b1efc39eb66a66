// Orthogonal initial weights (Saxe et al. 2014), for the sizes of a recurrent network: tfjs' own initializer is unusably slow there.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkPositive, show, ValueError} from '../errors.js';
import {normalNumbers} from '../random/normal.js';
import {type RandomSource, seeded, unseeded} from '../random/random-source.js';
import {resolveInitializer} from './initializers.js';
import type {Initializer, InitializerIdentifier} from './tfjs-types.js';

/** Options of `orthogonalMatrix`. */
export interface OrthogonalMatrixArgs {
  /** What the orthonormal vectors are multiplied by, above 0. Default 1. */
  gain?: number;
  /** Makes the matrix a function of the seed and its shape, the same on every backend. Default: different each time. */
  seed?: number | null;
}

// Layers accept subclasses of tfjs' class only, which its package index does not export.
const Base = Object.getPrototypeOf(tfl.initializers.zeros().constructor) as (abstract new () => Initializer) &
  Pick<typeof tf.serialization.Serializable, 'fromConfig'>;

/**
 * Fills a matrix [rows, cols] with gain times orthonormal rows where rows <= cols, and with gain times orthonormal columns elsewhere; all
 * such matrices are equally likely. Computed on the host in float64.
 *
 * Reference: Saxe, McClelland and Ganguli, Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks, 2014.
 * https://arxiv.org/abs/1312.6120
 */
export class OrthogonalMatrix extends Base {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'OrthogonalMatrix';

  readonly #gain: number;
  readonly #seed: number | null;

  constructor({gain = 1, seed = null}: OrthogonalMatrixArgs = {}) {
    super();
    checkPositive('OrthogonalMatrix', 'gain', gain);
    if (seed !== null) seeded(seed); // refuses what is no seed
    this.#gain = gain;
    this.#seed = seed;
  }

  /** Draws a matrix of the shape [rows, cols]; a ValueError for any other shape. */
  override apply(shape: tfl.Shape): tf.Tensor {
    const [rows, cols] = shape;
    if (shape.length !== 2 || rows == null || cols == null) {
      throw new ValueError(
        `OrthogonalMatrix: the weights must be a matrix [rows, cols], but their shape is ${show(shape)}.`,
      );
    }
    const random = this.#seed === null ? unseeded() : seeded(this.#seed);
    const isWide = rows <= cols;
    const [count, length] = isWide ? [rows, cols] : [cols, rows];
    const vectors = orthonormalRows(count, length, random);
    const values = new Float32Array(rows * cols);
    for (let i = 0; i < count; ++i) {
      for (let j = 0; j < length; ++j) values[isWide ? i * cols + j : j * cols + i] = this.#gain * vectors[i]![j]!;
    }
    return tf.tensor2d(values, [rows, cols]);
  }

  /** The arguments, as tfjs saves them. */
  override getConfig(): tf.serialization.ConfigDict {
    return {gain: this.#gain, seed: this.#seed};
  }
}
tf.serialization.registerClass(OrthogonalMatrix);

/**
 * Makes an initializer for a matrix that keeps lengths.
 *
 * @throws ValueError for a gain that is not positive and finite or a seed that is no whole number, and when it is applied to anything but
 *   a matrix.
 * @example
 * ```ts
 * tf.layers.dense({units: 64, kernelInitializer: orthogonalMatrix({seed: 1})});
 * ```
 */
export function orthogonalMatrix(args: OrthogonalMatrixArgs = {}): OrthogonalMatrix {
  return new OrthogonalMatrix(args);
}

/** As `resolveInitializer`, where the name 'orthogonal' is this initializer and not tfjs' own. */
export function resolveMatrixInitializer(
  owner: string,
  field: string,
  identifier: InitializerIdentifier,
  seed?: number,
): Initializer {
  if (identifier === 'orthogonal') return orthogonalMatrix(seed === undefined ? {} : {seed});
  return resolveInitializer(owner, field, identifier, seed);
}

/** Orthonormal vectors, count <= length: normal ones, each freed of those before it by modified Gram-Schmidt. */
function orthonormalRows(count: number, length: number, random: RandomSource): Float64Array[] {
  const rows: Float64Array[] = [];
  for (let i = 0; i < count; ++i) {
    const row = normalNumbers(length, random);
    // Again where much of it was taken away, and with it many digits of what is left. Twice is enough (Parlett, The Symmetric Eigenvalue
    // Problem, 1998, section 6.9).
    const before = norm(row);
    project(row, rows);
    if (norm(row) < before / 2) project(row, rows);
    const scale = 1 / norm(row);
    for (let j = 0; j < length; ++j) row[j]! *= scale;
    rows.push(row);
  }
  return rows;
}

/** Takes from a row, in place, what lies along each of the others, which are orthonormal. */
function project(row: Float64Array, others: readonly Float64Array[]): void {
  for (const other of others) {
    const along = dot(row, other);
    for (let j = 0; j < row.length; ++j) row[j]! -= along * other[j]!;
  }
}

const norm = (x: Float64Array) => Math.sqrt(dot(x, x));

function dot(a: Float64Array, b: Float64Array): number {
  // Four sums, since each addition waits for the one before it.
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const {length} = a;
  let j = 0;
  for (; j + 3 < length; j += 4) {
    s0 += a[j]! * b[j]!;
    s1 += a[j + 1]! * b[j + 1]!;
    s2 += a[j + 2]! * b[j + 2]!;
    s3 += a[j + 3]! * b[j + 3]!;
  }
  for (; j < length; ++j) s0 += a[j]! * b[j]!;
  return s0 + s1 + (s2 + s3);
}
