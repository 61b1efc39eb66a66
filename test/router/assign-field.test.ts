// Cases from other programs, their vectors and their bugs, in both ways.
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {expertCapacity} from '../../src/router/capacity.js';
import {eachBackend} from '../support/each-backend.js';
import {kept, lists, ORDERS, rows, run, WAYS} from './assign-ways.js';
import type {Rows} from './reference.js';

describe.each(WAYS)('%s', (_title, way) => {
  eachBackend('assign', () => {
    test('drops a second choice before any first choice', () => {
      // Token 0 wants expert 0, then 1; tokens 1 and 2 want expert 1. With two places the second choice of token 0 goes.
      const indices = [
        [0, 1],
        [1, 0],
        [1, 2],
      ];
      expect(kept(run(way, {indices, numExperts: 3, capacity: 2}))).toEqual([
        [0, 0, 0],
        [1, 0, 1],
        [1, 1, 0],
        [2, 1, 1],
        [2, 2, 0],
      ]);
    });

    test('keeps C tokens of an expert and uses place 0', () => {
      // 4, 2 and 6 tokens with a capacity of 4: the keras-io example, whose cumulative sum starts at 1, keeps 3, 2 and 3.
      const wanted = [0, 2, 1, 2, 2, 0, 2, 0, 2, 1, 0, 2];
      const triples = kept(run(way, {indices: wanted.map(e => [e]), numExperts: 3, capacity: 4}));
      const places = (e: number) => triples.filter(([, expert]) => expert === e).map(([, , place]) => place);
      expect([places(0), places(1), places(2)]).toEqual([
        [0, 1, 2, 3],
        [0, 1],
        [0, 1, 2, 3],
      ]);
    });

    test('holds the capacity where all tokens want one expert', () => {
      // Hugging Face's Switch router of version 5 dropped nothing (issue 48293).
      const indices = new Array(20).fill([2]);
      const {experts, positions} = lists(run(way, {indices, numExperts: 4, capacity: 3}));
      expect(experts.flat()).toEqual([2, 2, 2, ...new Array(17).fill(-1)]);
      expect(positions.flat()).toEqual([0, 1, 2, ...new Array(17).fill(-1)]);
    });

    test('works for a capacity above the number of tokens, and for fewer tokens than the least capacity', () => {
      // DeepSpeed's top-k over tokens failed here (issue 8155).
      const indices = [
        [0, 1],
        [0, 2],
      ];
      const weights = [
        [0.6, 0.4],
        [0.7, 0.3],
      ];
      for (const order of ORDERS) {
        for (const capacity of [7, expertCapacity(2, 4, {topK: 2, capacityFactor: 1, minCapacity: 4})]) {
          const assignment = run(way, {indices, numExperts: 4, capacity, order, weights});
          expect(rows(assignment.experts)).toEqual(indices);
          expect(assignment.capacity).toBe(capacity);
        }
      }
    });

    // From the tests of DeepSpeed, tests/unit/moe/test_moe.py: four tokens, k = 2, two places.
    const logits = [
      [0.11, 0.2, 0.1, 0.3],
      [0.3, 0.4, 0.11, 0.1],
      [0.11, 0.1, 0.6, 0.5],
      [0.1, 0.11, 0.7, 0.8],
    ];
    const chosen = [
      [3, 1],
      [1, 0],
      [2, 3],
      [3, 2],
    ];
    const gates = chosen.map((row, t) =>
      row.map(e => Math.exp(logits[t]![e]!) / logits[t]!.reduce((sum, z) => sum + Math.exp(z), 0)),
    );
    /** DeepSpeed numbers places token by token, whatever the slot: for us, with each choice as a token of its own. */
    const tokenByToken = (indices: Rows, capacity: number) => {
      const {experts, positions} = run(way, {indices: indices.flat().map(e => [e]), numExperts: 4, capacity});
      const shape: [number, number] = [indices.length, indices[0]!.length];
      return kept({
        numExperts: 4,
        capacity,
        experts: tf.reshape(experts, shape),
        positions: tf.reshape(positions, shape),
      });
    };

    test('gives the vectors of DeepSpeed for dropping by probability', () => {
      const expected = [
        [0, 1, 0],
        [1, 0, 0],
        [1, 1, 1],
        [2, 2, 0],
        [2, 3, 0],
        [3, 2, 1],
        [3, 3, 1],
      ];
      const assignment = run(way, {indices: chosen, numExperts: 4, capacity: 2, order: 'probability', weights: gates});
      expect(tokenByToken(rows(assignment.experts), 2)).toEqual(expected);
      // Our places are in the order of the weights: expert 1 has .4 of token 1 before .2 of token 0.
      expect(kept(assignment).filter(([, e]) => e === 1)).toEqual([
        [0, 1, 1],
        [1, 1, 0],
      ]);
    });

    test('gives the vectors of DeepSpeed for dropping by position where each choice is a token', () => {
      expect(tokenByToken(chosen, 2)).toEqual([
        [0, 1, 0],
        [0, 3, 0],
        [1, 0, 0],
        [1, 1, 1],
        [2, 2, 0],
        [2, 3, 1],
        [3, 2, 1],
      ]);
      // Slot by slot the first choice of token 3 keeps its place, and the second choice of token 2 loses it.
      expect(kept(run(way, {indices: chosen, numExperts: 4, capacity: 2}))).toEqual([
        [0, 1, 1],
        [0, 3, 0],
        [1, 0, 0],
        [1, 1, 0],
        [2, 2, 0],
        [3, 2, 1],
        [3, 3, 1],
      ]);
    });
  });
});
