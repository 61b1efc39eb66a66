import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {seeded, unseeded} from '../../src/random/random-source.js';
import {type AssignOptions, assign, assignOnHost} from '../../src/router/assign.js';
import {assignOnDevice} from '../../src/router/assign-on-device.js';
import type {AssignmentOrder} from '../../src/router/assign-request.js';
import {ON_HOST, onHost, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import {kept, lists, matrix, rows} from './assign-ways.js';

eachBackend('assign', () => {
  const column = (...experts: number[]) => tf.tensor2d(experts, [experts.length, 1], 'int32');

  test.skipIf(!ON_HOST)(
    `takes the tokens in order by default and drops nothing without a capacity${WHY_ON_HOST}`,
    () => {
      expect(lists(assign(column(0, 1, 0, 0), 2, {capacity: 2}))).toEqual({
        experts: [[0], [1], [0], [-1]],
        positions: [[0], [0], [1], [-1]],
      });
      const dropless = assign(column(0, 1, 0, 0), 2);
      expect([dropless.capacity, rows(dropless.positions)]).toEqual([3, [[0], [0], [1], [2]]]);
      expect(assign(column(-1, -1), 2).capacity).toBe(0);
    },
  );

  test('keeps the largest weights or the first tokens, as asked', () => {
    // Expert 0 is the second choice of token 0, with .45, and the first of the others, with .4 and .9.
    const indices = matrix([
      [1, 0],
      [0, 1],
      [0, 1],
    ]);
    const weights = matrix(
      [
        [0.55, 0.45],
        [0.4, 0.2],
        [0.9, 0.1],
      ],
      'float32',
    );
    const expertZero = (order: AssignmentOrder) =>
      kept(assign(indices, 2, {capacity: 2, order, weights})).filter(([, e]) => e === 0);
    expect(expertZero('position')).toEqual([
      [1, 0, 0],
      [2, 0, 1],
    ]);
    expect(expertZero('priority')).toEqual([
      [1, 0, 1],
      [2, 0, 0],
    ]);
    expect(expertZero('probability')).toEqual([
      [0, 0, 1],
      [2, 0, 0],
    ]);
  });

  test('draws the same order from the same seed, and another one from the same stream', () => {
    const indices = column(...new Array(40).fill(0));
    const draw = (random = seeded(5)) => rows(assign(indices, 1, {capacity: 20, order: 'random', random}).positions);
    expect(draw()).toEqual(draw());
    const stream = seeded(5);
    expect(draw(stream)).not.toEqual(draw(stream));
  });

  test.skipIf(LEAVES_LONG)(
    `keeps every set of tokens, and gives every token place 0, equally often in the random order${WHY_LONG}`,
    () => {
      const [tokens, runs] = [5, 2000];
      const [indices, random] = [column(...new Array(tokens).fill(0)), seeded(11)];
      const sets = new Map<string, number>();
      const first = new Array<number>(tokens).fill(0);
      for (let i = 0; i < runs; ++i) {
        const {experts, positions} = assign(indices, 1, {capacity: 2, order: 'random', random});
        const places = rows(positions).flat();
        tf.dispose([experts, positions]);
        const set = places.map(place => Number(place >= 0)).join('');
        sets.set(set, (sets.get(set) ?? 0) + 1);
        first[places.indexOf(0)]!++;
      }
      // 5 over 2 sets; a test at level 1e-4 each.
      expect(sets.size).toBe(10);
      expect(chiSquare([...sets.values()], new Array(10).fill(runs / 10))).toBeLessThan(chiSquareBound(9));
      expect(chiSquare(first, new Array(tokens).fill(runs / tokens))).toBeLessThan(chiSquareBound(4));
    },
  );

  test('places no token where there is none', () => {
    for (const capacity of [undefined, 0, 4]) {
      const {experts, positions, ...rest} = assign(tf.zeros([0, 2], 'int32'), 3, {capacity} as AssignOptions);
      expect([experts.shape, positions.shape, experts.dtype]).toEqual([[0, 2], [0, 2], 'int32']);
      expect(rest).toEqual({numExperts: 3, capacity: capacity ?? 0});
    }
  });

  test('refuses what does not fit', () => {
    const indices = column(0, 1);
    expect(() => assign(tf.zeros([2, 1]), 2)).toThrow('assign: indices must be of dtype int32, but got float32.');
    expect(() => assign(tf.zeros([2], 'int32') as tf.Tensor as tf.Tensor2D, 2)).toThrow(
      'assign: indices must have shape [tokens, choices] = [any, any], but got [2].',
    );
    expect(() => assign(indices, 0)).toThrow('assign: numExperts must be a whole number of at least 1, but got 0.');
    expect(() => assign(indices, 2, {capacity: 0})).toThrow(
      'assign: capacity must be a whole number of at least 1, but got 0.',
    );
    expect(() => assign(indices, 2, {capacity: 1.5})).toThrow('assign: capacity must be a whole number');
    expect(() => assign(indices, 2, {order: 'probs' as 'probability'})).toThrow(
      'assign: order must be one of "position", "probability", "random", "priority", but got "probs".',
    );
    for (const order of ['probability', 'priority'] as const) {
      expect(() => assign(indices, 2, {order})).toThrow(
        `assign: order "${order}" needs weights of the shape of indices, but got undefined.`,
      );
    }
    expect(() => assign(indices, 2, {order: 'priority', weights: tf.zeros([2, 2])})).toThrow(
      'assign: weights must have shape of indices = [2, 1], but got [2, 2].',
    );
  });

  test.skipIf(!ON_HOST)(`refuses choices and weights that cannot be, where it sees them${WHY_ON_HOST}`, () => {
    expect(() => assign(column(0, 2), 2)).toThrow(
      'assign: indices must be experts from 0 to 1, or -1 for none, but token 1 has 2.',
    );
    expect(() => assign(column(0, -2), 2)).toThrow('but token 1 has -2.');
    expect(() =>
      assign(
        matrix([
          [0, 1],
          [1, 1],
        ]),
        2,
      ),
    ).toThrow('assign: indices of a token must be distinct, but token 1 has 1 twice.');
    const weights = matrix([[0], [Number.NaN]], 'float32');
    expect(() => assign(column(0, 1), 2, {order: 'priority', weights})).toThrow(
      'assign: weights of token 1 must be numbers, but got NaN. Look for a diverged model.',
    );
    expect(rows(assign(column(1, -1), 2, {order: 'priority', weights}).positions)).toEqual([[0], [-1]]); // of no choice
  });

  test('gives each choice a place of its own on a device too where weights are NaN or experts do not exist', () => {
    const request = {capacity: undefined, order: 'probability', random: unseeded()} as const;
    const weights = matrix([[Number.NaN], [1], [Number.NaN], [2]], 'float32');
    expect(rows(assignOnDevice(column(0, 0, 0, 0), 1, {...request, weights}).positions)).toEqual([[2], [1], [3], [0]]);
    expect(rows(assignOnDevice(column(0, 3, 0, 0), 1, {...request, weights}).experts)).toEqual([[0], [-1], [0], [0]]);
  });

  test('agrees on both ways for more choices than are compared at once', () => {
    // 2 * 515 choices make 1.06e6 pairs, above 2^20.
    const numTokens = 515;
    const indices = matrix(Array.from({length: numTokens}, (_, t) => [t % 7, (t + 1 + (t % 5)) % 7]));
    const noise = Float32Array.from(seeded(3).uniform(2 * numTokens), u => Math.round(100 * u));
    const weights = tf.tensor2d(noise, [numTokens, 2]);
    const request = {capacity: 120, order: 'probability', weights, random: unseeded()} as const;
    expect(lists(assignOnDevice(indices, 7, request))).toEqual(onHost(() => lists(assignOnHost(indices, 7, request))));
  });
});
