import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {type ExpertChoice, type ExpertChoiceOptions, expertChoice} from '../../src/router/expert-choice.js';
import {ON_HOST, onDevice, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, numCases, WHY_LONG} from '../support/long-tests.js';

/** The two ways. On a row whose backend is a device both are its. */
const chosenOnDevice = (logits: tf.Tensor2D, options: ExpertChoiceOptions) =>
  onDevice(() => expertChoice(logits, options));

const ROUNDING = 1e-6;
const NEVER = Number.NEGATIVE_INFINITY;
const [T, E] = [6, 3];
const LOGITS = numbers(1, T * E, -2, 2);
const logits = () => tf.tensor2d(LOGITS, [T, E]);

interface Choice {
  expert: number;
  position: number;
  weight: number;
}

/** The choices of each token by the definition: again and again the best token that is left, by a scan. */
function slowChoice(scores: number[][], capacity: number, isReal: number[]): Choice[][] {
  const choices = scores.map((): Choice[] => []);
  for (let expert = 0; expert < (scores[0]?.length ?? 0); ++expert) {
    const left = new Set(scores.keys());
    for (let position = 0; position < capacity; ++position) {
      let best = -1;
      for (const t of left) if (isReal[t] && (best < 0 || scores[t]![expert]! > scores[best]![expert]!)) best = t;
      if (best < 0) break;
      left.delete(best);
      choices[best]!.push({expert, position, weight: scores[best]![expert]!});
    }
  }
  for (const ofToken of choices) ofToken.sort((a, b) => b.weight - a.weight);
  return choices;
}

/** As `slowChoice` gives it. */
function read({routing, assignment}: ExpertChoice): Choice[][] {
  expect(assignment.experts.arraySync()).toEqual(routing.indices.arraySync());
  const [positions, weights] = [assignment.positions.arraySync(), routing.weights.arraySync()];
  return routing.indices.arraySync().map((row, t) =>
    row.flatMap((expert, j) => {
      const [position, weight] = [positions[t]![j]!, weights[t]![j]!];
      if (expert >= 0) return [{expert, position, weight}];
      expect([position, weight]).toEqual([-1, 0]);
      return [];
    }),
  );
}

