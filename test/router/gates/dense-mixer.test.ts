import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {unchosenTerm, updateMeans} from '../../../src/router/gates/default-vectors.js';
import {denseMixer} from '../../../src/router/gates/dense-mixer.js';
import {denseTerm} from '../../../src/router/gates/dense-term.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';
import {centralDifference, largest, type Rows, randomLogits, softmax} from '../reference.js';

/** float32 sums of a dozen terms against float64. */
const ROUNDING = 3e-6;

const [TOKENS, EXPERTS, FEATURES] = [3, 4, 2];
const logits = randomLogits(1, TOKENS, EXPERTS);
/** [expert][token][feature]. */
const outputs: Rows[] = Array.from({length: EXPERTS}, (_, e) =>
  Array.from({length: TOKENS}, (_, t) => numbers(10 * e + t, FEATURES)),
);
const slope: Rows = Array.from({length: TOKENS}, (_, t) => numbers(90 + t, FEATURES));
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** sum over the chosen experts of weight output, from a routing; the slow way, by one-hot products on the tape. */
function sparseOutput(weights: tf.Tensor2D, indices: tf.Tensor2D): tf.Tensor {
  const chosen = indices.arraySync();
  const terms = chosen[0]!.map((_, k) =>
    tf.mul(tf.slice(weights, [0, k], [TOKENS, 1]), tf.tensor2d(chosen.map((row, t) => outputs[row[k]!]![t]!))),
  );
  return tf.addN(terms);
}

eachBackend('denseMixer', () => {
  test.each([1, 2, 4])('has the output of the %i likeliest experts and the router gradient of all', topK => {
    const x = tf.tensor2d(logits);
    const run = (y: tf.Tensor) => {
      const {weights, indices, unchosen} = denseMixer(y as tf.Tensor2D, {topK, training: true});
      const all = outputs.map(rows => tf.tensor2d(rows));
      return tf.add(sparseOutput(weights, indices), denseTerm(unchosen!, all));
    };
    const chosen = largest(logits, topK);
    const expected = logits.flatMap((row, t) =>
      Array.from({length: FEATURES}, (_, d) =>
        softmax(row).reduce((sum, p, e) => sum + chosen[t]![e]! * p * outputs[e]![t]![d]!, 0),
      ),
    );
    expectClose(run(x), expected, ROUNDING);
    const dense = (rows: Rows) =>
      rows.reduce(
        (sum, row, t) => sum + softmax(row).reduce((inner, p, e) => inner + p * dot(outputs[e]![t]!, slope[t]!), 0),
        0,
      );
    const gradient = tf.grad(y => tf.sum(tf.mul(run(y), tf.tensor2d(slope))))(x);
    expectClose(gradient, centralDifference(dense, logits), ROUNDING);
  });

  test('gives the probabilities of the experts that were not chosen, in training alone', () => {
    // softmax(0, log 2, log 3, 0) = (1, 2, 3, 1) / 7.
    const x = tf.tensor2d([[0, Math.log(2), Math.log(3), 0]]);
    const routing = denseMixer(x, {topK: 2, training: true});
    expectClose(routing.indices, [2, 1], 0);
    expectClose(routing.weights, [3 / 7, 2 / 7], ROUNDING);
    expectClose(routing.unchosen!, [1 / 7, 0, 0, 1 / 7], ROUNDING);
    expect(denseMixer(x, {topK: 2}).unchosen).toBeUndefined();
  });
});

