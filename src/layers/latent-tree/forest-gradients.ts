// The backward pass on the host: the gradient of the textbook form, with each pair's part in it computed once.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hostRead, hostResult} from '../../ops/host-read.js';
import {vectorJacobianProduct} from '../../ops/vector-jacobian-product.js';
import {estimateMerges} from './choose-merges.js';
import {backpropagatePair, type Forest, type PairGradient} from './forest.js';
import {type GrownForest, product, type Sentence, type Step} from './grow-forest.js';
import type {MergeDraws, TreeWeights} from './types.js';

/** Gradients with respect to all nodes, leaves first, and to the weights. */
export interface ForestGradients {
  /** [nodes, U]. */
  hidden: Float32Array;
  cell: Float32Array;
  kernel: tf.Tensor2D;
  bias: tf.Tensor1D;
  query: tf.Tensor1D;
}

/**
 * Gradients of a loss of the roots' hidden vectors.
 *
 * In the textbook form a pair that waits is composed again at every step, and each time its score has a gradient of its own. All these
 * times share the pair's Jacobian, so that here it meets the one vector that they have in common, the query: the gradient of a score
 * with respect to both children is that vector times a number. What such a pair adds to its children's gradients at each step is in
 * place when an earlier choice asks for them, as in the textbook form, to the last term.
 *
 * @param grown Is taken apart: afterwards its sentences hold their leaves again.
 * @param dRoots [B, U].
 * @param draws Undefined where the choices have no gradient.
 */
export function forestGradients(
  grown: GrownForest,
  {kernel, query}: Pick<TreeWeights, 'kernel' | 'query'>,
  dRoots: Float32Array,
  draws: MergeDraws | undefined,
): ForestGradients {
  const {forest, sentences, steps, numLeaves} = grown;
  const {units, numNodes, numPairs} = forest;
  const hidden = new Float32Array(numNodes * units);
  const cell = new Float32Array(numNodes * units);
  for (const [sentence, {nodes}] of sentences.entries()) {
    if (nodes.length > 0) hidden.set(dRoots.subarray(sentence * units, (sentence + 1) * units), nodes[0]! * units);
  }
  const toChildren = tf.transpose(kernel) as tf.Tensor2D; // [5 U, 2 U]
  const scores = draws && scoreGradients(forest, query, toChildren);
  const scoreSums = new Float32Array(numPairs); // of each pair, over the steps
  const ofMerges = pairGradients(numNodes - numLeaves, units); // of each merge, through its hidden and cell

  for (let step = steps.length - 1; step >= 0; --step) {
    const {merges, chosen, logits, numPairs: columns} = steps[step]!;
    if (merges.length === 0) continue;
    const shape: [number, number] = [sentences.length, columns];
    const dScores =
      draws &&
      hostResult(() => {
        const dChosen = tf.tensor2d(choiceGradients(grown, steps[step]!, hidden, cell), shape);
        const given = tf.tensor2d(chosen, shape);
        return vectorJacobianProduct(x => estimateMerges(x, given, step, draws), tf.tensor2d(logits, shape), dChosen);
      });
    const rows = merges.map(({node}) => node - numLeaves);
    for (const [i, {node, pair}] of merges.entries()) {
      backpropagatePair(forest, pair, node * units, hidden, cell, ofMerges, rows[i]!);
    }
    // The rows of a step lie side by side.
    const first = rows[0]!;
    const gates = ofMerges.gates.subarray(5 * first * units, 5 * (first + rows.length) * units);
    const dChildren = product(gates, rows.length, toChildren); // [merges, 2 U]
    for (const [i, merge] of merges.entries()) {
      const {pair} = merge;
      const left = forest.left[pair]! * units;
      const right = forest.right[pair]! * units;
      addScaled(hidden, left, dChildren, 2 * i * units, units, 1);
      addScaled(hidden, right, dChildren, (2 * i + 1) * units, units, 1);
      addScaled(cell, left, ofMerges.leftCell, rows[i]! * units, units, 1);
      addScaled(cell, right, ofMerges.rightCell, rows[i]! * units, units, 1);
      const sentence = sentences[merge.sentence]!;
      undoMerge(forest, sentence, merge);
      if (!scores || !dScores) continue;
      for (const [position, waiting] of sentence.pairs.entries()) {
        const dScore = dScores[merge.sentence * columns + position]!;
        if (dScore === 0) continue;
        scoreSums[waiting]! += dScore;
        addScore(forest, scores, waiting, dScore, hidden, cell);
      }
    }
  }
  return {hidden, cell, ...weightGradients(grown, scoreSums, scores, ofMerges)};
}

