// What a network answers, and which trees it builds, over a set of expressions.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {makeBatch, planEvaluation} from './batches.js';
import {CLASSES} from './grammar.js';
import {answerAndParse, type ListOpsModel} from './model.js';
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
  const {trees: _, ...answers} = await run(inputs, tokens => ({logits: model.apply(tokens) as tf.Tensor2D}));
  return answers;
}

/** Runs the network in inference, and keeps the tree that it builds over each sequence, as merges of trees.ts. */
export function answerWithTrees(
  network: ListOpsModel,
  inputs: LabelledSequences,
): Promise<Answers & {trees: Int32Array[]}> {
  return run(inputs, tokens => answerAndParse(network, tokens));
}

async function run(
  inputs: LabelledSequences,
  apply: (tokens: tf.Tensor2D) => {logits: tf.Tensor2D; merges?: tf.Tensor2D},
): Promise<Answers & {trees: Int32Array[]}> {
  const digits = new Uint8Array(inputs.count);
  const isRight = new Uint8Array(inputs.count);
  const trees: Int32Array[] = [];
  let [loss, correct] = [0, 0];
  for (const indices of planEvaluation(inputs, batchSizeFor(inputs))) {
    const {tokens, shape, labels, lengths} = makeBatch(inputs, indices);
    const {logProbs, merges} = tf.tidy(() => {
      const {logits, ...rest} = apply(tf.tensor2d(tokens, shape, 'int32'));
      return {logProbs: tf.logSoftmax(logits), ...rest};
    });
    const scores = (await logProbs.data()) as Float32Array;
    const positions = (await merges?.data()) as Int32Array | undefined;
    tf.dispose([logProbs, ...(merges ? [merges] : [])]);
    indices.forEach((index, i) => {
      const row = scores.subarray(i * CLASSES, (i + 1) * CLASSES);
      digits[index] = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
      isRight[index] = Number(digits[index] === labels[i]);
      correct += isRight[index]!;
      loss -= row[labels[i]!]!;
      const begin = i * (shape[1] - 1);
      if (positions) trees[index] = positions.slice(begin, begin + lengths[i]! - 1);
    });
  }
  return {digits, isRight, accuracy: correct / inputs.count, loss: loss / inputs.count, trees};
}

function batchSizeFor(inputs: LabelledSequences): number {
  let longest = 1;
  for (let i = 0; i < inputs.count; ++i) longest = Math.max(longest, lengthAt(inputs, i));
  return Math.max(1, Math.min(BATCH, Math.floor(BATCH_IDS / longest)));
}