eachBackend('the terms of unchosen experts', () => {
  const unchosen = () => tf.tensor2d(numbers(5, TOKENS * EXPERTS, 0, 1), [TOKENS, EXPERTS]);

  test('denseTerm is zero, has the gradient <dy, output> and gives the outputs none', () => {
    const all = outputs.map(rows => tf.tensor2d(rows));
    expectClose(denseTerm(unchosen(), all), new Array(TOKENS * FEATURES).fill(0), 0);
    const [ofUnchosen, ofOutput] = tf.grads((u, first) => {
      const term = denseTerm(u as tf.Tensor2D, [first as tf.Tensor2D, ...all.slice(1)]);
      return tf.add(tf.sum(tf.mul(term, tf.tensor2d(slope))), tf.mul(0, tf.sum(first)));
    })([unchosen(), all[0]!]);
    const expected = slope.flatMap((row, t) => outputs.map(rows => dot(rows[t]!, row)));
    expectClose(ofUnchosen!, expected, ROUNDING);
    expectClose(ofOutput!, new Array(TOKENS * FEATURES).fill(0), 0);
  });

  test('unchosenTerm is zero, has the gradient <dy, mean> and gives the means none', () => {
    const means = Array.from({length: EXPERTS}, (_, e) => numbers(50 + e, FEATURES));
    expectClose(unchosenTerm(unchosen(), tf.tensor2d(means)), new Array(TOKENS * FEATURES).fill(0), 0);
    const [ofUnchosen, ofMeans] = tf.grads((u, m) => {
      const term = unchosenTerm(u as tf.Tensor2D, m as tf.Tensor2D);
      return tf.add(tf.sum(tf.mul(term, tf.tensor2d(slope))), tf.mul(0, tf.sum(m)));
    })([unchosen(), tf.tensor2d(means)]);
    expectClose(
      ofUnchosen!,
      slope.flatMap(row => means.map(mean => dot(mean, row))),
      ROUNDING,
    );
    expectClose(ofMeans!, new Array(EXPERTS * FEATURES).fill(0), 0);
  });

  test('work on no tokens', () => {
    const none = tf.zeros([0, 2]) as tf.Tensor2D;
    const empty = tf.zeros([0, 3]) as tf.Tensor2D;
    const means = tf.ones([2, 3]) as tf.Tensor2D;
    expect(tf.grad(u => unchosenTerm(u as tf.Tensor2D, means))(none).shape).toEqual([0, 2]);
    expect(tf.grad(u => denseTerm(u as tf.Tensor2D, [empty, empty]))(none).shape).toEqual([0, 2]);
  });

  test('refuse another number of experts and other shapes', () => {
    const rows = outputs.map(output => tf.tensor2d(output));
    expect(() => denseTerm(unchosen(), rows.slice(1))).toThrow(
      'denseTerm: outputs must hold one tensor an expert (4), but got 3.',
    );
    expect(() => denseTerm(unchosen(), [...rows.slice(1), tf.zeros([2, FEATURES])])).toThrow(
      'denseTerm: outputs must have shape [tokens, features] = [3, 2], but got [2, 2].',
    );
    expect(() => unchosenTerm(unchosen(), tf.zeros([3, 2]))).toThrow(
      'unchosenTerm: means must have shape [experts, features] = [4, any], but got [3, 2].',
    );
  });
});

eachBackend('updateMeans', () => {
  const means = () =>
    tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);

  test('moves a mean by 1 - decay of the way to that of the new outputs, and leaves it where there are none', () => {
    const outputs = [
      tf.tensor2d([
        [3, 0],
        [5, 8],
      ]), // mean (4, 4)
      tf.zeros([0, 2]) as tf.Tensor2D,
      tf.tensor2d([[1, 1]]),
    ];
    expectClose(updateMeans(means(), outputs, {decay: 0.75}), [1.75, 2.5, 3, 4, 4, 4.75], ROUNDING);
    expectClose(updateMeans(means(), outputs, {decay: 0}), [4, 4, 3, 4, 1, 1], ROUNDING);
    expectClose(updateMeans(means(), outputs, {decay: 1}), list(means()), 0);
  });

  test('counts outputs and not the rows of zeros after them', () => {
    const padded = [
      [3, 1],
      [0, 0],
      [2, 2],
    ].map(row => tf.tensor2d([row, [0, 0]]));
    const counts = tf.tensor1d([1, 0, 2], 'int32');
    expectClose(updateMeans(means(), padded, {decay: 0.5, counts}), [2, 1.5, 3, 4, 3, 3.5], ROUNDING);
  });

  test('lets no gradient through, leaves nothing behind and refuses bad numbers and shapes', () => {
    const rows = [1, 2, 3].map(v => tf.fill([2, 2], v) as tf.Tensor2D);
    const gradient = tf.grad(m =>
      tf.add(tf.sum(updateMeans(m as tf.Tensor2D, rows, {decay: 0.5})), tf.mul(0, tf.sum(m))),
    );
    expectClose(gradient(means()), new Array(6).fill(0), 0);
    const former = means();
    const before = tf.memory().numTensors;
    const next = updateMeans(former, rows, {decay: 0.5});
    expect(tf.memory().numTensors).toBe(before + 1);
    next.dispose();
    expect(() => updateMeans(former, rows, {decay: 1.5})).toThrow(
      'updateMeans: decay must be a finite number from 0 to 1, but got 1.5.',
    );
    expect(() => updateMeans(former, rows.slice(1), {decay: 0.5})).toThrow(
      'updateMeans: outputs must hold one tensor an expert (3), but got 2.',
    );
    expect(() => updateMeans(former, rows, {decay: 0.5, counts: tf.zeros([2])})).toThrow(
      'updateMeans: counts must have shape [experts] = [3], but got [2].',
    );
  });
});