eachBackend('expertChoice', () => {
  test.skipIf(LEAVES_LONG)(
    `equals a scan for the best token left, on the host and on a device, for any sizes, ties and padding${WHY_LONG}`,
    () => {
      const problem = fc.record({
        numTokens: fc.integer({min: 1, max: 9}),
        numExperts: fc.integer({min: 1, max: 5}),
        share: fc.double({min: 0, max: 1, noNaN: true}),
        // Whole logits give many equal scores.
        levels: fc.constantFrom(1, 2, 1000),
        seed: fc.nat(1000),
        isMasked: fc.boolean(),
      });
      fc.assert(
        fc.property(problem, ({numTokens, numExperts, share, levels, seed, isMasked}) => {
          const values = numbers(seed, numTokens * numExperts, 0, levels).map(Math.floor);
          const x = tf.tensor2d(levels === 1000 ? values.map(v => v / 200) : values, [numTokens, numExperts]);
          const capacity = Math.max(1, Math.round(share * numTokens));
          const isReal = numbers(seed + 1, numTokens, 0, 2).map(u => (isMasked ? Math.floor(u) : 1));
          const expected = slowChoice(tf.softmax(x).arraySync(), capacity, isReal);
          const options = {capacity, mask: tf.tensor1d(isReal)};
          const host = expertChoice(x, options);
          expect(read(host)).toEqual(expected);
          expect(read(chosenOnDevice(x, options))).toEqual(expected);
          expect(host.routing.indices.shape).toEqual([numTokens, Math.max(1, ...expected.map(row => row.length))]);
          expect([host.assignment.capacity, host.assignment.numExperts]).toEqual([capacity, numExperts]);
        }),
        {seed: 1, numRuns: numCases(60)},
      );
    },
  );

  // softmax of the rows: (.7311, .2689), (.7311, .2689), (.0474, .9526). Expert 0 takes token 0 of the two equal ones.
  test.skipIf(!ON_HOST)(`gives the worked example of its documentation${WHY_ON_HOST}`, () => {
    const x = tf.tensor2d([
      [2, 1],
      [1, 0],
      [0, 3],
    ]);
    const {routing, assignment} = expertChoice(x, {capacity: 1});
    expect(routing.indices.arraySync()).toEqual([[0], [-1], [1]]);
    expect(assignment.positions.arraySync()).toEqual([[0], [-1], [0]]);
    expectClose(routing.weights, [1 / (1 + Math.exp(-1)), 0, 1 / (1 + Math.exp(-3))], ROUNDING);
    // With two places expert 0 takes tokens 0 and 1, and expert 1 tokens 2 and 0: token 0 has two experts, the better first.
    const two = expertChoice(x, {capacity: 2});
    expect(two.routing.indices.arraySync()).toEqual([
      [0, 1],
      [0, -1],
      [1, -1],
    ]);
    expect(two.assignment.positions.arraySync()).toEqual([
      [0, 1],
      [1, -1],
      [0, -1],
    ]);
  });

  test('every expert has capacity tokens at places without gaps, or all real ones', () => {
    for (const [capacity, mask, load] of [
      [1, undefined, 1],
      [4, undefined, 4],
      [T, undefined, T],
      [4, tf.tensor1d([0, 1, 0, 0, 1, 0]), 2],
    ] as const) {
      const choices = read(expertChoice(logits(), mask ? {capacity, mask} : {capacity})).flat();
      for (let expert = 0; expert < E; ++expert) {
        const places = choices.filter(choice => choice.expert === expert).map(choice => choice.position);
        expect(places.sort()).toEqual(Array.from({length: load}, (_, place) => place));
      }
    }
  });

  // L = sum over the choices of S_te u_te, so that dL/dz_tj = S_tj (c_tj u_tj - sum_e S_te c_te u_te) with c = 1 at the choices.
  test.each([
    ['the host', expertChoice],
    ['a device', chosenOnDevice],
  ])('the gradient is that of the chosen probabilities, on %s', (_title, choose) => {
    const u = numbers(2, T * E);
    const scores = tf.softmax(logits()).arraySync();
    const chosen = slowChoice(scores, 2, new Array(T).fill(1)).map(row => row.map(choice => choice.expert));
    const g = scores.map((_, t) => u.slice(t * E, t * E + E).map((v, e) => (chosen[t]!.includes(e) ? v : 0)));
    const expected = scores.map((row, t) => {
      const mean = row.reduce((sum, s, e) => sum + s * g[t]![e]!, 0);
      return row.map((s, e) => s * (g[t]![e]! - mean));
    });
    const gradient = tf.grad(x => {
      const {routing} = choose(x as tf.Tensor2D, {capacity: 2});
      const factors = routing.indices.arraySync().map((row, t) => row.map(e => (e < 0 ? 0 : u[t * E + e]!)));
      return tf.sum(tf.mul(routing.weights, tf.tensor2d(factors)));
    })(logits());
    expectClose(gradient, expected.flat(), ROUNDING);
    const ofProbs = tf.grad(x => tf.sum(tf.square(choose(x as tf.Tensor2D, {capacity: 2}).routing.probs)))(logits());
    expectClose(ofProbs, list(tf.grad(x => tf.sum(tf.square(tf.softmax(x))))(logits())), ROUNDING);
  });

  test.each([
    ['the host', expertChoice],
    ['a device', chosenOnDevice],
  ])('what padding holds, be it NaN, changes nothing, on %s', (_title, choose) => {
    const mask = tf.tensor1d([1, 0, 1, 1, 0, 1]);
    const run = (padding: number) => {
      const rows = logits().arraySync();
      for (const t of [1, 4]) rows[t] = [padding, 0, padding];
      const x = tf.tensor2d(rows);
      const loss = (y: tf.Tensor) => {
        const {routing} = choose(y as tf.Tensor2D, {capacity: 3, mask});
        return tf.add(tf.sum(routing.weights), tf.sum(tf.square(routing.probs)));
      };
      const {routing, assignment} = choose(x, {capacity: 3, mask});
      return [routing.indices, routing.weights, routing.probs, assignment.positions, tf.grad(loss)(x)].flatMap(list);
    };
    for (const padding of [Number.NaN, 1e4, NEVER]) expectClose(run(padding), run(0), 0);
  });

  test('works for only padding, for no tokens and for logits of 1e4, on the host and on a device', () => {
    for (const choose of [expertChoice, chosenOnDevice]) {
      const none = choose(logits(), {capacity: 2, mask: tf.zeros([T])});
      expect(read(none)).toEqual(new Array(T).fill([]));
      const empty = choose(tf.zeros([0, E]), {capacity: 1});
      const width = !ON_HOST || choose === chosenOnDevice ? E : 1;
      expect([empty.routing.indices.shape, empty.routing.weights.shape]).toEqual([
        [0, width],
        [0, width],
      ]);
      // The scores of token 0 are 1 and 0, and those of token 1 the same: scores that underflow are taken in order.
      const far = tf.tensor2d([1e4, -1e4, 1e4, -1e4], [2, 2]);
      expect(choose(far, {capacity: 1}).routing.indices.arraySync()).toEqual([
        [0, 1],
        [-1, -1],
      ]);
      expectFinite(tf.grad(x => tf.sum(choose(x as tf.Tensor2D, {capacity: 1}).routing.weights))(far));
    }
  });

  test('an expert does not take a token that is closed to it', () => {
    const x = tf.tensor2d([
      [0, NEVER],
      [0, NEVER],
      [0, 1],
    ]);
    for (const choose of [expertChoice, chosenOnDevice]) {
      const experts = read(choose(x, {capacity: 3})).map(row => row.map(choice => choice.expert));
      expect(experts).toEqual([[0], [0], [1, 0]]);
    }
  });

  test('leaves no tensor behind but its five results', () => {
    for (const choose of [expertChoice, chosenOnDevice]) {
      const x = logits();
      const mask = tf.ones<tf.Rank.R1>([T]);
      const before = tf.memory().numTensors;
      choose(x, {capacity: 2, mask});
      expect(tf.memory().numTensors).toBe(before + 5);
    }
  });

  test('refuses a capacity out of range and other shapes', () => {
    for (const capacity of [0, -1, 1.5, T + 1, Number.NaN]) {
      expect(() => expertChoice(logits(), {capacity})).toThrow(
        `expertChoice: capacity must be a whole number from 1 to 6, but got ${capacity}.`,
      );
    }
    expect(() => expertChoice(logits(), {capacity: 1, mask: tf.ones([T + 1])})).toThrow('[tokens] = [6], but got [7]');
  });

  const WITHOUT_NUMBER = [
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
    [NEVER, NEVER],
  ].map(bad => [[0, 1], bad, [1, 0]]);

  test.skipIf(!ON_HOST)(`refuses a token without a number on the host${WHY_ON_HOST}`, () => {
    for (const rows of WITHOUT_NUMBER) {
      expect(() => expertChoice(tf.tensor2d(rows), {capacity: 1})).toThrow(
        'expertChoice: token 1 must have a finite logit and no NaN or Infinity.',
      );
    }
  });

  test('on a device a token without a number has NaN for weights, and the others have theirs', () => {
    for (const rows of WITHOUT_NUMBER) {
      const {weights, indices} = chosenOnDevice(tf.tensor2d(rows), {capacity: 1}).routing;
      expect(indices.arraySync()).toEqual([
        [1, -1],
        [-1, -1],
        [0, -1],
      ]);
      expect(list(weights).map(Number.isNaN)).toEqual([false, false, true, true, false, false]);
    }
  });
});
