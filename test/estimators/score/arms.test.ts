// ARMS.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {arms} from '../../../src/estimators/score/arms.js';
import {disarm} from '../../../src/estimators/score/disarm.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';
import {fromExponentials, injected} from '../../support/injected.js';
import {numDraws} from '../../support/long-tests.js';
import {CUBIC, estimatesOf, type Problem} from '../../support/score-oracle.js';
import {chiSquare, chiSquareBound, meanAndError} from '../../support/statistics.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 2e-6;

/** P(both of two draws are 1), as the paper has it. */
function joint(p: number, numSamples: number): number {
  const n = numSamples - 1;
  if (p < 0.5) return Math.max(2 * p ** (1 / n) - 1, 0) ** n;
  return 2 * p - 1 + Math.max(2 * (1 - p) ** (1 / n) - 1, 0) ** n;
}

const logit = (p: number) => Math.log(p) - Math.log1p(-p);

/** The draws for logits [rows, bits], kept. */
function drawsOf(logits: tf.Tensor, numSamples: number, seed: number): tf.Tensor[] {
  const drawn: tf.Tensor[] = [];
  arms(
    b => {
      drawn.push(tf.keep(tf.clone(b)));
      return tf.zeros([b.shape[0]!]);
    },
    logits,
    {numSamples, random: seeded(seed)},
  );
  return drawn;
}

