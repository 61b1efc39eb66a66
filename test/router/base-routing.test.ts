import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {baseRouting} from '../../src/router/base-routing.js';
import {ON_HOST, onDevice, onHost, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

const ROUNDING = 1e-6;
const NEVER = Number.NEGATIVE_INFINITY;
const [T, E] = [7, 3];
const LOGITS = numbers(1, T * E, -3, 3).map((z, i) => (i % E === 1 ? z + 4 : z)); // expert 1 is in demand
const logits = () => tf.tensor2d(LOGITS, [T, E]);

/** The best of all E^n assignments of n rows with loads that differ by one at most. Without ties, as here, there is one. */
function bestByEnumeration(rows: number[][]): number[] {
  let best: {sum: number; experts: number[]} = {sum: NEVER, experts: []};
  for (let code = 0; code < E ** rows.length; ++code) {
    const experts = rows.map((_, t) => Math.floor(code / E ** t) % E);
    const loads = Array.from({length: E}, (_, e) => experts.filter(x => x === e).length);
    const sum = experts.reduce((total, e, t) => total + rows[t]![e]!, 0);
    if (Math.max(...loads) - Math.min(...loads) <= 1 && sum > best.sum) best = {sum, experts};
  }
  return best.experts;
}

eachBackend('baseRouting', () => {
  test.skipIf(!ON_HOST)(
    `takes the best balanced assignment in training and the largest logit else${WHY_ON_HOST}`,
    () => {
      const rows = logits().arraySync();
      const training = list(baseRouting(logits(), {training: true}).indices);
      expect(training).toEqual(bestByEnumeration(rows));
      const greedy = list(baseRouting(logits()).indices);
      expect(greedy).toEqual(rows.map(row => row.indexOf(Math.max(...row))));
      expect(greedy).not.toEqual(training);
    },
  );

  test.skipIf(!ON_HOST)(
    `weights are sigmoids of the chosen logits, residual weights their complements, with their gradients${WHY_ON_HOST}`,
    () => {
      for (const training of [false, true]) {
        const {indices, weights, residualWeights, probs} = baseRouting(logits(), {training});
        const sigmoids = list(indices).map((e, t) => 1 / (1 + Math.exp(-LOGITS[t * E + e]!)));
        expect([weights.shape, residualWeights.shape]).toEqual([[T, 1], [T]]);
        expectClose(weights, sigmoids, ROUNDING);
        expectClose(
          residualWeights,
          sigmoids.map(s => 1 - s),
          ROUNDING,
        );
        expectClose(probs, list(tf.softmax(logits())), ROUNDING);
        const slopes = LOGITS.map((_, i) => {
          const s = sigmoids[Math.floor(i / E)]!;
          return list(indices)[Math.floor(i / E)] === i % E ? s * (1 - s) : 0;
        });
        const gradientOf = (field: 'weights' | 'residualWeights') =>
          tf.grad(x => tf.sum(baseRouting(x as tf.Tensor2D, {training})[field]))(logits());
        expectClose(gradientOf('weights'), slopes, ROUNDING);
        expectClose(
          gradientOf('residualWeights'),
          slopes.map(s => -s),
          ROUNDING,
        );
      }
    },
  );

  test.skipIf(!ON_HOST).each([false, true])(
    `padding counts in no load and is routed nowhere, training: %s${WHY_ON_HOST}`,
    training => {
      const isReal = [1, 1, 0, 1, 0, 1, 1];
      const rows = logits().arraySync();
      rows[2]!.fill(Number.NaN);
      rows[4]!.fill(100);
      const keep = isReal.flatMap((real, t) => (real ? [t] : []));
      const mask = tf.tensor1d(isReal);
      const padded = baseRouting(tf.tensor2d(rows), {training, mask});
      const alone = baseRouting(tf.tensor2d(keep.map(t => rows[t]!)), {training});
      for (const field of ['indices', 'weights', 'residualWeights', 'probs'] as const) {
        expectClose(tf.gather(padded[field], tf.tensor1d(keep, 'int32')), list(alone[field]), ROUNDING);
        const rest = tf.gather(padded[field], tf.tensor1d([2, 4], 'int32'));
        expectClose(rest, new Array(rest.size).fill(field === 'indices' ? -1 : 0), 0);
      }
      const gradient = tf.grad(x => tf.sum(baseRouting(x as tf.Tensor2D, {training, mask}).weights))(tf.tensor2d(rows));
      expectClose(tf.gather(gradient, tf.tensor1d([2, 4], 'int32')), new Array(2 * E).fill(0), 0);
    },
  );

  test.skipIf(!ON_HOST)(`adding a number to all logits of a token does not change the assignment${WHY_ON_HOST}`, () => {
    const shifts = tf.tensor2d([5, -2, 0, 1, 3, -4, 2], [T, 1]);
    const shifted = baseRouting(tf.add(logits(), shifts), {training: true});
    expect(list(shifted.indices)).toEqual(list(baseRouting(logits(), {training: true}).indices));
  });

  test.skipIf(!ON_HOST)(
    `works for one expert, one token, only padding and no tokens, and leaves nothing behind but its results${WHY_ON_HOST}`,
    () => {
      for (const [numTokens, numExperts] of [
        [3, 1],
        [1, 3],
        [0, 3],
      ] as const) {
        const x = tf.ones<tf.Rank.R2>([numTokens, numExperts]);
        const mask = tf.zeros<tf.Rank.R1>([numTokens]);
        for (const training of [false, true]) {
          const before = tf.memory().numTensors;
          expect(baseRouting(x, {training}).indices.shape).toEqual([numTokens, 1]);
          expect(list(baseRouting(x, {training, mask}).indices)).toEqual(new Array(numTokens).fill(-1));
          expect(tf.memory().numTensors).toBe(before + 8);
        }
      }
    },
  );

  test.skipIf(!ON_HOST)(`refuses another topK and logits that are not finite${WHY_ON_HOST}`, () => {
    expect(() => baseRouting(logits(), {topK: 2})).toThrow(
      'baseRouting: topK must be 1, but got 2. Use sinkhornRouting for more.',
    );
    for (const bad of [NEVER, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() =>
        baseRouting(
          tf.tensor2d([
            [0, 1],
            [bad, 0],
          ]),
          {training: true},
        ),
      ).toThrow('baseRouting: token 1 must have finite logits only');
    }
    expect(
      list(
        baseRouting(
          tf.tensor2d([
            [0, 1],
            [NEVER, 0],
          ]),
        ).indices,
      ),
    ).toEqual([1, 1]);
    expect(() => baseRouting(tf.tensor2d([[0, Number.NaN]]))).toThrow('baseRouting: token 0');
  });

  test('on a device it refuses to train in words and evaluates alike', () => {
    expect(() => onDevice(() => baseRouting(logits(), {training: true}))).toThrow(
      /^baseRouting: training needs the logits on the host, and backend "\w+" keeps them on its device. Use sinkhornRouting, or/,
    );
    const expected = list(onHost(() => baseRouting(logits())).weights);
    expectClose(onDevice(() => baseRouting(logits())).weights, expected, ROUNDING);
    const bad = tf.tensor2d([
      [0, Number.NaN],
      [1, 0],
    ]);
    const poisoned = onDevice(() => baseRouting(bad));
    expect(list(poisoned.weights).map(Number.isNaN)).toEqual([true, false]);
    expect(list(poisoned.residualWeights).map(Number.isNaN)).toEqual([true, false]);
  });
});
