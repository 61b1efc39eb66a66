// The surrogate against the normal equations and closed forms, and the search by it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {createControlVariate} from '../../examples/search-table/control-variate.js';
import {estimatorProposer} from '../../examples/search-table/estimator-proposer.js';
import {normals} from '../../examples/search-table/normals.js';
import {choicesOf, codeOf, createProblem, NUM_CELLS} from '../../examples/search-table/problem.js';
import {
  addAt,
  allValues,
  NUM_FEATURES,
  type Quadratic,
  valueAt,
  zeroQuadratic,
} from '../../examples/search-table/quadratic.js';
import {toTensors} from '../../examples/search-table/quadratic-tensors.js';
import {randomCells} from '../../examples/search-table/random-search.js';
import {CellRegression, WEIGHTS} from '../../examples/search-table/regression.js';
import {bestNew, enumerateCells, NUM_RANDOM, surrogateSearch} from '../../examples/search-table/surrogate-search.js';
import {createSyntheticTable} from '../../examples/search-table/synthetic-table.js';
import {type EstimatorName, seeded} from '../../src/estimators/index.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

const VARIANCES = {intercept: 2, linear: 0.3, pair: 0.1, noise: 0.2};
/** Of a system of 406 equations in float64. */
const SOLVED = 1e-8;
/** Of float32. */
const ROUNDING = 2e-5;
/** How many standard errors a right program may be off, by chance alone once in 16,000 times. */
const ERRORS = 4;

const problem = createProblem(createSyntheticTable(3), 'cifar10', 'valid-200');

/** A function with weights from a seed, of size 1. */
function randomQuadratic(seed: number): Quadratic {
  const random = seeded(seed);
  const made = zeroQuadratic();
  made.intercept = normals(1, random)[0]!;
  made.linear.set(normals(NUM_FEATURES, random));
  for (let i = 0; i < NUM_FEATURES; ++i) {
    for (let j = 0; j < i; ++j) {
      if (Math.floor(i / 5) === Math.floor(j / 5)) continue;
      const [weight] = normals(1, random);
      made.pairs[i * NUM_FEATURES + j] = weight!;
      made.pairs[j * NUM_FEATURES + i] = weight!;
    }
  }
  return made;
}

/** 1, the one-hot operations and all products of two on different edges. */
function features(cell: number): number[] {
  const oneHot = choicesOf(cell).flatMap(choice => [0, 1, 2, 3, 4].map(operation => Number(operation === choice)));
  const products: number[] = [];
  for (let i = 0; i < NUM_FEATURES; ++i) {
    for (let j = i + 1; j < NUM_FEATURES; ++j) {
      if (Math.floor(i / 5) !== Math.floor(j / 5)) products.push(oneHot[i]! * oneHot[j]!);
    }
  }
  return [1, ...oneHot, ...products];
}

