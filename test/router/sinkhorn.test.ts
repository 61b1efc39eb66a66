import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {
  logSinkhornOnDevice,
  logSinkhornOnHost,
  sinkhornAssignment,
  sinkhornRouting,
} from '../../src/router/sinkhorn.js';
import {hostWays, ON_HOST, onDevice, onHost, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, numCases, WHY_LONG} from '../support/long-tests.js';

/** float32 sums of some tens of terms of at most one. */
const ROUNDING = 1e-6;

const [T, E] = [9, 4];
const LOGITS = numbers(1, T * E, -3, 3);
const logits = () => tf.tensor2d(LOGITS, [T, E]);

type Way = [string, (x: tf.Tensor2D, mask?: tf.Tensor1D) => tf.Tensor2D];
const HOST: Way = ['the loop on the host', (x, mask) => logSinkhornOnHost('test', x, 1e-7, 1000, mask)];
const DEVICE: Way = ['rounds on the device', (x, mask) => logSinkhornOnDevice(x, 60, mask)];
const WAYS = [...hostWays('the loop on the host', HOST), DEVICE];

/** Rows and columns of exp(z) scaled in turns, without logarithms, as Megatron-LM does it but to convergence. */
function slowSinkhorn(z: number[], numTokens: number, numExperts: number): number[] {
  const kernel = z.map(Math.exp);
  const d0 = new Array<number>(numTokens).fill(1);
  const d1 = new Array<number>(numExperts).fill(1);
  for (let i = 0; i < 500; ++i) {
    d0.forEach((_, t) => {
      d0[t] = 1 / numTokens / d1.reduce((sum, d, e) => sum + d * kernel[t * numExperts + e]!, 0);
    });
    d1.forEach((_, e) => {
      d1[e] = 1 / numExperts / d0.reduce((sum, d, t) => sum + d * kernel[t * numExperts + e]!, 0);
    });
  }
  return kernel.map((k, i) => k * d0[Math.floor(i / numExperts)]! * d1[i % numExperts]!);
}

describe.each(WAYS)('%s', (_title, logSinkhorn) => {
  eachBackend("Sinkhorn's matrix", () => {
    test('equals scaling in turns without logarithms', () => {
      expectClose(tf.exp(logSinkhorn(logits())), slowSinkhorn(LOGITS, T, E), ROUNDING);
    });

    // With x = tanh((a + d - b - c) / 4) the matrix [[1 + x, 1 - x], [1 - x, 1 + x]] / 4 has sums 1/2, and its cross ratio
    // ((1 + x) / (1 - x))^2 is that of exp([[a, b], [c, d]]).
    test('of two tokens and two experts follows the closed form', () => {
      const x = Math.tanh((2 - 0.3 - 0.5 - 1) / 4);
      const expected = [1 + x, 1 - x, 1 - x, 1 + x].map(v => v / 4);
      expectClose(tf.exp(logSinkhorn(tf.tensor2d([2, 0.5, 1, -0.3], [2, 2]))), expected, ROUNDING);
    });

    test('leaves padding out and gives it zeros', () => {
      const isReal = [1, 0, 1, 1, 0, 1, 1, 1, 1];
      const keep = isReal.flatMap((real, t) => (real ? [t] : []));
      const real = keep.flatMap(t => LOGITS.slice(t * E, t * E + E));
      const matrix = tf.exp(logSinkhorn(logits(), tf.tensor1d(isReal))) as tf.Tensor2D;
      expectClose(tf.gather(matrix, tf.tensor1d(keep, 'int32')), slowSinkhorn(real, keep.length, E), ROUNDING);
      expectClose(tf.gather(matrix, tf.tensor1d([1, 4], 'int32')), new Array(2 * E).fill(0), 0);
    });

    test('is zero where all tokens are padding, and empty for no tokens', () => {
      expectClose(tf.exp(logSinkhorn(logits(), tf.zeros([T]))), new Array(T * E).fill(0), 0);
      expect(logSinkhorn(tf.zeros([0, E])).shape).toEqual([0, E]);
    });

    test('gives nothing where a logit is -Infinity', () => {
      const closed = logits().arraySync();
      closed[2]![1] = Number.NEGATIVE_INFINITY;
      const matrix = tf.exp(logSinkhorn(tf.tensor2d(closed)));
      expect(list(matrix)[2 * E + 1]).toBe(0);
      expectClose(tf.sum(matrix, 0), new Array(E).fill(1 / E), ROUNDING);
    });
  });
});

