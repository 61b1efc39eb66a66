// Orthogonal initial weights.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test, vi} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {orthogonalMatrix, resolveMatrixInitializer} from '../../src/layers/orthogonal.js';
import {CPU_AND_BACKENDS, eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {reload} from '../support/model.js';

/** A seed whose stream hardly differs from one row of three to the next, so that these are all but parallel. */
const PARALLEL = 99;

vi.mock('../../src/random/random-source.js', async original => {
  const module = await original<typeof import('../../src/random/random-source.js')>();
  let shift = 0;
  const parallel = () => ({
    uniform: () => {
      shift += 1e-12;
      return Float64Array.of(0.3, 0.2 + shift, 0.6, 0.9);
    },
  });
  return {...module, seeded: (seed: number) => (seed === PARALLEL ? parallel() : module.seeded(seed))};
});

/** Products of unit vectors that were rounded to float32 once. */
const ROUNDING = 1e-6;

/** Products of the vectors of the smaller side with each other, by a loop in float64. */
function products(matrix: tf.Tensor): number[] {
  const [rows, cols] = matrix.shape as [number, number];
  const values = list(matrix);
  const isWide = rows <= cols;
  const [count, length] = isWide ? [rows, cols] : [cols, rows];
  const at = (vector: number, j: number) => values[isWide ? vector * cols + j : j * cols + vector]!;
  return Array.from({length: count * count}, (_, k) => {
    let sum = 0;
    for (let j = 0; j < length; ++j) sum += at(Math.floor(k / count), j) * at(k % count, j);
    return sum;
  });
}

const identity = (n: number, scale: number) =>
  Array.from({length: n * n}, (_, k) => (Math.floor(k / n) === k % n ? scale : 0));

eachBackend('orthogonalMatrix', () => {
  test.each([
    [6, 15],
    [15, 6],
    [20, 20],
    [1, 7],
    [7, 1],
    [1, 1],
    [61, 64],
  ])('the vectors of the smaller side of [%d, %d] are orthogonal and of length gain', (rows, cols) => {
    for (const gain of [1, 2.5]) {
      const matrix = orthogonalMatrix({gain, seed: 3}).apply([rows, cols]);
      expect([matrix.shape, matrix.dtype]).toEqual([[rows, cols], 'float32']);
      expectClose(products(matrix), identity(Math.min(rows, cols), gain ** 2), gain ** 2 * ROUNDING);
    }
  });

  test('rows that were drawn all but parallel are orthogonal too', () => {
    // Of the second row a 1e-12 is left, with an error of 1e-16: orthogonal to four digits if it were projected once.
    expectClose(products(orthogonalMatrix({seed: PARALLEL}).apply([2, 3])), identity(2, 1), ROUNDING);
  });

  test('seeds decide: one seed gives one matrix, and another, or none, gives others', () => {
    const matrix = (seed?: number | null) => list(orthogonalMatrix(seed === undefined ? {} : {seed}).apply([4, 5]));
    expect(matrix(7)).toEqual(matrix(7));
    expect(matrix(7)).not.toEqual(matrix(8));
    expect(matrix()).not.toEqual(matrix(null));
  });

  test('a layer of a saved model starts by it and keeps it in its configuration', async () => {
    const kernelInitializer = orthogonalMatrix({gain: 0.5, seed: 9});
    const model = tfl.sequential({layers: [tfl.layers.dense({units: 3, inputShape: [5], kernelInitializer})]});
    expectClose(products(model.layers[0]!.getWeights()[0]!), identity(3, 0.25), ROUNDING);
    const loaded = await reload(model);
    expect(loaded.layers[0]!.getConfig().kernelInitializer).toEqual({
      className: 'OrthogonalMatrix',
      config: {gain: 0.5, seed: 9},
    });
    expect(list(loaded.layers[0]!.getWeights()[0]!)).toEqual(list(kernelInitializer.apply([5, 3])));
  });

  test('nothing but the matrix is left, and a side of zero gives an empty one', () => {
    const before = tf.memory().numTensors;
    expect(orthogonalMatrix({seed: 1}).apply([0, 3]).shape).toEqual([0, 3]);
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});

describe('orthogonalMatrix', () => {
  test('one seed gives one matrix on every backend', async () => {
    const matrices: number[][] = [];
    for (const backend of CPU_AND_BACKENDS) {
      await tf.setBackend(backend);
      matrices.push(list(orthogonalMatrix({seed: 4}).apply([30, 40])));
    }
    expect(matrices[1]).toEqual(matrices[0]);
  });

  test('directions are uniform: the first entry of a 3-vector has mean 0 and mean square 1/3', () => {
    const n = 4000;
    const firsts = Array.from({length: n}, (_, seed) => list(orthogonalMatrix({seed}).apply([2, 3])));
    for (const entry of [0, 4]) {
      // Uniform on the sphere, an entry is uniform in (-1, 1): variance 1/3, and variance 4/45 of its square. Five deviations.
      const mean = firsts.reduce((sum, m) => sum + m[entry]!, 0) / n;
      const square = firsts.reduce((sum, m) => sum + m[entry]! ** 2, 0) / n;
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 3 / n));
      expect(Math.abs(square - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / n));
    }
  });

  test("the name 'orthogonal' is this initializer, and other names are those of tfjs", () => {
    const named = resolveMatrixInitializer('Owner', 'field', 'orthogonal', 5);
    expect([named.getClassName(), named.getConfig()]).toEqual(['OrthogonalMatrix', {gain: 1, seed: 5}]);
    expect(resolveMatrixInitializer('Owner', 'field', 'zeros').getClassName()).toBe('Zeros');
    expect(() => resolveMatrixInitializer('Owner', 'field', 'orthogonl')).toThrow(
      'Owner: field must be an initializer',
    );
  });

  test.each([
    [() => orthogonalMatrix({gain: 0}), 'OrthogonalMatrix: gain must be a positive finite number, but got 0.'],
    [() => orthogonalMatrix({seed: 1.5}), 'seeded: seed must be a whole number'],
    [() => orthogonalMatrix().apply([2, 3, 4]), 'OrthogonalMatrix: the weights must be a matrix [rows, cols], but'],
    [
      () => orthogonalMatrix().apply([3]),
      'OrthogonalMatrix: the weights must be a matrix [rows, cols], but their shape is [3].',
    ],
  ])('bad arguments are refused, case %#', (call, words) => {
    expect(call).toThrow(ValueError);
    expect(call).toThrow(words);
  });
});
