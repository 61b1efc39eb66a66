import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {seeded, unseeded} from '../../src/random/random-source.js';
import {type AssignmentOrder, type AssignRequest, assign, assignOnHost} from '../../src/router/assign.js';
import {assignOnDevice} from '../../src/router/assign-on-device.js';
import {expertCapacity} from '../../src/router/capacity.js';
import type {Assignment} from '../../src/router/types.js';
import {eachBackend} from '../support/each-backend.js';
import {injected} from '../support/injected.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import type {Rows} from './reference.js';
import {type SlowCase, slowAssign, slowCases, slowCounts} from './slow-assign.js';

/** Random cases are the same in each run. */
const PROPERTY = {seed: 20260401, numRuns: 60};
const ORDERS: AssignmentOrder[] = ['position', 'priority', 'random', 'probability'];

const WAYS = [
  ['the loop on the host', assignOnHost],
  ['cumulative sums on the device', assignOnDevice],
] as const;
type Way = (typeof WAYS)[number][1];

const matrix = (rows: Rows, dtype: 'int32' | 'float32' = 'int32') =>
  tf.tensor2d(rows.flat(), [rows.length, rows[0]!.length], dtype);
const rows = (x: tf.Tensor2D) => x.arraySync();

/** Runs one way, with the tensors of a case. */
function run(way: Way, given: Partial<SlowCase> & Pick<SlowCase, 'indices' | 'numExperts'>): Assignment {
  const {indices, numExperts, capacity, order = 'position', weights, uniforms} = given;
  const request: AssignRequest = {
    capacity,
    order,
    weights: weights && matrix(weights, 'float32'),
    random: uniforms ? injected(uniforms) : unseeded(),
  };
  return way(matrix(indices), numExperts, request);
}

/** The experts and places, as lists. */
const lists = ({experts, positions}: Assignment) => ({experts: rows(experts), positions: rows(positions)});

/** [token, expert, place] of what was kept, token by token and in a token expert by expert. */
function kept(assignment: Assignment): number[][] {
  const {experts, positions} = lists(assignment);
  const triples = experts.flatMap((row, t) => row.map((e, k) => [t, e, positions[t]![k]!]));
  return triples.filter(([, e]) => e! >= 0).sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
}

/** Checks a law on random cases, each in a scope of its own. */
function everyCase(law: (given: SlowCase) => void, orders = ORDERS): void {
  const cases = fc.record({given: slowCases, order: fc.constantFrom(...orders)});
  fc.assert(
    fc.property(cases, ({given, order}) => {
      tf.tidy(() => {
        law({...given, order});
      });
    }),
    PROPERTY,
  );
}

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

    test('puts infinite weights first and last', () => {
      const weights = [[-Infinity], [0], [Infinity], [-1e38], [Infinity], [1e38]];
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
        const gradient = tf.grad((weights: tf.Tensor2D) => {
          const {positions} = way(indices, 2, {capacity: 1, order, weights, random: seeded(1)});
          const isKept = tf.cast(
            tf.customGrad(() => ({value: tf.greaterEqual(positions, 0), gradFunc: () => []}))(),
            'float32',
          );
          return tf.sum(tf.mul(isKept, weights));
        })(matrix([[0.1], [0.2], [0.3]], 'float32')) as tf.Tensor2D;
        // The gradient of a kept weight is 1: nothing flows through the decision.
        expect(tf.sum(gradient).dataSync()[0]).toBe(2);
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

eachBackend('assign', () => {
  const column = (...experts: number[]) => tf.tensor2d(experts, [experts.length, 1], 'int32');

  test('takes the tokens in order by default and drops nothing without a capacity', () => {
    expect(lists(assign(column(0, 1, 0, 0), 2, {capacity: 2}))).toEqual({
      experts: [[0], [1], [0], [-1]],
      positions: [[0], [0], [1], [-1]],
    });
    const dropless = assign(column(0, 1, 0, 0), 2);
    expect([dropless.capacity, rows(dropless.positions)]).toEqual([3, [[0], [0], [1], [2]]]);
    expect(assign(column(-1, -1), 2).capacity).toBe(0);
  });

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

  test('keeps every set of tokens, and gives every token place 0, equally often in the random order', () => {
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
  });

  test('places no token where there is none', () => {
    for (const capacity of [undefined, 0, 4]) {
      const {experts, positions, ...rest} = assign(tf.zeros([0, 2], 'int32'), 3, {capacity});
      expect([experts.shape, positions.shape, experts.dtype]).toEqual([[0, 2], [0, 2], 'int32']);
      expect(rest).toEqual({numExperts: 3, capacity: capacity ?? 0});
    }
  });

  test('refuses what does not fit', () => {
    const indices = column(0, 1);
    expect(() => assign(tf.zeros([2, 1]), 2)).toThrow('assign: indices must be of dtype int32, but got float32.');
    expect(() => assign(tf.zeros([2], 'int32') as tf.Tensor2D, 2)).toThrow(
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

  test('refuses choices and weights that cannot be, where it sees them', () => {
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
    // 2 * 730 choices make 2.13e6 pairs, above 2^21.
    const numTokens = 730;
    const indices = matrix(Array.from({length: numTokens}, (_, t) => [t % 7, (t + 1 + (t % 5)) % 7]));
    const noise = Float32Array.from(seeded(3).uniform(2 * numTokens), u => Math.round(100 * u));
    const weights = tf.tensor2d(noise, [numTokens, 2]);
    const request = {capacity: 150, order: 'probability', weights, random: unseeded()} as const;
    expect(lists(assignOnDevice(indices, 7, request))).toEqual(lists(assignOnHost(indices, 7, request)));
  });
});
