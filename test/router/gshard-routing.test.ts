import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {type GShardRoutingOptions, gshardRouting} from '../../src/router/gshard-routing.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {fromGumbels, injected} from '../support/injected.js';
import {numDraws} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import {flat, type Rows, randomLogits, softmax} from './reference.js';
import {largestOf, lossOf, type SlowRouting, slowGradient, sum} from './slow-routing.js';

/** A softmax of a few numbers near 1 in float32. */
const ROUNDING = 2e-6;
const never = injected([]);

/** Three experts: the first has weight w among the best two, the third the rest of those. */
const rowOf = (w: number): [number, number, number] => [Math.log(w), -20, Math.log(1 - w)];

function slowGShard(logits: Rows, takes: (w: number, t: number) => boolean): SlowRouting {
  const probs = logits.map(softmax);
  const pairs = logits.map(row => largestOf(row, 2));
  const both = pairs.map((pair, t) => {
    const p = pair.map(e => probs[t]![e]!);
    return p.map(v => v / sum(p));
  });
  return {
    indices: pairs.map(([a, b], t) => [a!, takes(both[t]![1]!, t) ? b! : -1]),
    weights: both.map(([a, b], t) => [a!, takes(b!, t) ? b! : 0]),
    probs,
  };
}

eachBackend('gshardRouting', () => {
  test.each([
    ['all', () => true],
    ['none', () => false],
    ['threshold', w => w > 0.3],
  ] as [GShardRoutingOptions['secondPolicy'], (w: number) => boolean][])(
    'has the numbers and the gradient of a loop in float64: %s',
    (secondPolicy, takes) => {
      const logits = randomLogits(5, 12, 6);
      const options = {secondPolicy, threshold: 0.3, training: true, random: never};
      const slow = slowGShard(logits, takes);
      const {indices, weights, probs} = gshardRouting(tf.tensor2d(logits), options);
      expect(indices.dtype).toBe('int32');
      expect(indices.arraySync()).toEqual(slow.indices);
      expectClose(weights, flat(slow.weights), ROUNDING);
      expectClose(probs, flat(slow.probs), ROUNDING);
      expectClose(
        tf.grad(z => lossOf(gshardRouting(z as tf.Tensor2D, options)))(tf.tensor2d(logits)),
        slowGradient(rows => slowGShard(rows, takes), logits),
        ROUNDING,
      );
    },
  );

  test('the first expert keeps its renormalised weight where the second is not taken', () => {
    const {indices, weights} = gshardRouting(tf.tensor2d([rowOf(0.9), rowOf(0.7)]), {secondPolicy: 'threshold'});
    expect(indices.arraySync()).toEqual([
      [0, -1],
      [0, 2],
    ]);
    expectClose(weights, [0.9, 0, 0.7, 0.3], ROUNDING);
  });

  test('random: the second is taken where the uniform is below its weight over the threshold', () => {
    // w_2 / .2 is 1.5, .75, .75 and .25.
    const logits = tf.tensor2d([rowOf(0.7), rowOf(0.85), rowOf(0.85), rowOf(0.95)]);
    const random = injected([0.999, 0.74, 0.76, 0.26]);
    const {indices} = gshardRouting(logits, {secondPolicy: 'random', training: true, random});
    expect(indices.arraySync()).toEqual([
      [0, 2],
      [0, 2],
      [0, -1],
      [0, -1],
    ]);
  });

  test('sampling: the second is the largest of the others with Gumbel noise, whatever the noise of the first', () => {
    const logits = tf.tensor2d([
      [0, 5, 1, 2],
      [0, 5, 1, 2],
    ]);
    const random = fromGumbels([2.5, 9, 0, 0, 0, -2, 1.5, 0]);
    const {indices, weights} = gshardRouting(logits, {secondPolicy: 'sampling', training: true, random});
    expect(indices.arraySync()).toEqual([
      [1, 0],
      [1, 2],
    ]);
    expectClose(weights, [...softmax([5, 0]), ...softmax([5, 1])], ROUNDING);
  });

  test('sampling: seconds follow the probabilities without the first', () => {
    const row = [0.5, 2, -0.5, 1];
    const numTokens = numDraws(4000);
    const logits = tf.tile(tf.tensor2d([row]), [numTokens, 1]);
    const {indices} = gshardRouting(logits, {secondPolicy: 'sampling', training: true, random: seeded(11)});
    const counts = [0, 0, 0, 0];
    for (const [, second] of indices.arraySync() as Rows) ++counts[second!]!;
    expect(counts[1]).toBe(0);
    const others = [0, 2, 3];
    const expected = softmax(others.map(e => row[e]!)).map(p => p * numTokens);
    expect(
      chiSquare(
        others.map(e => counts[e]!),
        expected,
      ),
    ).toBeLessThan(chiSquareBound(2));
  });

  test('without training no policy draws: random is threshold, and sampling takes the plain second', () => {
    // DeepSpeed drew the second expert in evaluation too: PR #8620.
    const logits = tf.tensor2d(randomLogits(9, 20, 5));
    const numbersOf = (secondPolicy: GShardRoutingOptions['secondPolicy']) => {
      const {indices, weights} = gshardRouting(logits, {secondPolicy, threshold: 0.3, random: never});
      return [list(indices), list(weights)];
    };
    expect(numbersOf('random')).toEqual(numbersOf('threshold'));
    expect(numbersOf('sampling')).toEqual(numbersOf('all'));
    expect(numbersOf('none')).not.toEqual(numbersOf('threshold'));
    expect(numbersOf('threshold')).not.toEqual(numbersOf('all'));
  });

  test('the same seed draws the same and another seed something else', () => {
    const logits = tf.tensor2d(randomLogits(9, 40, 5));
    for (const secondPolicy of ['random', 'sampling'] as const) {
      const draw = (seed: number) =>
        list(gshardRouting(logits, {secondPolicy, threshold: 0.5, training: true, random: seeded(seed)}).indices);
      expect(draw(1)).toEqual(draw(1));
      expect(draw(1)).not.toEqual(draw(2));
    }
  });

  test('a threshold of 0 takes every second at random', () => {
    const options = {secondPolicy: 'random', threshold: 0, training: true, random: seeded(1)} as const;
    expect(list(gshardRouting(tf.tensor2d(randomLogits(9, 6, 3)), options).indices)).not.toContain(-1);
  });

  test('is finite at extreme logits, with a gradient', () => {
    const logits = tf.tensor2d([
      [1e4, -1e4, 0],
      [-1e4, -1e4, -1e4],
      [1e4, 1e4, 1e4],
    ]);
    for (const secondPolicy of ['all', 'none', 'threshold', 'random', 'sampling'] as const) {
      const route = (z: tf.Tensor) =>
        gshardRouting(z as tf.Tensor2D, {secondPolicy, training: true, random: seeded(2)});
      expectFinite(route(logits).weights);
      expectFinite(tf.grad(z => lossOf(route(z)))(logits));
    }
  });

  test.skipIf(!ON_HOST)(`refuses what it cannot work with, and goes on working${WHY_ON_HOST}`, () => {
    const logits = tf.zeros<tf.Rank.R2>([2, 3]);
    const route = (options: GShardRoutingOptions) => () => gshardRouting(logits, options);
    expect(route({topK: 1})).toThrow('gshardRouting: topK must be 2, but got 1.');
    expect(route({threshold: 1.5})).toThrow(
      'gshardRouting: threshold must be a finite number from 0 to 1, but got 1.5.',
    );
    expect(route({secondPolicy: 'some' as 'all'})).toThrow(
      'gshardRouting: secondPolicy must be one of "all", "none", "threshold", "random", "sampling", but got "some".',
    );
    expect(() => gshardRouting(tf.zeros([2, 1]))).toThrow('gshardRouting: topK (=2) must not exceed numExperts (=1).');
    expect(() => gshardRouting(tf.tensor2d([[0, Number.NEGATIVE_INFINITY]]))).toThrow(
      'gshardRouting: token 0 must have at least topK (=2) finite logits',
    );
    expect(route({})).not.toThrow();
  });
});
