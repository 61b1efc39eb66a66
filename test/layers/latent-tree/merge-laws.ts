// What every way of merging leaves into trees keeps to, against the slow oracle: values, gradients, padding, tensors.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {reinmax, seeded, straightThrough} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import type {MergeDraws, MergeLeaves} from '../../../src/layers/latent-tree/types.js';
import {expectClose, list} from '../../support/expect-close.js';
import {floats, randomLeaves, randomWeights, weightedSequences} from '../../support/slow-tree.js';
import {meanGradient, noChoiceGradient, slowReinmax, slowStraightThrough} from '../../support/slow-tree-gradient.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';
import {mergeDrawLaws} from './merge-draw-laws.js';
import {
  batchOf,
  expectGradients,
  gradientsOf,
  leavesTensor,
  lengthsTensor,
  mergesTensor,
  sentencesOf,
  slowGradients,
  slowHidden,
  someMerges,
  weightTensors,
} from './tree-batch.js';

/** Float32 through up to six merges; relative to the largest entry for gradients. */
const ROUNDING = 1e-5;
/** The same sums in another order; relative to the largest entry for gradients, of which the query's is a small difference. */
const SAME = 5e-6;

const LENGTHS = [3, 7, 1, 0, 5, 2, 6, 4];

const draws = (estimate: MergeDraws['estimate'] = reinmax, temperature = 1): MergeDraws => ({
  estimate,
  temperature,
  random: seeded(11),
});

const CHOICES = [
  {title: 'no gradient for the choice', draws: undefined, expected: noChoiceGradient},
  {title: 'straight-through', draws: draws(straightThrough), expected: slowStraightThrough()},
  {
    title: 'straight-through at temperature 0.7',
    draws: draws(straightThrough, 0.7),
    expected: slowStraightThrough(0.7),
  },
  {title: 'ReinMax', draws: draws(reinmax), expected: slowReinmax()},
  {title: 'ReinMax at temperature 1.3', draws: draws(reinmax, 1.3), expected: slowReinmax(1.3)},
];

/** Where the gradient of the choice is of no account but that there is one. */
const WITH_AND_WITHOUT = [CHOICES[0]!, CHOICES[4]!];

/** Rows [B, U] of gradients at the roots. */
const upstream = (seed: number, count: number, units: number): number[][] =>
  Array.from({length: count}, (_, i) => floats(seed + i, units));

/** Describes the laws on each backend. */
export function mergeLaws(name: string, merge: MergeLeaves): void {
  eachBackendAndKernels(name, () => {
    valueLaws(merge);
    gradientLaws(merge);
    paddingLaws(merge);
    tensorLaws(merge);
    mergeDrawLaws(merge);
  });
}

function valueLaws(merge: MergeLeaves): void {
  test.each([1, 3, 8])('the roots of given merges are those of the slow loop, units: %d', units => {
    const sentences = sentencesOf(20, LENGTHS, units);
    const weights = randomWeights(30, units);
    const merges = someMerges(40, sentences);
    const {leaves, lengths, weights: tensors} = batchOf(sentences, weights);
    for (const beyond of [-1, 99]) {
      const result = merge(leaves, lengths, tensors, {given: mergesTensor(merges, 7, beyond)});
      expect([result.hidden.shape, result.hidden.dtype]).toEqual([[LENGTHS.length, units], 'float32']);
      expectClose(result.hidden, slowHidden(sentences, weights, merges), ROUNDING);
      expect([result.merges.shape, result.merges.dtype]).toEqual([[LENGTHS.length, 6], 'int32']);
      expect(list(result.merges)).toEqual(list(mergesTensor(merges, 7)));
    }
  });

  test('a sentence of no leaves has a root of zeros, and a batch of no sentences has no roots', () => {
    const weights = weightTensors(randomWeights(30, 2));
    const none = merge(leavesTensor([[]], 2, {padding: 1e3}), lengthsTensor([[]]), weights, {draws: draws()});
    expect([none.hidden.shape, list(none.hidden), none.merges.shape]).toEqual([
      [1, 2],
      [0, 0],
      [1, 0],
    ]);
    for (const T of [1, 4]) {
      const empty = merge(tf.zeros([0, T, 4]), tf.zeros([0], 'int32'), weights, {draws: draws()});
      expect([empty.hidden.shape, empty.merges.shape]).toEqual([
        [0, 2],
        [0, T - 1],
      ]);
    }
  });
}

