// The forward pass on the host: a merge composes its result with the two neighbours anew, all other pairs stay as they are.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hostRead, hostResult} from '../../ops/host-read.js';
import {chooseMerges} from './choose-merges.js';
import {addPair, createForest, type Forest, mergePair} from './forest.js';
import type {MergeOptions, TreeWeights} from './types.js';

/** One sentence: what is left of it, from the left, and the pairs of neighbours in it; one fewer. */
export interface Sentence {
  nodes: number[];
  pairs: number[];
}

/** A merge of one sentence, with what it takes to undo it. */
export interface Merge {
  sentence: number;
  position: number;
  node: number;
  pair: number;
  /** The pairs at both sides that it did away with; undefined at an end of the sentence. */
  leftPair: number | undefined;
  rightPair: number | undefined;
}

/** All merges of one step, a sentence at most one each. */
export interface Step {
  /** float32 [B, pairs]. */
  logits: Float32Array;
  /** One-hot float32 [B, pairs]. */
  chosen: Float32Array;
  numPairs: number;
  merges: Merge[];
}

/** The trees of a batch. */
export interface GrownForest {
  forest: Forest;
  /** What is left: one node each, none in a sentence without leaves. */
  sentences: Sentence[];
  steps: Step[];
  /** How many nodes are leaves; they come first, sentence by sentence. */
  numLeaves: number;
}

/**
 * Grows the trees of all sentences, step by step.
 *
 * A node's product with the kernel is computed once and serves every pair in which the node stands: 2 T - 1 products of a row with
 * [U, 10 U] a sentence, in place of the T (T - 1) / 2 with [2 U, 5 U] of the textbook form.
 *
 * @param leaves [B, T, 2 U].
 */
export function growForest(
  leaves: tf.Tensor3D,
  lengths: Int32Array,
  {kernel, bias, query}: TreeWeights,
  options: MergeOptions,
): GrownForest {
  const [, numColumns, width] = leaves.shape;
  const units = width / 2;
  const scale = 1 / Math.sqrt(units);
  const biases = hostRead(bias) as Float32Array;
  const queries = hostRead(query) as Float32Array;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const merged = lengths.reduce((sum, length) => sum + Math.max(0, length - 1), 0);
  // The pairs of the leaves, and two more a merge but the last.
  const forest = createForest(units, total + merged, 3 * merged);
  const scores = new Float32Array(3 * merged);
  const sides = splitKernel(kernel);
  const project = (nodes: readonly number[]) => {
    if (nodes.length === 0) return;
    const rows = new Float32Array(nodes.length * units);
    nodes.forEach((node, row) => {
      rows.set(forest.hidden.subarray(node * units, (node + 1) * units), row * units);
    });
    const values = product(rows, nodes.length, sides);
    nodes.forEach((node, row) => {
      forest.projections[node] = {values, row};
    });
  };
  const compose = (left: number, right: number) => {
    const pair = addPair(forest, left, right, biases);
    let score = 0;
    for (let j = 0; j < units; ++j) score += queries[j]! * forest.pairHidden[pair * units + j]!;
    scores[pair] = score * scale;
    return pair;
  };

  const sentences = plantLeaves(forest, hostRead(leaves) as Float32Array, lengths, numColumns);
  project(Array.from({length: forest.numNodes}, (_, node) => node));
  for (const {nodes, pairs} of sentences) {
    for (let i = 0; i + 1 < nodes.length; ++i) pairs.push(compose(nodes[i]!, nodes[i + 1]!));
  }
  const steps: Step[] = [];
  for (let step = 0; step < numColumns - 1; ++step) {
    const numPairs = numColumns - 1 - step;
    const logits = stepLogits(sentences, scores, numPairs);
    const chosen = readChoice(logits, sentences, step, options);
    const merges: Merge[] = [];
    for (const [sentence, {nodes, pairs}] of sentences.entries()) {
      if (pairs.length === 0) continue;
      const position = chosen.indexOf(1, sentence * numPairs) - sentence * numPairs;
      const pair = pairs[position]!;
      const node = mergePair(forest, pair);
      merges.push({sentence, position, node, pair, leftPair: pairs[position - 1], rightPair: pairs[position + 1]});
      nodes.splice(position, 2, node);
    }
    steps.push({logits, chosen, numPairs, merges});
    project(merges.filter(({sentence}) => sentences[sentence]!.nodes.length > 1).map(({node}) => node));
    for (const {sentence, position, node} of merges) {
      const {nodes, pairs} = sentences[sentence]!;
      pairs.splice(position, 1);
      if (position > 0) pairs[position - 1] = compose(nodes[position - 1]!, node);
      if (position + 1 < nodes.length) pairs[position] = compose(node, nodes[position + 1]!);
    }
  }
  return {forest, sentences, steps, numLeaves: total};
}

/** [2 U, 5 U], children below each other -> [U, 10 U], children side by side. */
function splitKernel(kernel: tf.Tensor2D): tf.Tensor2D {
  const [rows, columns] = kernel.shape;
  const half = rows / 2;
  return tf.concat([tf.slice(kernel, [0, 0], [half, columns]), tf.slice(kernel, [half, 0], [half, columns])], 1);
}

/** rows . matrix, read to the host. */
export function product(rows: Float32Array, numRows: number, matrix: tf.Tensor2D): Float32Array {
  return hostResult(() => tf.matMul(tf.tensor2d(rows, [numRows, matrix.shape[0]]), matrix));
}

/** Makes each leaf a node. */
function plantLeaves(forest: Forest, leaves: Float32Array, lengths: Int32Array, numColumns: number): Sentence[] {
  const {units} = forest;
  return Array.from(lengths, (length, sentence) => {
    const nodes = Array.from({length}, (_, column) => {
      const from = (sentence * numColumns + column) * 2 * units;
      const node = forest.numNodes++;
      forest.hidden.set(leaves.subarray(from, from + units), node * units);
      forest.cell.set(leaves.subarray(from + units, from + 2 * units), node * units);
      return node;
    });
    return {nodes, pairs: []};
  });
}

/** What `mergeLogits` says of the scores that are there. */
function stepLogits(sentences: readonly Sentence[], scores: Float32Array, numPairs: number): Float32Array {
  const logits = new Float32Array(sentences.length * numPairs).fill(Number.NEGATIVE_INFINITY);
  for (const [sentence, {pairs}] of sentences.entries()) {
    if (pairs.length === 0) logits[sentence * numPairs] = 0;
    for (const [i, pair] of pairs.entries()) logits[sentence * numPairs + i] = scores[pair]!;
  }
  return logits;
}

function readChoice(
  logits: Float32Array,
  sentences: readonly Sentence[],
  step: number,
  options: MergeOptions,
): Float32Array {
  const batch = sentences.length;
  return hostResult(() => {
    const pairsLeft = tf.tensor1d(
      sentences.map(({pairs}) => pairs.length),
      'int32',
    );
    return chooseMerges(tf.tensor2d(logits, [batch, logits.length / batch]), pairsLeft, step, options);
  });
}
