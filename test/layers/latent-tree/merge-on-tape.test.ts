// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import type {Estimator} from '../../../src/estimators/types.js';
import {mergeOnHost} from '../../../src/layers/latent-tree/merge-on-host.js';
import {mergeOnTape} from '../../../src/layers/latent-tree/merge-on-tape.js';
import {seeded} from '../../../src/random/random-source.js';
import {ON_HOST, WHY_ON_HOST} from '../../support/device.js';
import {eachBackend} from '../../support/each-backend.js';
import {expectClose, list} from '../../support/expect-close.js';
import {randomWeights, softmax} from '../../support/slow-tree.js';
import {flatInputs, slowStraightThrough, softTree, treeGradient} from '../../support/slow-tree-gradient.js';
import {mergeLaws} from './merge-laws.js';
import {batchOf, mergesTensor, sentencesOf} from './tree-batch.js';

mergeLaws('mergeOnTape', mergeOnTape);

eachBackend('mergeOnTape', () => {
  test('relaxed choices mix the states, and their gradient is that of the mixture', () => {
    const temperature = 0.7;
    /** softmax(logits / temperature) without noise: with a soft choice straight-through's product is the exact one. */
    const relaxed: Estimator = logits => {
      const sample = tf.softmax(tf.div(logits, temperature));
      return {sample, probs: sample};
    };
    const weights = randomWeights(3, 4);
    const sentences = sentencesOf(5, [4], 4);
    const {leaves, lengths, weights: tensors} = batchOf(sentences, weights);
    const factors = [1, -2, 0.5, 3];
    const draws = {estimate: relaxed, temperature, random: seeded(1)};
    const run = (...[x, kernel, bias, query]: tf.Tensor[]) =>
      mergeOnTape(
        x as tf.Tensor3D,
        lengths,
        {kernel: kernel as tf.Tensor2D, bias: bias as tf.Tensor1D, query: query as tf.Tensor1D},
        {draws},
      ).hidden;
    const inputs = [leaves, tensors.kernel, tensors.bias, tensors.query];
    const choose = (scores: number[]) => softmax(scores, temperature);
    expectClose(run(...inputs), softTree(sentences[0]!, weights, choose), 1e-5);
    const gradients = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x), factors)))(inputs);
    const expected = treeGradient(sentences[0]!, weights, choose, () => factors, slowStraightThrough(temperature));
    expectClose(gradients.flatMap(list), flatInputs(expected), 1e-5);
  });

  test.skipIf(!ON_HOST).each([
    ['mergeOnTape', mergeOnTape],
    ['mergeOnHost', mergeOnHost],
  ])(`%s refuses given merges that the sentence does not have${WHY_ON_HOST}`, (_, merge) => {
    const {leaves, lengths, weights} = batchOf(sentencesOf(5, [2, 3], 4), randomWeights(3, 4));
    expect(() => merge(leaves, lengths, weights, {given: mergesTensor([[0], [2, 0]], 3)})).toThrow(
      'LatentTreeEncoder: given must name one of the 2 pairs of sentence 1 at merge 0, but got 2.',
    );
  });
});