function gradientLaws(merge: MergeLeaves): void {
  test.each(CHOICES)('the gradients with given merges are those of the slow loop: $title', ({draws, expected}) => {
    const units = 3;
    const sentences = sentencesOf(50, LENGTHS, units);
    const weights = randomWeights(60, units);
    const merges = someMerges(70, sentences);
    const dy = upstream(80, sentences.length, units);
    const options = {draws, given: mergesTensor(merges, 7)};
    const actual = gradientsOf(merge, batchOf(sentences, weights), dy, options);
    expectGradients(actual, slowGradients(sentences, weights, merges, dy, expected), ROUNDING);
  });

  test.each(CHOICES.slice(1))('the mean of all merges of four leaves is that of the slow loop: $title', of => {
    const units = 3;
    const [leaves, weights, target] = [randomLeaves(90, 4, units), randomWeights(91, units), floats(92, units)];
    const lossGradient = (hidden: number[]) => hidden.map((h, k) => 2 * (h - target[k]!));
    const all = weightedSequences(leaves, weights);
    const sentences = all.map(() => leaves);
    const batch = batchOf(sentences, weights);
    const options = {
      draws: of.draws,
      given: mergesTensor(
        all.map(({merges}) => merges),
        4,
      ),
    };
    const roots = list(merge(batch.leaves, batch.lengths, batch.weights, options).hidden);
    const dy = all.map(({probability}, i) =>
      lossGradient(roots.slice(i * units, (i + 1) * units)).map(g => probability * g),
    );
    const gradients = gradientsOf(merge, batch, dy, options);
    const ofLeaves = gradients.leaves
      .slice(0, 4 * 2 * units)
      .map((_, k) => all.reduce((sum, _, row) => sum + gradients.leaves[row * 4 * 2 * units + k]!, 0));
    const mean = meanGradient(leaves, weights, lossGradient, of.expected);
    const expected = {leaves: mean.leaves.flatMap(({hidden, cell}) => [...hidden, ...cell]), ...mean.weights};
    expectGradients({...gradients, leaves: ofLeaves}, expected, ROUNDING);
  });

  test('a sentence of one leaf is its hidden vector, with gradient 1 to it and 0 to the cell', () => {
    const sentences = sentencesOf(100, [1, 0, 1], 2);
    const {leaves, lengths, weights} = batchOf(sentences, randomWeights(101, 2));
    for (const options of [{}, {draws: draws()}]) {
      const hidden = merge(leaves, lengths, weights, options).hidden;
      expect(list(hidden)).toEqual([...sentences[0]![0]!.hidden, 0, 0, ...sentences[2]![0]!.hidden]);
      const gradient = tf.grad(x => merge(x as tf.Tensor3D, lengths, weights, options).hidden)(leaves);
      expect(list(gradient)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
    }
  });
}

function paddingLaws(merge: MergeLeaves): void {
  const units = 3;
  const [weights, sentences] = [randomWeights(110, units), sentencesOf(111, [3, 5, 1, 0, 4], units)];
  const merges = someMerges(120, sentences);
  /** For each number of [B, T, 2 U], whether it belongs to no leaf. */
  const isPadding = sentences.flatMap(({length}) =>
    Array.from({length: 5 * 2 * units}, (_, k) => k >= length * 2 * units),
  );

  test.each(WITH_AND_WITHOUT)('a sentence is the same alone as among longer ones: $title', ({draws}) => {
    sentences.slice(0, 2).forEach((leaves, i) => {
      const alone = batchOf([leaves], weights);
      const among = batchOf(sentences, weights);
      const ofAlone = {draws, given: mergesTensor([merges[i]!], leaves.length)};
      const ofAmong = {draws, given: mergesTensor(merges, 5)};
      const hidden = merge(among.leaves, among.lengths, among.weights, ofAmong).hidden;
      const expected = merge(alone.leaves, alone.lengths, alone.weights, ofAlone).hidden;
      expectClose(list(hidden).slice(i * units, (i + 1) * units), list(expected), SAME);
      // Without a gradient at the other roots the weights see this sentence alone.
      const dy = floats(130, units);
      const others = sentences.map((_, j) => (j === i ? dy : floats(0, units, 0)));
      const gradients = gradientsOf(merge, among, others, ofAmong);
      const [from, size] = [i * 5 * 2 * units, leaves.length * 2 * units];
      const own = gradients.leaves.slice(from, from + size);
      expectGradients({...gradients, leaves: own}, gradientsOf(merge, alone, [dy], ofAlone), SAME);
      const rest = [...gradients.leaves.slice(0, from), ...gradients.leaves.slice(from + size)];
      expect(rest.every(value => value === 0)).toBe(true);
    });
  });

  test.each(WITH_AND_WITHOUT)('what lies in the padding changes nothing and gets no gradient: $title', ({draws}) => {
    const dy = upstream(140, sentences.length, units);
    for (const options of [{draws, given: mergesTensor(merges, 5)}, {draws}]) {
      const [zero, garbage] = [batchOf(sentences, weights), batchOf(sentences, weights, 1e3)];
      const expected = merge(zero.leaves, zero.lengths, zero.weights, options);
      const actual = merge(garbage.leaves, garbage.lengths, garbage.weights, options);
      expectClose(actual.hidden, list(expected.hidden), SAME);
      expect(list(actual.merges)).toEqual(list(expected.merges));
      const gradients = gradientsOf(merge, garbage, dy, options);
      expectGradients(gradients, gradientsOf(merge, zero, dy, options), SAME);
      expect(gradients.leaves.filter((value, k) => isPadding[k] && value !== 0)).toEqual([]);
    }
  });
}

function tensorLaws(merge: MergeLeaves): void {
  test.each(WITH_AND_WITHOUT)('no tensor leaks, forward or backward: $title', ({draws}) => {
    const sentences = sentencesOf(150, LENGTHS, 3);
    const batch = batchOf(sentences, randomWeights(151, 3));
    const dy = upstream(152, sentences.length, 3);
    gradientsOf(merge, batch, dy, {draws}); // what is made once
    const before = tf.memory().numTensors;
    const result = merge(batch.leaves, batch.lengths, batch.weights, {draws});
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.dispose([result.hidden, result.merges]);
    gradientsOf(merge, batch, dy, {draws});
    expect(tf.memory().numTensors).toBe(before);
  });
}
