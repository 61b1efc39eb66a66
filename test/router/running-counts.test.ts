import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import {loadBalancingLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {addCounts} from '../../src/router/running-counts.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, list} from '../support/expect-close.js';
import {numCases} from '../support/long-tests.js';
import {columnMeans, largest, randomLogits, softmax} from './reference.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

const zeros = (experts: number) => tf.zeros([experts]) as tf.Tensor1D;

eachBackend('addCounts', () => {
  test('counts the choices of each expert, from indices as from a k-hot', () => {
    // Expert 0 twice, 1 once, 2 twice; the third token has one choice.
    const indices = tf.tensor2d([0, 2, 1, 0, 2, -1], [3, 2], 'int32');
    const assignment = tf.tensor2d([
      [1, 0, 1, 0],
      [1, 1, 0, 0],
      [0, 0, 1, 0],
    ]);
    expectClose(addCounts(zeros(4), {indices}), [2, 1, 2, 0], 0);
    expectClose(addCounts(zeros(4), {kHot: assignment}), [2, 1, 2, 0], 0);
  });

  test('adds to what was counted before, of which decay keeps a part', () => {
    const indices = tf.tensor2d([1, 1, 2], [3, 1], 'int32');
    const running = tf.tensor1d([4, 2, 0]);
    expectClose(addCounts(running, {indices}), [4, 4, 1], 0);
    expectClose(addCounts(running, {indices}, {decay: 0.5}), [2, 3, 1], 0);
    expectClose(addCounts(running, {indices}, {decay: 0}), [0, 2, 1], 0);
    expectClose(running, [4, 2, 0], 0);
  });

  test.each(['bool', 'int32', 'float32'] as const)('leaves padding out by a %s mask', dtype => {
    const mask = tf.cast(tf.tensor1d([1, 0, 1]), dtype);
    const indices = tf.tensor2d([0, 1, 2], [3, 1], 'int32');
    expectClose(addCounts(zeros(3), {indices}, {mask}), [1, 0, 1], 0);
    const assignment = tf.tensor2d([
      [1, 0, 0],
      [Number.NaN, 1, 0],
      [0, 0, 1],
    ]);
    expectClose(addCounts(zeros(3), {kHot: assignment}, {mask}), [1, 0, 1], 0);
  });

  test('takes k-hot assignments and masks of several axes', () => {
    const assignment = tf.tensor3d([
      [
        [1, 0],
        [0, 1],
      ],
      [
        [1, 0],
        [1, 0],
      ],
    ]); // prettier-ignore
    expectClose(addCounts(zeros(2), {kHot: assignment}), [3, 1], 0);
    expectClose(
      addCounts(
        zeros(2),
        {kHot: assignment},
        {
          mask: tf.tensor2d([
            [1, 1],
            [0, 1],
          ]),
        },
      ),
      [2, 1],
      0,
    );
  });

  test('without tokens, or with padding alone, leaves the counts as they are but for the decay', () => {
    tf.tidy(() => tf.fill([64, 3], 3)); // what a reduction over an empty axis would find in the memory of wasm
    const running = tf.tensor1d([4, 2, 0]);
    const none = tf.tensor2d([], [0, 2], 'int32');
    expectClose(addCounts(running, {indices: none}), [4, 2, 0], 0);
    expectClose(addCounts(running, {kHot: tf.zeros([2, 0, 3])}, {decay: 0.5}), [2, 1, 0], 0);
    const indices = tf.tensor2d([0, 1], [1, 2], 'int32');
    expectClose(addCounts(running, {indices}, {mask: tf.zeros([1])}), [4, 2, 0], 0);
  });

  test('one expert counts all of its tokens', () => {
    expectClose(addCounts(zeros(1), {indices: tf.tensor2d([0, 0, -1], [3, 1], 'int32')}), [2], 0);
  });

  test('agrees with a loop for any indices and mask', () => {
    const cases = fc.record({
      experts: fc.integer({min: 1, max: 6}),
      tokens: fc.array(fc.tuple(fc.integer({min: -1, max: 5}), fc.integer({min: -1, max: 5}), fc.boolean()), {
        maxLength: 12,
      }),
    });
    fc.assert(
      fc.property(cases, ({experts, tokens}) => {
        // A token's choices differ, and some are none.
        const rows = tokens.map(([first, second]) => {
          const [a, b] = [Math.min(first, experts - 1), Math.min(second, experts - 1)];
          return [a, a === b ? -1 : b];
        });
        const expected = new Array<number>(experts).fill(0);
        rows.forEach((row, t) => {
          for (const e of row) if (tokens[t]![2] && e >= 0) expected[e]! += 1;
        });
        const counted = tf.tidy(() => {
          const indices = tf.tensor2d(rows.flat(), [rows.length, 2], 'int32');
          const mask = tf.tensor1d(tokens.map(([, , real]) => Number(real)));
          return list(addCounts(zeros(experts), {indices}, {mask}));
        });
        expect(counted).toEqual(expected);
      }),
      {seed: 1, numRuns: numCases(50)},
    );
  });

  test('has no gradient and leaves no tensor behind but its value', () => {
    const indices = tf.tensor2d([0, 1], [2, 1], 'int32');
    const gradient = tf.grad(x => tf.add(tf.mul(0, tf.sum(x)), tf.sum(addCounts(x as tf.Tensor1D, {indices}))))(
      tf.tensor1d([1, 2]),
    );
    expectClose(gradient, [0, 0], 0);
    const running = zeros(2);
    const before = tf.memory().numTensors;
    addCounts(running, {indices}, {mask: undefined});
    expect(tf.memory().numTensors).toBe(before + 1);
  });

  test('takes a routing, and refuses an assignment to places, which no longer knows what was dropped', () => {
    // https://github.com/NVIDIA/Megatron-LM/issues/1513: a loss from the counts after dropping was .8 where 1.1 was true.
    const indices = tf.tensor2d([0, 0, 0], [3, 1], 'int32');
    const routing = {indices, weights: tf.ones([3, 1]), probs: tf.ones([3, 2])};
    expectClose(addCounts(zeros(2), routing), [3, 0], 0);
    const placed = {numExperts: 2, capacity: 1, experts: indices, positions: indices};
    expect(() => addCounts(zeros(2), placed as unknown as {indices: tf.Tensor2D})).toThrow(
      'addCounts: choices must have indices or kHot, as a router gives them before any is dropped, but got the fields numExperts, capacity, experts, positions.',
    );
  });

  test('refuses shapes that do not match and a decay out of range', () => {
    const running = zeros(3);
    expect(() => addCounts(tf.zeros([3, 1]) as unknown as tf.Tensor1D, {kHot: tf.ones([2, 3])})).toThrow(
      'addCounts: running must have shape [numExperts] = [any], but got [3, 1].',
    );
    expect(() => addCounts(running, {kHot: tf.ones([2, 4])})).toThrow(
      'addCounts: kHot must have shape [..., numExperts] = [2, 3], but got [2, 4].',
    );
    expect(() => addCounts(running, {indices: tf.ones([2]) as unknown as tf.Tensor2D})).toThrow(
      'addCounts: indices must have shape [tokens, topK] = [any, any], but got [2].',
    );
    expect(() => addCounts(running, {kHot: tf.ones([2, 3])}, {mask: tf.ones([3])})).toThrow(
      'addCounts: mask must have shape of the tokens in choices = [2], but got [3].',
    );
    for (const decay of [-0.1, 1.1, Number.NaN]) {
      expect(() => addCounts(running, {kHot: tf.ones([2, 3])}, {decay})).toThrow(
        `addCounts: decay must be a finite number from 0 to 1, but got ${decay}.`,
      );
    }
  });
});

eachBackend('the load-balancing loss under running counts', () => {
  // Micro-batches of 3, 5 and 4 tokens.
  const batches = [3, 5, 4].map((tokens, b) => randomLogits(20 + b, tokens, 4));
  const probsOf = (rows: number[][]) => tf.tensor2d(rows.map(softmax));
  const chosenOf = (rows: number[][]) => tf.tensor2d(largest(rows, 2));
  const numTokens = 12;

  test('of the micro-batches, weighted by their tokens, is that of the batch made of them', () => {
    // f is of all, and P of all is the mean of the P of each weighted by its tokens: sum_b (n_b / n) E sum_e f_e P_be = E sum_e f_e P_e.
    let counts = zeros(4);
    for (const rows of batches) counts = addCounts(counts, {kHot: chosenOf(rows)});
    const together = list(loadBalancingLoss(probsOf(batches.flat()), chosenOf(batches.flat())))[0]!;
    const each = batches.map(rows => list(loadBalancingLoss(probsOf(rows), chosenOf(rows), {counts}))[0]!);
    const weighted = each.reduce((sum, loss, b) => sum + (batches[b]!.length / numTokens) * loss, 0);
    expect(Math.abs(weighted - together)).toBeLessThan(ROUNDING);
    // With counts of its own each would have another loss: their mean is not that of the batch.
    const local = batches.map(rows => list(loadBalancingLoss(probsOf(rows), chosenOf(rows)))[0]!);
    const weightedLocal = local.reduce((sum, loss, b) => sum + (batches[b]!.length / numTokens) * loss, 0);
    expect(Math.abs(weightedLocal - together)).toBeGreaterThan(1e-3);
  });

  test('of the micro-batches has the gradient of that of the batch made of them, at the same strength', () => {
    // https://github.com/NVIDIA/Megatron-LM/issues/3672: there the gradient under global counts was smaller by the number of batches.
    const chosen = chosenOf(batches.flat());
    const counts = addCounts(zeros(4), {kHot: chosen});
    const whole = tf.grad(x => loadBalancingLoss(tf.softmax(x), chosen))(tf.tensor2d(batches.flat()));
    const parts = batches.map(rows => {
      const loss = (x: tf.Tensor) => loadBalancingLoss(tf.softmax(x), chosenOf(rows), {counts});
      return tf.mul(rows.length / numTokens, tf.grad(loss)(tf.tensor2d(rows)));
    });
    expectClose(tf.concat(parts), list(whole), ROUNDING);
  });

  test('takes the shares of all tokens so far and the probabilities of the current ones', () => {
    // GRIN (arXiv 2409.12136, 3.3): f of the accumulated counts, P of the batch at hand.
    let counts = zeros(4);
    batches.forEach((rows, b) => {
      counts = addCounts(counts, {kHot: chosenOf(rows)});
      const soFar = batches.slice(0, b + 1).flat();
      const shares = columnMeans(largest(soFar, 2)).map(c => c / 2);
      const expected = 4 * columnMeans(rows.map(softmax)).reduce((sum, p, e) => sum + p * shares[e]!, 0);
      expectClose(loadBalancingLoss(probsOf(rows), chosenOf(rows), {counts}), [expected], ROUNDING);
    });
  });
});