eachBackend('sinkhornAssignment', () => {
  test.skipIf(LEAVES_LONG)(`has row sums 1 / T and column sums 1 / E within the tolerance${WHY_LONG}`, () => {
    const size = fc.integer({min: 1, max: 12});
    const shape = fc.tuple(size, size, fc.integer({min: 0, max: 1e6}), fc.constantFrom(1e-2, 1e-4));
    fc.assert(
      fc.property(shape, ([numTokens, numExperts, seed, tolerance]) => {
        const x = tf.tensor2d(numbers(seed, numTokens * numExperts, -5, 5), [numTokens, numExperts]);
        const matrix = sinkhornAssignment(x, {tolerance, maxIterations: 10_000});
        expectClose(tf.mul(numTokens, tf.sum(matrix, 1)), new Array(numTokens).fill(1), ROUNDING);
        expectClose(tf.mul(numExperts, tf.sum(matrix, 0)), new Array(numExperts).fill(1), tolerance + ROUNDING);
      }),
      {seed: 1, numRuns: numCases(40)},
    );
  });

  test.skipIf(!ON_HOST)(`stops at the tolerance${WHY_ON_HOST}`, () => {
    const off = (tolerance: number) => {
      const sums = list(tf.sum(sinkhornAssignment(logits(), {tolerance}), 0));
      return Math.max(...sums.map(sum => Math.abs(sum * E - 1)));
    };
    expect(off(0.1)).toBeGreaterThan(0.001); // three iterations more would bring it below
    expect(off(1e-4)).toBeLessThan(1e-4 + ROUNDING);
  });

  test.skipIf(!ON_HOST)(`stops after maxIterations with right row sums${WHY_ON_HOST}`, () => {
    const far = tf.mul(100, logits()) as tf.Tensor2D;
    const matrix = sinkhornAssignment(far, {maxIterations: 2});
    expectClose(tf.sum(matrix, 1), new Array(T).fill(1 / T), ROUNDING);
    expect(Math.max(...list(tf.sum(matrix, 0)))).toBeGreaterThan(1.1 / E);
  });

  // Token t prefers expert t by 2e4: the matrix is the identity / 3, to which exp(-2e4) adds nothing. A whole row at 1e4 is a whole row at 0.
  test('is finite and right for logits of 1e4 and -1e4', () => {
    const x = tf.tensor2d([1e4, -1e4, -1e4, -1e4, 1e4, -1e4, -1e4, -1e4, 1e4], [3, 3]);
    expectClose(
      sinkhornAssignment(x),
      [1, 0, 0, 0, 1, 0, 0, 0, 1].map(v => v / 3),
      ROUNDING,
    );
    expectClose(sinkhornAssignment(tf.tensor2d([1e4, 1e4, -1e4, -1e4], [2, 2])), [0.25, 0.25, 0.25, 0.25], ROUNDING);
    expectFinite(sinkhornAssignment(tf.tensor2d(numbers(5, T * E, -1e4, 1e4), [T, E])));
  });

  test('has no gradient and leaves nothing behind but its result', () => {
    const x = logits();
    const before = tf.memory().numTensors;
    sinkhornAssignment(x, {mask: tf.tidy(() => tf.ones([T]))});
    expect(tf.memory().numTensors).toBe(before + 2); // the mask too
    expectClose(
      tf.grad(y => tf.sum(tf.mul(y, sinkhornAssignment(y as tf.Tensor2D))))(x),
      list(sinkhornAssignment(x)),
      0,
    );
  });

  test.skipIf(!ON_HOST)(`refuses what it cannot balance${WHY_ON_HOST}`, () => {
    const never = Number.NEGATIVE_INFINITY;
    expect(() =>
      sinkhornAssignment(
        tf.tensor2d([
          [0, 1],
          [0, Number.NaN],
        ]),
      ),
    ).toThrow('sinkhornAssignment: token 1 must have a finite logit and no NaN or Infinity.');
    expect(() =>
      sinkhornAssignment(
        tf.tensor2d([
          [never, never],
          [0, 0],
        ]),
      ),
    ).toThrow('token 0 must have a finite logit');
    expect(() => sinkhornAssignment(tf.tensor2d([[0, Number.POSITIVE_INFINITY]]))).toThrow('token 0 must have');
    expect(() =>
      sinkhornAssignment(
        tf.tensor2d([
          [0, never],
          [0, never],
        ]),
      ),
    ).toThrow('sinkhornAssignment: expert 1 must have a token with a finite logit, or it cannot get its share.');
    expect(() => sinkhornAssignment(logits(), {tolerance: 0})).toThrow('tolerance must be a positive finite number');
    expect(() => sinkhornAssignment(logits(), {maxIterations: 0})).toThrow('maxIterations must be a whole number');
    expect(() => sinkhornAssignment(logits(), {mask: tf.ones([T + 1])})).toThrow('[tokens] = [9], but got [10]');
  });
});

