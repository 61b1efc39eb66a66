import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {seeded} from '../../src/random/random-source.js';
import {assign} from '../../src/router/assign.js';
import {
  deadExperts,
  droppedFraction,
  expertCounts,
  expertCountsOnDevice,
  expertUsage,
  fractionOfTokensLeftBehind,
  loadEntropy,
  maxViolation,
  routerConfidence,
} from '../../src/router/assignment-metrics.js';
import type {Assignment} from '../../src/router/types.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {numCases} from '../support/long-tests.js';
import {slowAssign, slowCases, slowCounts} from './slow-assign.js';

/** Quotients of small numbers in float32, and a sum of logarithms. */
const ROUNDING = 1e-6;
const PROPERTY = {seed: 20260402, numRuns: numCases(40)};

const int = (rows: number[][]) => tf.tensor2d(rows.flat(), [rows.length, rows[0]!.length], 'int32');
const counts = (...values: number[]) => tf.tensor1d(values, 'float32');

eachBackend('the metrics of an assignment', () => {
  // Token 0 is served by expert 0 alone, token 1 by both, token 2 by none, token 3 made one choice and lost it, token 4 is padding.
  const wanted = [
    [0, 2],
    [0, 2],
    [2, 0],
    [0, -1],
    [-1, -1],
  ];
  const assignment = (): Assignment => ({
    numExperts: 3,
    capacity: 2,
    experts: int([
      [0, -1],
      [0, 2],
      [-1, -1],
      [-1, -1],
      [-1, -1],
    ]),
    positions: int([
      [0, -1],
      [1, 0],
      [-1, -1],
      [-1, -1],
      [-1, -1],
    ]),
  });

  test('are these in a case worked by hand', () => {
    const weights = tf.tensor2d([0.6, 0.4, 0.7, 0.3, 0.9, 0.1, 1, 0, 0, 0], [5, 2]);
    expectClose(expertCounts(int(wanted), 3), [4, 0, 3], 0);
    expectClose(droppedFraction(int(wanted), assignment()), [4 / 7], ROUNDING);
    expectClose(fractionOfTokensLeftBehind(int(wanted), assignment()), [2 / 4], ROUNDING);
    expectClose(expertUsage(assignment()), [3 / (3 * 2)], ROUNDING);
    expectClose(routerConfidence(weights, assignment()), [(0.6 + 0.7 + 0.3) / 3], ROUNDING);
  });

  test('are what a count over lists gives', () => {
    fc.assert(
      fc.property(slowCases, given => {
        tf.tidy(() => {
          const {indices, numExperts, weights} = given;
          const {experts} = slowAssign({...given, order: 'position'});
          const {capacity: asked} = given;
          const actual = assign(int(indices), numExperts, asked === undefined ? {} : {capacity: asked});
          const [made, stay] = [indices, experts].map(rows => rows.flat().filter(e => e >= 0).length) as [
            number,
            number,
          ];
          const tokens = indices.filter(row => row.some(e => e >= 0)).length;
          const served = experts.filter(row => row.some(e => e >= 0)).length;
          const sum = weights.flat().reduce((total, w, i) => total + (experts.flat()[i]! >= 0 ? w : 0), 0);
          const over = (part: number, whole: number) => [whole === 0 ? 0 : part / whole];
          expectClose(expertCounts(int(indices), numExperts), slowCounts(indices, numExperts), 0);
          expectClose(expertCountsOnDevice(int(indices), numExperts), slowCounts(indices, numExperts), 0);
          expectClose(droppedFraction(int(indices), actual), over(made - stay, made), ROUNDING);
          expectClose(fractionOfTokensLeftBehind(int(indices), actual), over(tokens - served, tokens), ROUNDING);
          expectClose(expertUsage(actual), over(stay, numExperts * actual.capacity), ROUNDING);
          const shape = [weights.length, weights[0]!.length] as [number, number];
          expectClose(routerConfidence(tf.tensor2d(weights.flat(), shape), actual), over(sum, stay), ROUNDING);
        });
      }),
      PROPERTY,
    );
  });

  test('count what was chosen and not what was kept', () => {
    // Megatron's balancing loss read the counts after dropping and called an overloaded expert balanced (issue 1513).
    const indices = int([[0], [0], [0], [0], [1]]);
    const {experts} = assign(indices, 2, {capacity: 1});
    expectClose(expertCounts(indices, 2), [4, 1], 0);
    expectClose(expertCounts(experts, 2), [1, 1], 0);
  });

  test('are 0 where there are no tokens and where nothing is chosen', () => {
    for (const indices of [tf.zeros([0, 2], 'int32') as tf.Tensor2D, int([[-1, -1]])]) {
      const none = assign(indices, 3);
      expectClose(expertCounts(indices, 3), [0, 0, 0], 0);
      expectClose(expertCountsOnDevice(indices, 3), [0, 0, 0], 0);
      for (const metric of [droppedFraction, fractionOfTokensLeftBehind]) expectClose(metric(indices, none), [0], 0);
      expectClose(expertUsage(none), [0], 0);
      expectClose(routerConfidence(tf.zeros(indices.shape), none), [0], 0);
    }
  });

  test('do not look at weights of choices without a place', () => {
    const weights = tf.tensor2d([0.6, Number.NaN, 0.7, 0.3, ...new Array(6).fill(Number.NaN)], [5, 2]);
    expectClose(routerConfidence(weights, assignment()), [1.6 / 3], ROUNDING);
  });

  test('of the load are 0 violation, no dead expert and entropy 1 at perfect balance, whatever the scale', () => {
    for (const load of [counts(5, 5, 5, 5), counts(0.001, 0.001), counts(7)]) {
      expectClose(maxViolation(load), [0], ROUNDING);
      expectClose(deadExperts(load), [0], 0);
      expectClose(loadEntropy(load), [1], ROUNDING);
    }
  });

  test('of the load are E - 1 violation, E - 1 dead experts and entropy 0 where one expert has all', () => {
    const load = counts(0, 0, 12, 0);
    expectClose(maxViolation(load), [3], ROUNDING);
    expectClose(deadExperts(load), [3], 0);
    expectClose(loadEntropy(load), [0], ROUNDING);
  });

  test('of an uneven load are the maximum over the mean and the entropy over its bound', () => {
    // 4, 2, 0, 2: mean 2. Shares 1/2, 1/4, 0, 1/4 have an entropy of 1.5 bits, of 2 at most.
    const load = counts(4, 2, 0, 2);
    expectClose(maxViolation(load), [1], ROUNDING);
    expectClose(deadExperts(load), [1], 0);
    expectClose(loadEntropy(load), [0.75], ROUNDING);
  });

  test('of no load find nothing out of balance, and every expert without a token', () => {
    expectClose(maxViolation(counts(0, 0)), [0], 0);
    expectClose(loadEntropy(counts(0, 0)), [1], 0);
    expectClose(deadExperts(counts(0, 0)), [2], 0);
  });

  test('take integer counts', () => {
    const load = tf.tensor1d([4, 2, 0, 2], 'int32');
    expect([list(maxViolation(load)), list(deadExperts(load))]).toEqual([[1], [1]]);
    expectClose(loadEntropy(load), [0.75], ROUNDING);
  });

  test('are float32, carry no gradient and leave nothing behind', () => {
    const indices = int(wanted);
    const places = assignment();
    const weights = tf.ones([5, 2]) as tf.Tensor2D;
    const load = counts(4, 0, 3);
    for (const metric of [
      () => expertCounts(indices, 3),
      () => expertCountsOnDevice(indices, 3),
      () => droppedFraction(indices, places),
      () => fractionOfTokensLeftBehind(indices, places),
      () => expertUsage(places),
      () => routerConfidence(weights, places),
      () => maxViolation(load),
      () => deadExperts(load),
      () => loadEntropy(load),
    ]) {
      const before = tf.memory().numTensors;
      const value = metric();
      expect([value.dtype, tf.memory().numTensors]).toEqual(['float32', before + 1]);
    }
    const gradient = tf.grad(x => tf.add(tf.sum(x), routerConfidence(tf.mul(2, x) as tf.Tensor2D, places)))(weights);
    expectClose(gradient, new Array(10).fill(1), 0);
  });

  test('refuse shapes that do not match', () => {
    const other = assign(int([[0]]), 2);
    const indices = int(wanted);
    expect(() => droppedFraction(indices, other)).toThrow(
      'droppedFraction: assignment.experts must have shape of indices = [5, 2], but got [1, 1].',
    );
    expect(() => fractionOfTokensLeftBehind(indices, other)).toThrow('fractionOfTokensLeftBehind: assignment.experts');
    expect(() => routerConfidence(tf.zeros([5, 2]), other)).toThrow(
      'routerConfidence: assignment.experts must have shape of weights = [5, 2], but got [1, 1].',
    );
    expect(() => expertCounts(indices, 0)).toThrow(
      'expertCounts: numExperts must be a whole number of at least 1, but got 0.',
    );
    for (const metric of [maxViolation, deadExperts, loadEntropy]) {
      expect(() => metric(tf.zeros([0]))).toThrow(
        `${metric.name}: counts must have shape [numExperts] with at least one expert, but got [0].`,
      );
    }
  });

  test('count as many choices on a device as on the host', () => {
    const experts = Int32Array.from(seeded(2).uniform(3000), u => Math.floor(9 * u) - 1);
    const indices = tf.tensor2d(experts, [1500, 2], 'int32');
    expect(list(expertCountsOnDevice(indices, 8))).toEqual(list(expertCounts(indices, 8)));
  });
});
