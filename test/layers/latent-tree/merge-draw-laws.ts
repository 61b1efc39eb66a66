// What every way of merging leaves into trees keeps to where it chooses the merges: the highest scores, or draws.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS, reinmax, seeded, straightThrough} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import type {MergeDraws, MergeLeaves} from '../../../src/layers/latent-tree/types.js';
import {expectClose, list} from '../../support/expect-close.js';
import {drawnMerges, greedyMerges, randomLeaves, randomWeights, weightedSequences} from '../../support/slow-tree.js';
import {noChoiceGradient, slowReinmax} from '../../support/slow-tree-gradient.js';
import {chiSquare, chiSquareBound} from '../../support/statistics.js';
import {
  batchOf,
  expectGradients,
  gradientsOf,
  mergesTensor,
  sentencesOf,
  slowGradients,
  slowHidden,
} from './tree-batch.js';

/** Float32 through up to six merges; relative to the largest entry for gradients. */
const ROUNDING = 1e-5;

const LENGTHS = [3, 7, 1, 0, 5, 2, 6, 4, 4, 7, 7];
const UNITS = 3;

const drawsOf = (seed: number, estimate: MergeDraws['estimate'] = reinmax): MergeDraws => ({
  estimate,
  temperature: 1.1,
  random: seeded(seed),
});

/** Rows for the statistics, all of them one sentence of four leaves, with one unit. */
const NUM_ROWS = 2000;