function pairGradients(rows: number, units: number): PairGradient {
  return {
    gates: new Float32Array(5 * rows * units),
    leftCell: new Float32Array(rows * units),
    rightCell: new Float32Array(rows * units),
  };
}

/** The gradient of each pair's score, also with respect to its children's hidden vectors, [pairs, 2 U]. */
type ScoreGradients = PairGradient & {children: Float32Array};

function scoreGradients(forest: Forest, query: tf.Tensor1D, toChildren: tf.Tensor2D): ScoreGradients {
  const {units, numPairs} = forest;
  const scale = 1 / Math.sqrt(units);
  const direction = (hostRead(query) as Float32Array).map(value => value * scale);
  const gradients = pairGradients(numPairs, units);
  for (let pair = 0; pair < numPairs; ++pair) backpropagatePair(forest, pair, 0, direction, undefined, gradients, pair);
  const children = numPairs === 0 ? new Float32Array(0) : product(gradients.gates, numPairs, toChildren);
  return {...gradients, children};
}

/** Adds what the gradient of a pair's score gives to its children. */
function addScore(
  {units, left, right}: Forest,
  {children, leftCell, rightCell}: ScoreGradients,
  pair: number,
  dScore: number,
  hidden: Float32Array,
  cell: Float32Array,
): void {
  const leftAt = left[pair]! * units;
  const rightAt = right[pair]! * units;
  const row = pair * units;
  for (let j = 0; j < units; ++j) {
    hidden[leftAt + j]! += dScore * children[2 * row + j]!;
    hidden[rightAt + j]! += dScore * children[2 * row + units + j]!;
    cell[leftAt + j]! += dScore * leftCell[row + j]!;
    cell[rightAt + j]! += dScore * rightCell[row + j]!;
  }
}

/**
 * The gradient with respect to the one-hot choice s of a step, as the textbook form mixes the states: new_k = (1 - s_0 - ... - s_k) old_k +
 * (s_0 + ... + s_(k-1)) old_(k+1) + s_k composed_k. So s_t takes composed_t from new_t, minus old_k from every new_k with k >= t, and
 * old_(k+1) from those with k > t.
 */
function choiceGradients(
  {forest, sentences}: GrownForest,
  {merges, numPairs}: Step,
  dHidden: Float32Array,
  dCell: Float32Array,
): Float32Array {
  const {units, left, right, hidden, cell, pairHidden, pairCell} = forest;
  const gradients = new Float32Array(sentences.length * numPairs);
  for (const {sentence, position, pair, leftPair, rightPair} of merges) {
    const {nodes, pairs} = sentences[sentence]!;
    /** The states before the merge. */
    const old = (k: number) => {
      if (k < position) return nodes[k]!;
      if (k === position) return left[pair]!;
      return k === position + 1 ? right[pair]! : nodes[k - 1]!;
    };
    /** The pairs before the merge. */
    const waiting = (k: number) => {
      if (k === position) return pair;
      if (k === position - 1) return leftPair!;
      if (k === position + 1) return rightPair!;
      return k < position ? pairs[k]! : pairs[k - 1]!;
    };
    let below = 0; // sum over k > t of new_k . (old_(k+1) - old_k)
    for (let t = nodes.length - 1; t >= 0; --t) {
      const newAt = nodes[t]! * units;
      const stayAt = old(t) * units;
      const moveAt = old(t + 1) * units;
      const pairAt = waiting(t) * units;
      // Three products in one pass, whose sums do not wait for each other.
      let stays = 0;
      let moves = 0;
      let composed = 0;
      for (let j = 0; j < units; ++j) {
        const h = dHidden[newAt + j]!;
        const c = dCell[newAt + j]!;
        stays += h * hidden[stayAt + j]! + c * cell[stayAt + j]!;
        moves += h * hidden[moveAt + j]! + c * cell[moveAt + j]!;
        composed += h * pairHidden[pairAt + j]! + c * pairCell[pairAt + j]!;
      }
      gradients[sentence * numPairs + t] = composed - stays + below;
      below += moves - stays;
    }
  }
  return gradients;
}