eachBackend('arms', () => {
  test('the estimates of two and of three draws are the quoted ones', () => {
    // 000 and 111 from these uniforms; 001, 111 and 010 with one more row.
    const uniforms = [0.9, 0.2, 0.5, 0.3, 0.7, 0.8];
    const [two] = estimatesOf(arms, CUBIC, 1, {random: injected(uniforms)});
    expectClose(two!, [0.3074099134, 0.2297770067, 0.2843798011], ROUNDING);
    const [three] = estimatesOf(arms, CUBIC, 1, {numSamples: 3, random: injected([...uniforms, 0.6, 0.4, 0.1])});
    expectClose(three!, [0.2500267296, 0.1606611209, 0.0773506686], ROUNDING);
  });

  test('with two draws it is DisARM, draw by draw', () => {
    // DisARM's u makes b = [u > 1 - p] = [1 - u < p] and b' = [u < p], so that ARMS must have the uniforms 1 - u and u. It takes
    // 1 - d_k where p < 1/2 and d_k else, and d = E / (E_1 + E_2): E is (u, 1 - u) or (1 - u, u).
    const numRows = 200;
    const uniforms = numbers(9, numRows * 3, 0.001, 0.999);
    const first = uniforms.map((u, i) => (CUBIC.logits[i % 3]! < 0 ? u : 1 - u));
    const exponentials = [...first, ...first.map(e => 1 - e)];
    const ours = estimatesOf(arms, CUBIC, numRows, {random: fromExponentials(exponentials)});
    const theirs = estimatesOf(disarm, CUBIC, numRows, {random: injected(uniforms)});
    expectClose(ours.flat(), theirs.flat(), 5e-6);
    expect(new Set(theirs.map(row => row[0])).size).toBeGreaterThan(5);
  });

  test('with two draws it has the variance of DisARM', () => {
    const n = numDraws(30_000);
    const [ours, theirs] = [arms, disarm].map((estimate, seed) =>
      estimatesOf(estimate, CUBIC, n, {random: seeded(70 + seed)}),
    );
    for (const i of [0, 1, 2]) {
      const squares = [ours!, theirs!].map(rows => {
        const {mean} = meanAndError(rows.map(row => row[i]!));
        return meanAndError(rows.map(row => (row[i]! - mean) ** 2));
      });
      const [a, b] = squares as [(typeof squares)[0], (typeof squares)[0]];
      expect(Math.abs(a.mean - b.mean)).toBeLessThan(4 * Math.hypot(a.error, b.error));
    }
  });

  test.each([2, 3, 5])('of %d draws each has the right distribution, and each two the joint one', numSamples => {
    const n = numDraws(20_000);
    const probs = [0.03, 0.3, 0.48, 0.5, 0.66, 0.9];
    const logits = tf.tile(tf.tensor2d([probs.map(logit)]), [n, 1]);
    const draws = drawsOf(logits, numSamples, 40 + numSamples);
    for (const bits of draws) {
      const ones = list(tf.sum(bits, 0));
      for (const [i, p] of probs.entries()) {
        expect(chiSquare([ones[i]!, n - ones[i]!], [n * p, n * (1 - p)])).toBeLessThan(chiSquareBound(1));
      }
    }
    const [first, last] = [draws[0]!, draws.at(-1)!];
    const both = list(tf.sum(tf.mul(first, last), 0));
    const neither = list(tf.sum(tf.mul(tf.sub(1, first), tf.sub(1, last)), 0));
    for (const [i, p] of probs.entries()) {
      const expected = [joint(p, numSamples), 1 - 2 * p + joint(p, numSamples)].map(share => n * share);
      const counts = [both[i]!, neither[i]!, n - both[i]! - neither[i]!];
      const cells = [...expected, n - expected[0]! - expected[1]!];
      // What has probability 0, up to rounding in the closed form, is never drawn.
      expect(counts.filter((_, c) => cells[c]! < 1e-9 * n).every(count => count === 0)).toBe(true);
      // What would be seen in less than every second run is left out.
      const seen = cells.map((_, c) => c).filter(c => cells[c]! > 0.5);
      const statistic = chiSquare(
        seen.map(c => counts[c]!),
        seen.map(c => cells[c]!),
      );
      expect(statistic).toBeLessThan(chiSquareBound(Math.max(seen.length - 1, 1)));
    }
    tf.dispose(draws);
  });

  test('the factor is p (1 - p) / (p - joint) for every probability', () => {
    // With the losses 1, 0, ..., 0 leave-one-out is (D_1 - mean D) / (K - 1); what arms returns over that is the factor.
    const probs = [1e-7, 1e-3, 0.02, 0.2, 0.4, 0.499, 0.5, 0.501, 0.7, 0.95, 0.999];
    for (const numSamples of [2, 3, 4, 10]) {
      const n = numDraws(2000);
      const drawn: number[][] = [];
      const objective = (b: tf.Tensor) => {
        drawn.push(list(b));
        return tf.fill([n], drawn.length === 1 ? 1 : 0) as tf.Tensor1D;
      };
      const problem: Problem = {shape: [probs.length], logits: probs.map(logit), distribution: 'binary', objective};
      const rows = estimatesOf(arms, problem, n, {numSamples, random: seeded(numSamples)});
      for (const [i, p] of probs.entries()) {
        const factor = (p * (1 - p)) / (p - joint(p, numSamples));
        const plain = rows.map((_, row) => {
          const bits = drawn.map(sample => sample[row * probs.length + i]!);
          return (bits[0]! - bits.reduce((a, b) => a + b) / numSamples) / (numSamples - 1);
        });
        const expected = plain.map(value => value * factor);
        expectClose(
          rows.map(row => row[i]!),
          expected,
          1e-5,
        );
      }
    }
  });

  test('logits as far as float32 goes give an estimate of 0, for any number of draws', () => {
    // A bit that is certain never differs, so that its estimate is 0 times the factor, which must be finite.
    const logits = [-1e30, -1e4, -100, -88, 88, 100, 1e4, 1e30, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (const numSamples of [2, 3, 50]) {
      const objective = (b: tf.Tensor) => tf.sum(b, -1) as tf.Tensor1D;
      const problem: Problem = {shape: [logits.length], logits, distribution: 'binary', objective};
      const rows = estimatesOf(arms, problem, 20, {numSamples, random: seeded(1)});
      expectClose(rows.flat(), new Array(20 * logits.length).fill(0), 0);
    }
  });
});
