// Batches of sentences for the laws of merging, and what the slow oracle says of them. Letters: B sentences, T leaves, U units.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect} from 'vitest';
import type {MergeLeaves, MergeOptions, TreeWeights} from '../../../src/layers/latent-tree/types.js';
import {expectClose} from '../../support/expect-close.js';
import {floats, randomLeaves, type SlowState, type SlowWeights, slowTree} from '../../support/slow-tree.js';
import {type ChoiceGradient, oneHotChoices, treeGradient} from '../../support/slow-tree-gradient.js';

/** Sentences of random leaves. */
export const sentencesOf = (seed: number, lengths: readonly number[], units: number): SlowState[][] =>
  lengths.map((length, i) => randomLeaves(seed + i, length, units));

/** Merges of each sentence, any that exist. */
export const someMerges = (seed: number, sentences: SlowState[][]): number[][] =>
  sentences.map((leaves, i) =>
    floats(seed + i, Math.max(0, leaves.length - 1)).map((x, step) =>
      Math.floor(((x + 1) / 2) * (leaves.length - 1 - step)),
    ),
  );

export const longest = (sentences: SlowState[][]): number => Math.max(1, ...sentences.map(({length}) => length));

/** [B, T, 2 U], with `padding` in what is no leaf. */
export function leavesTensor(
  sentences: SlowState[][],
  units: number,
  {length = longest(sentences), padding = 0}: {length?: number; padding?: number} = {},
): tf.Tensor3D {
  const rows = sentences.map(leaves =>
    paddedTo(
      length * 2 * units,
      leaves.flatMap(of => [...of.hidden, ...of.cell]),
      padding,
    ),
  );
  return tf.tensor3d(rows.flat(), [sentences.length, length, 2 * units], 'float32');
}

/** [B]. */
export const lengthsTensor = (sentences: SlowState[][]): tf.Tensor1D =>
  tf.tensor1d(
    sentences.map(({length}) => length),
    'int32',
  );

/** [B, T - 1], with `padding` beyond a sentence's last merge. */
export function mergesTensor(merges: number[][], length: number, padding = -1): tf.Tensor2D {
  const rows = merges.map(of => paddedTo(length - 1, of, padding));
  return tf.tensor2d(rows.flat(), [merges.length, length - 1], 'int32');
}

function paddedTo(count: number, values: number[], padding: number): number[] {
  return [...values, ...new Array<number>(count - values.length).fill(padding)];
}

export function weightTensors({kernel, bias, query}: SlowWeights): TreeWeights {
  const units = query.length;
  return {kernel: tf.tensor2d(kernel, [2 * units, 5 * units]), bias: tf.tensor1d(bias), query: tf.tensor1d(query)};
}

/** A batch as tensors. */
export interface Batch {
  leaves: tf.Tensor3D;
  lengths: tf.Tensor1D;
  weights: TreeWeights;
}

export const batchOf = (sentences: SlowState[][], weights: SlowWeights, padding?: number): Batch => ({
  leaves: leavesTensor(sentences, weights.query.length, {padding}),
  lengths: lengthsTensor(sentences),
  weights: weightTensors(weights),
});

/** Gradients of a batch, flat: leaves [B, T, 2 U], and the weights. */
export interface BatchGradients {
  leaves: number[];
  kernel: number[];
  bias: number[];
  query: number[];
}

/** The gradients that merging gives for dy [B, U] at the roots. */
export function gradientsOf(merge: MergeLeaves, batch: Batch, dy: number[][], options: MergeOptions): BatchGradients {
  const {lengths} = batch;
  const {kernel, bias, query} = batch.weights;
  const ofHidden = tf.grads((...[leaves, ...rest]: tf.Tensor[]) => {
    const [kernel, bias, query] = rest as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
    const {hidden} = merge(leaves as tf.Tensor3D, lengths, {kernel, bias, query}, options);
    // What the roots do not depend on (the query, where the choice has no gradient) has a gradient of zeros here, where tf.grads throws.
    const nothing = tf.addN([leaves!, ...rest].map(x => tf.mul(0, tf.sum(x))));
    return tf.add(hidden, nothing);
  });
  const upstream = tf.tensor2d(dy.flat(), [dy.length, query.size]);
  const inputs = [batch.leaves, kernel, bias, query];
  const gradients = ofHidden(inputs, upstream);
  expect(gradients.map(({shape}) => shape)).toEqual(inputs.map(({shape}) => shape));
  const [ofLeaves, ofKernel, ofBias, ofQuery] = gradients.map(gradient => Array.from(gradient.dataSync()));
  tf.dispose([...gradients, upstream]);
  return {leaves: ofLeaves!, kernel: ofKernel!, bias: ofBias!, query: ofQuery!};
}

/** The hidden vectors of the roots, flat, of given merges; zeros of an empty sentence. */
export function slowHidden(sentences: SlowState[][], weights: SlowWeights, merges: number[][]): number[] {
  return sentences.flatMap((leaves, i) =>
    leaves.length === 0 ? weights.query.map(() => 0) : slowTree(leaves, weights, merges[i]!).hidden,
  );
}

/** What the gradients should be with given merges. */
export function slowGradients(
  sentences: SlowState[][],
  weights: SlowWeights,
  merges: number[][],
  dy: number[][],
  choiceGradient: ChoiceGradient,
): BatchGradients {
  const size = longest(sentences) * 2 * weights.query.length;
  const zero = {leaves: [], weights: {kernel: [], bias: [], query: []}};
  const each = sentences.map((leaves, i) =>
    leaves.length === 0 ? zero : treeGradient(leaves, weights, oneHotChoices(merges[i]!), () => dy[i]!, choiceGradient),
  );
  const total = (of: 'kernel' | 'bias' | 'query') =>
    weights[of].map((_, k) => each.reduce((sum, gradient) => sum + (gradient.weights[of][k] ?? 0), 0));
  const ofLeaves = each.flatMap(({leaves}) =>
    paddedTo(
      size,
      leaves.flatMap(of => [...of.hidden, ...of.cell]),
      0,
    ),
  );
  return {leaves: ofLeaves, kernel: total('kernel'), bias: total('bias'), query: total('query')};
}

/** Each gradient within a tolerance relative to its largest entry. */
export function expectGradients(actual: BatchGradients, expected: BatchGradients, tolerance: number): void {
  for (const of of ['leaves', 'kernel', 'bias', 'query'] as const) {
    const largest = Math.max(...expected[of].map(Math.abs));
    expectClose(actual[of], expected[of], tolerance * largest);
  }
}
