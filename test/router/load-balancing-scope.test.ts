// Which tokens the load-balancing loss balances together: a sequence's, the batch's, or those of counts from elsewhere.
import * as tf from '@tensorflow/tfjs-core';
import {loadBalancingLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {centralDifference, columnMeans, largest, randomLogits, slowBalancing, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

eachBackend('loadBalancingLoss by sequence', () => {
  const LENGTH = 5;
  const logits = [11, 12, 13].map(seed => randomLogits(seed, LENGTH, 4));
  const chosen = logits.map(rows => largest(rows, 2));
  const isReal = [
    [1, 1, 0, 1, 0],
    [0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1],
  ];
  const keep = (rows: number[][], sequence: number) => rows.filter((_, t) => isReal[sequence]![t] === 1);

  test.each(['meanK', 'sumK', 'gshardTop1'] as const)('is the mean of the losses of each, %s', convention => {
    const probs = tf.softmax(tf.tensor3d(logits));
    const assignment = tf.tensor3d(chosen);
    const alone = [0, 1, 2].map(b => {
      const [p, a] = [probs, assignment].map(x => tf.reshape(tf.slice(x!, [b, 0, 0], [1, LENGTH, 4]), [LENGTH, 4]));
      return list(loadBalancingLoss(p!, a!, {convention}))[0]!;
    });
    const mean = alone.reduce((a, b) => a + b) / 3;
    expectClose(loadBalancingLoss(probs, assignment, {convention, scope: 'sequence'}), [mean], 2 * ROUNDING);
  });

  test('has the value and the gradient of a loop over the real tokens of the sequences that have any', () => {
    const slow = (rows: number[][]) => {
      const losses = [0, 2].map(b => {
        const own = rows.slice(b * LENGTH, (b + 1) * LENGTH).map(softmax);
        return slowBalancing(keep(own, b), keep(chosen[b]!, b));
      });
      return (losses[0]! + losses[1]!) / 2;
    };
    const mask = tf.tensor2d(isReal);
    const assignment = tf.tensor3d(chosen);
    const loss = (x: tf.Tensor) => loadBalancingLoss(tf.softmax(x), assignment, {scope: 'sequence', mask});
    expectClose(loss(tf.tensor3d(logits)), [slow(logits.flat())], ROUNDING);
    expectClose(tf.grad(loss)(tf.tensor3d(logits)), centralDifference(slow, logits.flat()), ROUNDING);
  });

  test('takes one sequence without and several with more leading axes', () => {
    const probs = tf.softmax(tf.tensor3d(logits));
    const value = list(loadBalancingLoss(probs, tf.tensor3d(chosen), {scope: 'sequence'}));
    const four = (x: tf.Tensor) => tf.reshape(x, [3, 1, LENGTH, 4]);
    expectClose(loadBalancingLoss(four(probs), four(tf.tensor3d(chosen)), {scope: 'sequence'}), value, 0);
    const [one, itsChoice] = [tf.softmax(tf.tensor2d(logits[0]!)), tf.tensor2d(chosen[0]!)];
    expectClose(loadBalancingLoss(one, itsChoice, {scope: 'sequence'}), list(loadBalancingLoss(one, itsChoice)), 0);
  });

  test('sees sequences that each collapse on an expert of their own, where the batch is balanced', () => {
    // Four sequences, four experts: each sequence alone has f = P = one-hot and loss 4; together f = P = 1/4 and loss 1.
    const probs = tf.reshape(tf.tile(tf.reshape(tf.eye(4), [4, 1, 4]), [1, 3, 1]), [4, 3, 4]);
    expectClose(loadBalancingLoss(probs, probs, {scope: 'sequence'}), [4], ROUNDING);
    expectClose(loadBalancingLoss(probs, probs), [1], ROUNDING);
  });

  test('is 0 with gradient 0 where no sequence has a real token, and for sequences of no tokens', () => {
    const options = {scope: 'sequence', mask: tf.zeros([3, LENGTH])} as const;
    const assignment = tf.tensor3d(chosen);
    const loss = (x: tf.Tensor) => loadBalancingLoss(tf.softmax(x), assignment, options);
    expectClose(loss(tf.tensor3d(logits)), [0], 0);
    expectClose(tf.grad(loss)(tf.tensor3d(logits)), new Array(3 * LENGTH * 4).fill(0), 0);
    const none = tf.zeros([2, 0, 4]);
    expectClose(loadBalancingLoss(none, none, {scope: 'sequence'}), [0], 0);
  });

  test('refuses a single token without a sequence and an unknown scope', () => {
    const token = tf.ones([4]);
    expect(() => loadBalancingLoss(token, token, {scope: 'sequence'})).toThrow(
      'loadBalancingLoss: probs must have shape [..., tokens, numExperts] with scope "sequence", but got [4].',
    );
    expect(() => loadBalancingLoss(token, token, {scope: 'global' as 'batch'})).toThrow(
      'loadBalancingLoss: scope must be one of "batch", "sequence", but got "global".',
    );
  });
});

eachBackend('loadBalancingLoss with counts from elsewhere', () => {
  const logits = randomLogits(14, 6, 4);
  const chosen = largest(logits, 2);
  const countsOf = (rows: number[][]) => columnMeans(rows).map(c => c * rows.length);

  test("is the usual loss for the batch's own counts, in any unit", () => {
    const [probs, assignment] = [tf.softmax(tf.tensor2d(logits)), tf.tensor2d(chosen)];
    const usual = list(loadBalancingLoss(probs, assignment));
    for (const unit of [1, 1e-3, 40]) {
      const counts = tf.tensor1d(countsOf(chosen).map(c => c * unit));
      expectClose(loadBalancingLoss(probs, assignment, {counts}), usual, ROUNDING);
    }
  });

  test('has the value and the gradient of a loop with the shares of those counts', () => {
    // 4 sum_e f_e P_e with f = (6, 1, 0, 3) / 10, whatever the batch chose.
    const shares = [0.6, 0.1, 0, 0.3];
    const slow = (rows: number[][]) =>
      4 * columnMeans(rows.map(softmax)).reduce((sum, p, e) => sum + shares[e]! * p, 0);
    const counts = tf.tensor1d([6, 1, 0, 3]);
    const assignment = tf.tensor2d(chosen);
    const loss = (x: tf.Tensor) => loadBalancingLoss(tf.softmax(x), assignment, {counts});
    expectClose(loss(tf.tensor2d(logits)), [slow(logits)], ROUNDING);
    expectClose(tf.grad(loss)(tf.tensor2d(logits)), centralDifference(slow, logits), ROUNDING);
  });

  test('lets no gradient through the counts', () => {
    const probs = tf.softmax(tf.tensor2d(logits));
    const gradient = tf.grad(counts =>
      tf.add(loadBalancingLoss(probs, tf.tensor2d(chosen), {counts: counts as tf.Tensor1D}), tf.mul(0, tf.sum(counts))),
    )(tf.tensor1d([6, 1, 0, 3]));
    expectClose(gradient, [0, 0, 0, 0], 0);
  });

  test('is 0 where nothing was counted', () => {
    const counts = tf.zeros([4]) as tf.Tensor1D;
    expectClose(loadBalancingLoss(tf.softmax(tf.tensor2d(logits)), tf.tensor2d(chosen), {counts}), [0], 0);
  });

  test('refuses counts of another number of experts, and with a convention or scope that they do not fit', () => {
    const [probs, assignment] = [tf.softmax(tf.tensor2d(logits)), tf.tensor2d(chosen)];
    const counts = tf.ones([4]) as tf.Tensor1D;
    expect(() => loadBalancingLoss(probs, assignment, {counts: tf.ones([3])})).toThrow(
      'loadBalancingLoss: counts must have shape [numExperts] = [4], but got [3].',
    );
    for (const convention of ['sumK', 'gshardTop1'] as const) {
      expect(() => loadBalancingLoss(probs, assignment, {counts, convention})).toThrow(
        `loadBalancingLoss: counts go with convention "meanK" alone, but got "${convention}".`,
      );
    }
    expect(() => loadBalancingLoss(probs, assignment, {counts, scope: 'sequence'})).toThrow(
      'loadBalancingLoss: counts go with scope "batch" alone, but got "sequence".',
    );
  });
});