/** Puts a sentence back to where it stood before its last merge. */
function undoMerge(
  {left, right}: Forest,
  {nodes, pairs}: Sentence,
  {
    position,
    pair,
    leftPair,
    rightPair,
  }: {position: number; pair: number; leftPair: number | undefined; rightPair: number | undefined},
): void {
  nodes.splice(position, 1, left[pair]!, right[pair]!);
  pairs.splice(position, 0, pair);
  if (leftPair !== undefined) pairs[position - 1] = leftPair;
  if (rightPair !== undefined) pairs[position + 1] = rightPair;
}

/** Sums over all pairs, as one product of the nodes' hidden vectors with what came back to them as left and as right children. */
function weightGradients(
  {forest, steps, numLeaves}: GrownForest,
  scoreSums: Float32Array,
  scores: ScoreGradients | undefined,
  ofMerges: PairGradient,
): {kernel: tf.Tensor2D; bias: tf.Tensor1D; query: tf.Tensor1D} {
  const {units, numNodes, numPairs, left, right, hidden, pairHidden} = forest;
  const width = 5 * units;
  const asChildren = new Float32Array(numNodes * 2 * width); // [nodes, 10 U]
  const bias = new Float32Array(width);
  const query = new Float32Array(units);
  const add = (pair: number, gates: Float32Array, row: number, factor: number) => {
    addScaled(asChildren, 2 * left[pair]! * width, gates, row * width, width, factor);
    addScaled(asChildren, (2 * right[pair]! + 1) * width, gates, row * width, width, factor);
    addScaled(bias, 0, gates, row * width, width, factor);
  };
  for (const {merges} of steps) for (const {pair, node} of merges) add(pair, ofMerges.gates, node - numLeaves, 1);
  if (scores) {
    for (let pair = 0; pair < numPairs; ++pair) {
      const sum = scoreSums[pair]!;
      if (sum === 0) continue;
      add(pair, scores.gates, pair, sum);
      addScaled(query, 0, pairHidden, pair * units, units, sum / Math.sqrt(units));
    }
  }
  const kernel = tf.tidy(() => {
    const nodes = tf.tensor2d(hidden.subarray(0, numNodes * units), [numNodes, units]);
    const sides = tf.matMul(nodes, tf.tensor2d(asChildren, [numNodes, 2 * width]), true); // [U, 10 U]
    return tf.concat([
      tf.slice(sides, [0, 0], [units, width]),
      tf.slice(sides, [0, width], [units, width]),
    ]) as tf.Tensor2D;
  });
  return {kernel, bias: tf.tensor1d(bias), query: tf.tensor1d(query)};
}

/** to[at ...] += factor * from[fromAt ...]. */
function addScaled(
  to: Float32Array,
  at: number,
  from: Float32Array,
  fromAt: number,
  count: number,
  factor: number,
): void {
  for (let j = 0; j < count; ++j) to[at + j]! += factor * from[fromAt + j]!;
}