eachBackend('sinkhornRouting', () => {
  /** The positions of the k largest of each row, by a sort. */
  const largest = (values: number[], k: number) =>
    Array.from({length: values.length / E}, (_, t) =>
      Array.from({length: E}, (_, e) => e)
        .sort((a, b) => values[t * E + b]! - values[t * E + a]!)
        .slice(0, k),
    ).flat();

  test.each([1, 2, E])('takes the %i largest of the balanced matrix in training, and of the logits else', topK => {
    const training = sinkhornRouting(logits(), {topK, training: true});
    expect(list(training.indices)).toEqual(largest(slowSinkhorn(LOGITS, T, E), topK));
    expect(list(sinkhornRouting(logits(), {topK}).indices)).toEqual(largest(LOGITS, topK));
    expect([training.indices.dtype, training.indices.shape]).toEqual(['int32', [T, topK]]);
  });

  test('spreads tokens that all prefer one expert', () => {
    const x = tf.tensor2d([5, 0, 4, 0, 3, 0, 2, 0], [4, 2]);
    expect(list(sinkhornRouting(x, {training: true}).indices)).toEqual([0, 0, 1, 1]);
    expect(list(sinkhornRouting(x).indices)).toEqual([0, 0, 0, 0]);
  });

  test('tells entries apart that are 0 in float32', () => {
    // The second choice is between exp(-500) and exp(-400).
    const x = tf.tensor2d([0, -500, -400, -400, 0, -500, -500, -400, 0], [3, 3]);
    expect(list(sinkhornRouting(x, {topK: 2, training: true}).indices)).toEqual([0, 2, 1, 0, 2, 1]);
  });

  test('weights are sigmoids for one expert and a part of the softmax for more, with their gradients', () => {
    const probs = list(tf.softmax(logits()));
    for (const training of [false, true]) {
      const one = sinkhornRouting(logits(), {training});
      const chosen = list(one.indices).map((e, t) => LOGITS[t * E + e]!);
      const sigmoids = chosen.map(z => 1 / (1 + Math.exp(-z)));
      expectClose(one.weights, sigmoids, ROUNDING);
      expectClose(one.probs, probs, ROUNDING);
      const gradient = list(tf.grad(x => tf.sum(sinkhornRouting(x as tf.Tensor2D, {training}).weights))(logits()));
      const isChosen = (i: number) => list(one.indices)[Math.floor(i / E)] === i % E;
      const slopes = gradient.map((_, i) => (isChosen(i) ? sigmoids[Math.floor(i / E)]! : 0));
      expectClose(
        gradient,
        slopes.map(s => s * (1 - s)),
        ROUNDING,
      );

      const two = sinkhornRouting(logits(), {topK: 2, training});
      const parts = list(two.indices).map((e, i) => probs[Math.floor(i / 2) * E + e]!);
      expectClose(two.weights, parts, ROUNDING);
      // d sum of chosen p / d z_j = p_j ([j chosen] - sum of chosen p).
      const ofTwo = tf.grad(x => tf.sum(sinkhornRouting(x as tf.Tensor2D, {topK: 2, training}).weights))(logits());
      const expected = probs.map((p, i) => {
        const t = Math.floor(i / E);
        const isIn = list(two.indices)
          .slice(2 * t, 2 * t + 2)
          .includes(i % E);
        return p * (Number(isIn) - parts[2 * t]! - parts[2 * t + 1]!);
      });
      expectClose(ofTwo, expected, ROUNDING);
    }
  });

  test.each([false, true])('padding chooses nothing and changes nothing, training: %s', training => {
    const isReal = [1, 0, 1, 1, 0, 1, 1, 1, 1];
    const mask = tf.tensor1d(isReal);
    const rows = logits().arraySync();
    rows[1]!.fill(Number.NaN);
    rows[4]!.fill(100);
    const keep = isReal.flatMap((real, t) => (real ? [t] : []));
    const padded = sinkhornRouting(tf.tensor2d(rows), {training, mask, topK: 2});
    const alone = sinkhornRouting(tf.tensor2d(keep.map(t => rows[t]!)), {training, topK: 2});
    for (const field of ['indices', 'weights', 'probs'] as const) {
      const kept = tf.gather(padded[field], tf.tensor1d(keep, 'int32'));
      expectClose(kept, list(alone[field]), ROUNDING);
      const rest = tf.gather(padded[field], tf.tensor1d([1, 4], 'int32'));
      expectClose(rest, new Array(rest.size).fill(field === 'indices' ? -1 : 0), 0);
    }
    const gradient = tf.grad(x => tf.sum(sinkhornRouting(x as tf.Tensor2D, {training, mask}).weights))(
      tf.tensor2d(rows),
    );
    expectFinite(gradient);
    expect(list(sinkhornRouting(tf.tensor2d(rows), {training, mask: tf.zeros([T])}).indices)).toEqual(
      new Array(T).fill(-1),
    );
  });

  test('works for one expert, one token and no tokens, and leaves no tensor behind but its results', () => {
    for (const [numTokens, numExperts] of [
      [3, 1],
      [1, 3],
      [0, 3],
    ] as const) {
      const x = tf.ones<tf.Rank.R2>([numTokens, numExperts]);
      const before = tf.memory().numTensors;
      const routing = sinkhornRouting(x, {training: true});
      expect(tf.memory().numTensors).toBe(before + 3);
      expect(routing.indices.shape).toEqual([numTokens, 1]);
    }
  });

  test.skipIf(!ON_HOST)(`stops balancing at the tolerance${WHY_ON_HOST}`, () => {
    // A tolerance that any matrix meets ends it after one iteration, which leaves three tokens or more with expert 0.
    const x = tf.tensor2d([9, 0, 8, 0, 7, 0, 6, 0], [4, 2]);
    expect(list(sinkhornRouting(x, {training: true}).indices)).toEqual([0, 0, 1, 1]);
    expect(list(sinkhornRouting(x, {training: true, tolerance: 1e3}).indices)).not.toEqual([0, 0, 1, 1]);
    expect(() => sinkhornRouting(x, {tolerance: -1})).toThrow('sinkhornRouting: tolerance must be a positive finite');
  });

  test('routes alike on a device, where a bad token has NaN for weights', () => {
    const mask = tf.tensor1d([1, 0, 1, 1, 1, 1, 1, 1, 1]);
    for (const training of [false, true]) {
      const route = () => sinkhornRouting(logits(), {training, mask, topK: 2});
      const [expected, actual] = [onHost(route), onDevice(route)];
      expect(list(actual.indices)).toEqual(list(expected.indices));
      expectClose(actual.weights, list(expected.weights), ROUNDING);
    }
    const bad = tf.tensor2d([
      [0, 1],
      [Number.NaN, 0],
    ]);
    const poisoned = onDevice(() => sinkhornRouting(bad));
    expect(list(poisoned.weights).map(Number.isNaN)).toEqual([false, true]);
  });

  test.skipIf(!ON_HOST)(`refuses a topK beyond the experts and a token without enough of them${WHY_ON_HOST}`, () => {
    expect(() => sinkhornRouting(logits(), {topK: 5})).toThrow(
      'sinkhornRouting: topK (=5) must not exceed numExperts (=4).',
    );
    const closed = tf.tensor2d([
      [0, Number.NEGATIVE_INFINITY],
      [0, 0],
    ]);
    expect(() => sinkhornRouting(closed, {topK: 2, training: true})).toThrow('sinkhornRouting: token 0');
  });
});
