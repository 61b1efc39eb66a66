// DisARM, with ARM, whose randomness it averages out, as the cross check.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {disarm} from '../../../src/estimators/score/disarm.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {expectClose} from '../../support/expect-close.js';
import {injected} from '../../support/injected.js';
import {CUBIC, CUBIC_GRADIENT, estimatesOf, lossesAt, meanOf, rowsOf} from '../../support/score-oracle.js';
import {chiSquare, chiSquareBound} from '../../support/statistics.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 2e-6;

const PROBS = meanOf(CUBIC);

/** (f(b) - f(b')) (u - 1/2) for b = [u > 1 - p] and b' = [u < p], averaged over a box of uniforms with this middle. */
function arm(middles: number[][]): number[][] {
  const pairs = middles.map(u => [u.map((v, i) => Number(v > 1 - PROBS[i]!)), u.map((v, i) => Number(v < PROBS[i]!))]);
  const losses = lossesAt(CUBIC, pairs.flat());
  return middles.map((u, n) => u.map(v => (losses[2 * n]! - losses[2 * n + 1]!) * (v - 0.5)));
}

/** [0, 1] cut at p and 1 - p, for each of the three bits: 27 boxes, in which both draws are constant. */
function boxes(): {middle: number[]; volume: number}[] {
  let all = [{middle: [] as number[], volume: 1}];
  for (const p of PROBS) {
    const cuts = [0, Math.min(p, 1 - p), Math.max(p, 1 - p), 1];
    all = all.flatMap(({middle, volume}) =>
      [0, 1, 2].map(i => ({
        middle: [...middle, (cuts[i]! + cuts[i + 1]!) / 2],
        volume: volume * (cuts[i + 1]! - cuts[i]!),
      })),
    );
  }
  return all;
}

eachBackend('disarm', () => {
  test('the estimate of one pair is the quoted one', () => {
    // b = 101, b' = 011, f = 3.644 and .364: 1.64 (1, -1, 0) times sigmoid(1.2) = .7685248, sigmoid(.3) = .5744425.
    const [row] = estimatesOf(disarm, CUBIC, 1, {random: injected([0.85, 0.35, 0.6])});
    expectClose(row!, [1.2603806449, -0.9420857276, 0], ROUNDING);
    expectClose(arm([[0.85, 0.35, 0.6]])[0]!, [1.148, -0.492, 0.328], ROUNDING);
  });

  test('the expectation over the 27 boxes of uniforms is the gradient', () => {
    const all = boxes();
    const rows = estimatesOf(disarm, CUBIC, 27, {random: injected(all.flatMap(({middle}) => middle))});
    const expectation = PROBS.map((_, i) => all.reduce((sum, {volume}, n) => sum + volume * rows[n]![i]!, 0));
    expectClose(expectation, CUBIC_GRADIENT, ROUNDING);
  });

  test('in each box it is the mean of ARM over the box', () => {
    const middles = boxes().map(({middle}) => middle);
    const rows = estimatesOf(disarm, CUBIC, 27, {random: injected(middles.flat())});
    expectClose(rows.flat(), arm(middles).flat(), ROUNDING);
  });

  test('several pairs are averaged', () => {
    const uniforms = [
      [0.85, 0.35, 0.6],
      [0.1, 0.2, 0.9],
    ];
    const [first, second] = uniforms.map(u => estimatesOf(disarm, CUBIC, 1, {random: injected(u)})[0]!);
    const [both] = estimatesOf(disarm, CUBIC, 1, {numSamples: 4, random: injected(uniforms.flat())});
    expect(Math.min(Math.abs(first![0]!), Math.abs(second![0]!))).toBeGreaterThan(0.1);
    expectClose(
      both!,
      first!.map((value, i) => (value + second![i]!) / 2),
      ROUNDING,
    );
  });

  test('each draw of a pair has the right distribution, and bits that are seldom 1 are never 1 in both', () => {
    const n = 20_000;
    const drawn: tf.Tensor[] = [];
    disarm(
      b => {
        drawn.push(tf.keep(tf.clone(b)));
        return tf.zeros([n]);
      },
      rowsOf(CUBIC, n),
      {random: seeded(5)},
    );
    const [first, second] = drawn as [tf.Tensor, tf.Tensor];
    for (const bits of drawn) {
      const ones = Array.from(tf.sum(bits, 0).dataSync());
      for (const [i, p] of PROBS.entries()) {
        expect(chiSquare([ones[i]!, n - ones[i]!], [n * p, n * (1 - p)])).toBeLessThan(chiSquareBound(1));
      }
    }
    // Both 1 where 1 - p < u < p: with probability max(2 p - 1, 0).
    const both = Array.from(tf.sum(tf.mul(first, second), 0).dataSync());
    expect(both[0]).toBe(0);
    for (const i of [1, 2]) {
      const p = 2 * PROBS[i]! - 1;
      expect(chiSquare([both[i]!, n - both[i]!], [n * p, n * (1 - p)])).toBeLessThan(chiSquareBound(1));
    }
    tf.dispose(drawn);
  });
});
