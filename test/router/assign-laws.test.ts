// What holds of every assignment, in both ways and all orders.
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {seeded} from '../../src/random/random-source.js';
import {assignOnHost} from '../../src/router/assign.js';
import {BACKENDS, eachBackend} from '../support/each-backend.js';
import {list} from '../support/expect-close.js';
import {injected} from '../support/injected.js';
import {everyCase, kept, lists, matrix, ORDERS, rows, run, WAYS} from './assign-ways.js';
import {slowAssign, slowCounts} from './slow-assign.js';

describe.each(WAYS)('%s', (_title, way) => {
  eachBackend('assign', () => {
    test.each(ORDERS)('gives the places of a loop over one expert at a time in the order %s', order => {
      everyCase(given => expect(lists(run(way, given))).toEqual(slowAssign(given)), [order]);
    });

    test('gives an expert as many places as it has choices, up to C, from 0 on without gaps', () => {
      everyCase(given => {
        const triples = kept(run(way, given));
        slowCounts(given.indices, given.numExperts).forEach((count, e) => {
          const places = triples.filter(([, expert]) => expert === e).map(([, , place]) => place!);
          const expected = Array.from({length: Math.min(count, given.capacity ?? count)}, (_, i) => i);
          expect(places.sort((a, b) => a - b)).toEqual(expected);
        });
      });
    });

    test('says a capacity that no place reaches', () => {
      everyCase(given => {
        const {capacity, positions} = run(way, given);
        const needed =
          way === assignOnHost ? Math.max(...slowCounts(given.indices, given.numExperts)) : given.indices.length;
        expect(capacity).toBe(given.capacity ?? needed);
        expect(Math.max(...rows(positions).flat())).toBeLessThan(Math.max(1, capacity));
      });
    });

    test('gives padding no place', () => {
      everyCase(given => {
        const isReal = (_: unknown, t: number) => given.indices[t]!.some(e => e >= 0);
        const indices = given.indices.filter(isReal);
        if (indices.length === 0) return;
        const weights = given.weights.filter(isReal);
        const uniforms = given.uniforms.filter(isReal);
        const all = lists(run(way, given));
        const real = lists(run(way, {...given, indices, weights, uniforms}));
        expect({experts: all.experts.filter(isReal), positions: all.positions.filter(isReal)}).toEqual(real);
      });
    });

    test('gives a first choice a place that does not depend on K', () => {
      everyCase(given => {
        if (given.order === 'probability') return;
        // The largest weight stands first, as a router's does; otherwise the priority itself depends on K.
        const weights = given.weights.map(row => [...row].sort((a, b) => b - a));
        const indices = given.indices.filter(row => row[0]! >= 0);
        if (indices.length === 0) return;
        const first = <T>(list: T[][]) => list.map(row => row.slice(0, 1));
        const all = lists(run(way, {...given, indices, weights: weights.slice(0, indices.length)}));
        const one = lists(
          run(way, {...given, indices: first(indices), weights: first(weights.slice(0, indices.length))}),
        );
        expect({experts: first(all.experts), positions: first(all.positions)}).toEqual(one);
      });
    });

    test('keeps the same set whether second choices start after all first choices or after those that were kept', () => {
      // GShard and DeepSpeed add the count before dropping, Mesh TensorFlow and praxis min(count, C).
      everyCase(({indices, numExperts, capacity = indices.length}) => {
        const start = new Array<number>(numExperts).fill(0);
        const places = indices.map(row => row.map(() => -1));
        for (let k = 0; k < indices[0]!.length; ++k) {
          const next = [...start];
          indices.forEach((row, t) => {
            if (row[k]! < 0) return;
            const place = next[row[k]!]!++;
            if (place < capacity) places[t]![k] = place;
          });
          next.forEach((count, e) => {
            start[e] = Math.min(count, capacity);
          });
        }
        expect(rows(run(way, {indices, numExperts, capacity}).positions)).toEqual(places);
      });
    });

    test('puts infinite weights first and last', () => {
      // On webgl no maximum is below -1e20, with which it begins to look for one.
      const least = BACKENDS.includes('webgl') ? -1e19 : -1e38;
      const weights = [[-Infinity], [0], [Infinity], [least], [Infinity], [1e38]];
      for (const order of ['priority', 'probability'] as const) {
        const {positions} = run(way, {indices: new Array(6).fill([0]), numExperts: 1, weights, order});
        expect(rows(positions).flat()).toEqual([5, 3, 0, 4, 1, 2]);
      }
    });

    test('makes two int32 tensors and leaves nothing else behind', () => {
      const [indices, weights] = [matrix([[0], [1], [0]]), matrix([[0.1], [0.2], [0.3]], 'float32')];
      for (const order of ORDERS) {
        const before = tf.memory().numTensors;
        const {experts, positions} = way(indices, 2, {capacity: 1, order, weights, random: seeded(1)});
        expect(tf.memory().numTensors).toBe(before + 2);
        expect([experts.dtype, positions.dtype, experts.shape, positions.shape]).toEqual([
          'int32',
          'int32',
          [3, 1],
          [3, 1],
        ]);
      }
    });

    test('stays off the tape', () => {
      const indices = matrix([[0], [1], [0]]);
      for (const order of ORDERS) {
        const places = (weights: tf.Tensor) => {
          const random = injected([0.1, 0.2, 0.3]);
          const {positions} = way(indices, 2, {capacity: 1, order, weights: tf.mul<tf.Tensor2D>(2, weights), random});
          return tf.cast(positions, 'float32');
        };
        const weights = matrix([[0.1], [0.2], [0.3]], 'float32');
        const gradient = tf.grad(x => tf.sum(tf.mul(places(x), x)))(weights);
        // As if the places were constants.
        expect(list(gradient)).toEqual(list(places(weights)));
      }
    });
  });
});