/** The laws of choosing, within a suite on one backend. */
export function mergeDrawLaws(merge: MergeLeaves): void {
  const sentences = sentencesOf(210, LENGTHS, UNITS);
  const weights = randomWeights(211, UNITS);
  const dy = sentences.map(() => [1, -2, 0.5]);

  const [four, small] = [randomLeaves(200, 4, 1), {...randomWeights(201, 1), query: [4]}];
  const sequences = weightedSequences(four, small);
  let many: string[] | undefined;
  /** The merges of many equal sentences. */
  function manyDraws(): string[] {
    if (many === undefined) {
      const rows = Array.from({length: NUM_ROWS}, () => four);
      const {leaves, lengths, weights: tensors} = batchOf(rows, small);
      const merges = list(merge(leaves, lengths, tensors, {draws: drawsOf(13)}).merges);
      many = rows.map((_, row) => merges.slice(3 * row, 3 * row + 3).join());
    }
    return many;
  }

  test('without draws the merges are those of the highest scores, with no gradient for the choice', () => {
    const {leaves, lengths, weights: tensors} = batchOf(sentences, weights);
    const expected = sentences.map(of => (of.length === 0 ? [] : greedyMerges(of, weights)));
    const {hidden, merges} = merge(leaves, lengths, tensors);
    expect([merges.shape, merges.dtype]).toEqual([[LENGTHS.length, 6], 'int32']);
    expect(list(merges)).toEqual(list(mergesTensor(expected, 7)));
    expectClose(hidden, slowHidden(sentences, weights, expected), ROUNDING);
    const gradients = gradientsOf(merge, {leaves, lengths, weights: tensors}, dy, {});
    expectGradients(gradients, slowGradients(sentences, weights, expected, dy, noChoiceGradient), ROUNDING);
  });

  test('of equal scores the first is the highest', () => {
    const {leaves, lengths, weights: tensors} = batchOf(sentences, {...weights, query: [0, 0, 0]});
    const expected = sentences.map(({length}) => new Array<number>(Math.max(0, length - 1)).fill(0));
    expect(list(merge(leaves, lengths, tensors).merges)).toEqual(list(mergesTensor(expected, 7)));
  });

  test('the i-th merges are drawn by split(i, 0), one uniform a sentence, and have the gradient of the estimator', () => {
    const {leaves, lengths, weights: tensors} = batchOf(sentences, weights);
    const random = seeded(12);
    const uniforms = Array.from({length: 6}, (_, i) => random.split(i, 0).uniform(LENGTHS.length));
    const expected = sentences.map((of, row) =>
      of.length === 0
        ? []
        : drawnMerges(
            of,
            weights,
            uniforms.map(u => u[row]!),
          ),
    );
    const draws = drawsOf(12);
    const {hidden, merges} = merge(leaves, lengths, tensors, {draws});
    expect(list(merges)).toEqual(list(mergesTensor(expected, 7)));
    expectClose(hidden, slowHidden(sentences, weights, expected), ROUNDING);
    const gradients = gradientsOf(merge, {leaves, lengths, weights: tensors}, dy, {draws});
    expectGradients(gradients, slowGradients(sentences, weights, expected, dy, slowReinmax(1.1)), ROUNDING);
  });

  test('merges follow their probabilities', () => {
    const drawn = manyDraws();
    const counts = sequences.map(({merges}) => drawn.filter(of => of === merges.join()).length);
    const expected = sequences.map(({probability}) => NUM_ROWS * probability);
    expect(Math.min(...expected)).toBeGreaterThan(5); // for the statistic to be about chi-square
    expect(counts.reduce((sum, count) => sum + count)).toBe(NUM_ROWS);
    expect(chiSquare(counts, expected)).toBeLessThan(chiSquareBound(sequences.length - 1));
  });

  test('equal sentences of a batch are drawn independently', () => {
    const drawn = manyDraws();
    // Two neighbours agree with probability sum p^2: binomial over the pairs; 5 deviations either side.
    const agree = sequences.reduce((sum, {probability}) => sum + probability ** 2, 0);
    const agreeing = drawn.filter((of, row) => row % 2 === 0 && of === drawn[row + 1]).length;
    const numPairs = NUM_ROWS / 2;
    expect(Math.abs(agreeing - numPairs * agree)).toBeLessThan(5 * Math.sqrt(numPairs * agree * (1 - agree)));
  });

  test('the same seed draws the same merges, another seed others, and drawing leaves the stream where it was', () => {
    const {leaves, lengths, weights: tensors} = batchOf(sentences, weights);
    const drawn = (draws: MergeDraws) => list(merge(leaves, lengths, tensors, {draws}).merges);
    const draws = drawsOf(15);
    const first = drawn(draws);
    expect(drawn(draws)).toEqual(first);
    expect(drawn(drawsOf(15))).toEqual(first);
    expect(drawn(drawsOf(16))).not.toEqual(first);
    expect(Array.from(draws.random.uniform(3))).toEqual(Array.from(seeded(15).uniform(3)));
  });

  test('scores of +-1e4 give finite roots and gradients', () => {
    const large = {...weights, query: weights.query.map(q => 1e4 * q)};
    const {leaves, lengths, weights: tensors} = batchOf(sentences, large);
    for (const draws of [undefined, drawsOf(17), drawsOf(17, straightThrough)]) {
      const {hidden, merges} = merge(leaves, lengths, tensors, {draws});
      expect(list(hidden).filter(value => !Number.isFinite(value))).toEqual([]);
      // Differences of scores of that size leave no choice.
      const expected = sentences.map(of => (of.length === 0 ? [] : greedyMerges(of, large)));
      expect(list(merges)).toEqual(list(mergesTensor(expected, 7)));
      const gradients = gradientsOf(merge, {leaves, lengths, weights: tensors}, dy, {draws});
      expect(Object.values(gradients).flatMap(of => of.filter((value: number) => !Number.isFinite(value)))).toEqual([]);
    }
  });

  const hard = Object.entries(ESTIMATORS).filter(([, of]) => !('hard' in of) || of.hard);
  test.each(hard)('%s gives the choice a gradient, the same for the same seed', (_, {estimate}) => {
    const batch = batchOf(sentencesOf(212, [4, 0, 2, 3], UNITS), weights);
    const upstream = dy.slice(0, 4);
    const gradients = () => gradientsOf(merge, batch, upstream, {draws: drawsOf(18, estimate)});
    const first = gradients();
    expect(first.query.every(value => Number.isFinite(value) && value !== 0)).toBe(true);
    expect(gradients()).toEqual(first);
  });
}