/** Solves A x = b by Gauss' elimination with pivots. */
function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const n = rows.length;
  for (let k = 0; k < n; ++k) {
    let pivot = k;
    for (let i = k + 1; i < n; ++i) if (Math.abs(rows[i]![k]!) > Math.abs(rows[pivot]![k]!)) pivot = i;
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = 0; i < n; ++i) {
      if (i === k) continue;
      const factor = rows[i]![k]! / rows[k]![k]!;
      if (factor !== 0) for (let j = k; j <= n; ++j) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

describe('quadratic functions', () => {
  test('the value is the sum over the features, and allValues holds it for every cell', () => {
    const f = randomQuadratic(1);
    const weights = [f.intercept, ...f.linear];
    for (let i = 0; i < NUM_FEATURES; ++i) {
      for (let j = i + 1; j < NUM_FEATURES; ++j) {
        if (Math.floor(i / 5) !== Math.floor(j / 5)) weights.push(f.pairs[i * NUM_FEATURES + j]!);
      }
    }
    expect(weights).toHaveLength(WEIGHTS);
    for (const cell of [0, 77, 4321, NUM_CELLS - 1]) {
      const sum = features(cell).reduce((total, feature, k) => total + feature * weights[k]!, 0);
      expect(valueAt(f, cell)).toBeCloseTo(sum, 10);
    }
    const all = allValues(f);
    expectClose(
      all,
      Float64Array.from({length: NUM_CELLS}, (_, cell) => valueAt(f, cell)),
      1e-10,
    );
  });

  test('adding at a cell raises a value by what the two cells have in common', () => {
    const f = zeroQuadratic();
    addAt(f, codeOf([1, 2, 3, 4, 0, 1]), {intercept: 100, linear: 10, pair: 1});
    expect(valueAt(f, codeOf([1, 2, 3, 4, 0, 1]))).toBe(100 + 6 * 10 + 15);
    expect(valueAt(f, codeOf([1, 2, 3, 0, 1, 0]))).toBe(100 + 3 * 10 + 3);
    expect(valueAt(f, codeOf([0, 0, 0, 0, 1, 0]))).toBe(100);
  });
});

describe('the regression', () => {
  test('is the solution of the normal equations of ridge regression', () => {
    const cells = Array.from(randomCells(4, 40));
    const targets = cells.map((_, i) => Math.sin(i));
    const regression = new CellRegression(cells.length, VARIANCES);
    for (const cell of cells) regression.add(cell);
    // Minimise sum (y - w . x)^2 / noise + sum w^2 / variance: (X' X + noise / variance) w = X' y.
    const rows = cells.map(features);
    const variances = rows[0]!.map((_, k) =>
      k === 0 ? VARIANCES.intercept : k <= NUM_FEATURES ? VARIANCES.linear : VARIANCES.pair,
    );
    const matrix = variances.map((variance, k) =>
      variances.map(
        (_, l) => rows.reduce((sum, row) => sum + row[k]! * row[l]!, 0) + (k === l ? VARIANCES.noise / variance : 0),
      ),
    );
    const weights = solve(
      matrix,
      variances.map((_, k) => rows.reduce((sum, row, i) => sum + row[k]! * targets[i]!, 0)),
    );
    const {intercept, linear, pairs} = regression.mean(targets);
    const actual = [intercept, ...linear];
    for (let i = 0; i < NUM_FEATURES; ++i) {
      for (let j = i + 1; j < NUM_FEATURES; ++j) {
        if (Math.floor(i / 5) !== Math.floor(j / 5)) actual.push(pairs[i * NUM_FEATURES + j]!);
        expect(pairs[i * NUM_FEATURES + j]).toBe(pairs[j * NUM_FEATURES + i]);
      }
    }
    expectClose(actual, weights, SOLVED);
  });

  test('knows an additive table everywhere, and one of pairs, from cells that determine it', () => {
    // 1 + 6 * 4 + 15 * 16 = 265 numbers determine such a table; 500 random cells hold them. The penalty, 1e-7, leaves errors of its size.
    const cells = randomCells(9, 500);
    const additive = randomQuadratic(2);
    additive.pairs.fill(0);
    for (const truth of [additive, randomQuadratic(3)]) {
      const regression = new CellRegression(cells.length, {...VARIANCES, noise: 1e-7});
      for (const cell of cells) regression.add(cell);
      const fitted = regression.mean(Array.from(cells, cell => valueAt(truth, cell)));
      expectClose(allValues(fitted), allValues(truth), 1e-4);
    }
  });

  test('a draw has the mean and the variance of the posterior, at a cell that was seen and at another', () => {
    // One cell, k = its covariance 2 + 6 * .3 + 15 * .1 = 5.3; the other has two edges alike, c = 2 + .6 + .1 = 2.7. With a target y:
    // means y k / (k + noise), y c / (k + noise); variances k - k^2 / (k + noise), k - c^2 / (k + noise).
    const [seen, other] = [codeOf([1, 1, 1, 1, 1, 1]), codeOf([1, 1, 0, 0, 0, 0])];
    const regression = new CellRegression(1, VARIANCES);
    regression.add(seen);
    const [y, k, c] = [1.5, 5.3, 2.7];
    const total = k + VARIANCES.noise;
    const random = seeded(6);
    const count = 4000;
    const drawn = Array.from({length: count}, () => regression.draw([y], normals(WEIGHTS + 1, random)));
    for (const [cell, covariance] of [
      [seen, k],
      [other, c],
    ] as const) {
      const values = drawn.map(f => valueAt(f, cell));
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
      const expected = k - covariance ** 2 / total;
      expect(Math.abs(mean - (y * covariance) / total)).toBeLessThan(ERRORS * Math.sqrt(expected / count));
      expect(Math.abs(variance / expected - 1)).toBeLessThan(ERRORS * Math.sqrt(2 / count));
    }
    expectClose(allValues(regression.draw([y], new Float64Array(WEIGHTS + 1))), allValues(regression.mean([y])), 1e-12);
  });
});

describe('the search', () => {
  const task = (seeds: number[], evaluations: number) => ({problem, seeds, evaluations, turn: async () => true});

  test('the best new cell is the highest that was not looked up', () => {
    const proposal = {cells: Uint16Array.of(5, 9, 7, 9), values: Float64Array.of(1, 3, 2, 3)};
    expect(bestNew(proposal, [])).toBe(9);
    expect(bestNew(proposal, [9, 1])).toBe(7);
    expect(bestNew(proposal, [9, 7, 5])).toBe(undefined);
  });

  test('begins with the cells of random search, looks up none twice, and soon finds the best', async () => {
    const cells = (await surrogateSearch(enumerateCells)(task([3, 8], 60)))!;
    for (const [i, seed] of [3, 8].entries()) {
      const ofSeed = cells.subarray(i * 60, (i + 1) * 60);
      expect(ofSeed.subarray(0, NUM_RANDOM)).toEqual(randomCells(seed, NUM_RANDOM));
      expect(new Set(ofSeed).size).toBe(60);
      // Of random cells the best 1 % would hold 0.6 in 60.
      const order = problem.signal.toSorted().toReversed();
      const good = ofSeed.filter(cell => problem.signal[cell]! >= order[156]!).length;
      expect(good).toBeGreaterThan(10);
    }
  });

  test('a proposer that finds nothing new leaves the choice to chance', async () => {
    const cells = (await surrogateSearch(
      seeds => async () =>
        seeds.map(() => ({
          cells: Uint16Array.of(1),
          values: Float64Array.of(0),
        })),
    )(task([3], 15)))!;
    expect(new Set(cells).size).toBe(15);
    expect(cells).toContain(1);
  });

  test('fewer evaluations than random cells at the start are all random', async () => {
    expect(await surrogateSearch(enumerateCells)(task([3], 4))).toEqual(randomCells(3, 4));
  });
});

eachBackendOfPrograms('surrogates in tensors', () => {
  test('values and gradients at cells are those of the functions', () => {
    const functions = [randomQuadratic(4), randomQuadratic(5)];
    const cells = [
      [12, 3456, 15000],
      [0, 99, 7777],
    ];
    const tensors = toTensors(functions);
    const rows = cells.flat().map(cell => features(cell).slice(1, 1 + NUM_FEATURES));
    const oneHot = tf.reshape(tf.tensor2d(rows), [2, 3, 6, 5]);
    const values = tensors.valuesAt(oneHot);
    expect(values.shape).toEqual([2, 3]);
    expectClose(
      values,
      functions.flatMap((f, i) => cells[i]!.map(cell => valueAt(f, cell))),
      ROUNDING,
    );
    // linear + pairs x, by a slow loop.
    const slopes = rows.flatMap((row, i) => {
      const {linear, pairs} = functions[Math.floor(i / 3)]!;
      return Array.from(linear, (weight, k) =>
        row.reduce((sum, x, l) => sum + pairs[k * NUM_FEATURES + l]! * x, weight),
      );
    });
    expectClose(tf.grad(x => tf.sum(tensors.valuesAt(x)))(oneHot), slopes, ROUNDING);
    tensors.dispose();
  });

  test.each(['reinmax', 'straightThrough', 'straightThroughGumbelSoftmax', 'gumbelRao'] as EstimatorName[])(
    '%s is led to the maximum of an additive function, each seed by its own noise, and leaves no tensor',
    async name => {
      // One operation of each edge is worth 2 more than the others: 1 draw of 15,625 would be the best, and 60 are made.
      const additive = (best: number[]) => {
        const f = zeroQuadratic();
        best.forEach((operation, edge) => {
          f.linear[edge * 5 + operation] = 2;
        });
        return f;
      };
      const bests = [
        [0, 1, 2, 3, 4, 0],
        [4, 4, 1, 0, 2, 3],
        [3, 3, 3, 3, 3, 3],
      ];
      const propose = estimatorProposer({name, temperature: 0.7});
      const numTensors = tf.memory().numTensors;
      const together = await propose([1, 2, 3])(bests.map(additive));
      expect(tf.memory().numTensors).toBe(numTensors);
      together.forEach(({cells, values}, i) => {
        expect(cells).toHaveLength(values.length);
        expect(bestNew({cells, values}, [])).toBe(codeOf(bests[i]!));
        expect(Math.max(...values)).toBe(12);
      });
      if (name === 'gumbelRao') return; // its noise lies sample by sample, not seed by seed
      const [alone] = await propose([2])([additive(bests[1]!)]);
      expect(alone).toEqual(together[1]);
    },
  );

  test("RELAX's control variate predicts nothing at first, then the losses of each seed by its own regression", () => {
    const seeds = 2;
    const evaluations = 20;
    const cells = Uint16Array.from([1, 2].flatMap(seed => Array.from(randomCells(seed, evaluations))));
    const numTensors = tf.memory().numTensors;
    const control = createControlVariate(seeds, evaluations);
    const at = [777, 778];
    const rows = at.flatMap(cell => features(cell).slice(1, 1 + NUM_FEATURES));
    const oneHot = tf.tensor(rows, [2, 6, 5]);
    const values = () => tf.tidy(() => list(control.valuesAt(oneHot)));
    for (let count = 1; count < 10; ++count) control.learn(cells, problem.signal, count);
    expect(values()).toEqual([0, 0]);
    for (let count = 10; count <= 12; ++count) control.learn(cells, problem.signal, count); // fitted at 10
    const expected = [0, 1].map(i => {
      const own = cells.subarray(i * evaluations, i * evaluations + 10);
      const losses = Array.from(own, cell => (problem.signal[own[0]!]! - problem.signal[cell]!) / 100);
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / 10;
      const scale = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 10);
      const regression = new CellRegression(10, {intercept: 1, linear: 0.5 / 6, pair: 0.5 / 15, noise: 0.05});
      for (const cell of own) regression.add(cell);
      const standard = losses.map(loss => (loss - mean) / scale);
      return mean + scale * valueAt(regression.mean(standard), at[i]!);
    });
    expectClose(values(), expected, ROUNDING);
    control.dispose();
    oneHot.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
