// What a network answers, and which trees it builds, over a set of expressions.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {makeBatch, planEvaluation} from './batches.js';
import {CLASSES} from './grammar.js';
import {type ListOpsModel, parseTokens} from './model.js';
import {type LabelledSequences, lengthAt} from './sequences.js';

/** What a network made of a set of sequences, in their order. */
export interface Answers {
  /** The answer to each, 0 to 9. */
  digits: Uint8Array;
  /** Whether each is right, 1 or 0. */
  isRight: Uint8Array;
  /** Share of the right ones. */
  accuracy: number;
  /** Mean cross-entropy in nats. */
  loss: number;
}

/** A batch has no more ids than this, padding counted, unless one sequence has, */
const BATCH_IDS = 8192;
/** nor more sequences than this. */
const BATCH = 256;

/** Runs the network in inference. */
export async function answer({model}: ListOpsModel, inputs: LabelledSequences): Promise<Answers> {
  const digits = new Uint8Array(inputs.count);
  const isRight = new Uint8Array(inputs.count);
  let [loss, correct] = [0, 0];
  for (const indices of planEvaluation(inputs, batchSizeFor(inputs))) {
    const {tokens, shape, labels} = makeBatch(inputs, indices);
    const logProbs = tf.tidy(() => tf.logSoftmax(model.apply(tf.tensor2d(tokens, shape, 'int32')) as tf.Tensor2D));
    const scores = (await logProbs.data()) as Float32Array;
    logProbs.dispose();
    indices.forEach((index, i) => {
      const row = scores.subarray(i * CLASSES, (i + 1) * CLASSES);
      digits[index] = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
      isRight[index] = Number(digits[index] === labels[i]);
      correct += isRight[index]!;
      loss -= row[labels[i]!]!;
    });
  }
  return {digits, isRight, accuracy: correct / inputs.count, loss: loss / inputs.count};
}

/** The tree that the network builds in inference over each sequence, as merges of trees.ts. */
export async function parseAll(network: ListOpsModel, inputs: LabelledSequences): Promise<Int32Array[]> {
  const trees: Int32Array[] = new Array(inputs.count);
  for (const indices of planEvaluation(inputs, batchSizeFor(inputs))) {
    const {tokens, shape, lengths} = makeBatch(inputs, indices);
    const merges = tf.tidy(() => parseTokens(network, tf.tensor2d(tokens, shape, 'int32')));
    const values = (await merges.data()) as Int32Array;
    merges.dispose();
    indices.forEach((index, i) => {
      const begin = i * (shape[1] - 1);
      trees[index] = values.slice(begin, begin + lengths[i]! - 1);
    });
  }
  return trees;
}

function batchSizeFor(inputs: LabelledSequences): number {
  let longest = 1;
  for (let i = 0; i < inputs.count; ++i) longest = Math.max(longest, lengthAt(inputs, i));
  return Math.max(1, Math.min(BATCH, Math.floor(BATCH_IDS / longest)));
}
