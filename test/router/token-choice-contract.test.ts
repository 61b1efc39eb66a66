// Laws of every router by tokens' choice, where tensors live on the host and where they are taken to live on a device.
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {describe, expect, test} from 'vitest';
import {gshardRouting} from '../../src/router/gshard-routing.js';
import {hashRouting} from '../../src/router/hash-routing.js';
import {lshRouting} from '../../src/router/lsh-routing.js';
import {noisyTopKRouting} from '../../src/router/noisy-top-k-routing.js';
import {randomRouting} from '../../src/router/random-routing.js';
import {switchRouting} from '../../src/router/switch-routing.js';
import {topKRouting} from '../../src/router/top-k-routing.js';
import type {RouterOptions, Routing} from '../../src/router/types.js';
import {ON_HOST, onDevice, onHost, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {type Rows, randomLogits} from './reference.js';
import {lossOf} from './slow-routing.js';

const NEVER = Number.NEGATIVE_INFINITY;
const E = 4;

/** A router with its options; training ones draw from the given seed. */
interface Case {
  topK: number;
  /** Fewest experts that it works with. */
  least: number;
  /** Whether its weights or probs have a gradient. */
  learns: boolean;
  route: (logits: tf.Tensor2D, options?: RouterOptions) => Routing;
}

/** Disposes of a tensor after its use. */
function using<T extends tf.Tensor>(x: T, fn: (x: T) => Routing): Routing {
  try {
    return fn(x);
  } finally {
    x.dispose();
  }
}

const CASES: [string, Case][] = [
  ['switch', {topK: 1, least: 1, learns: true, route: switchRouting}],
  ...([2, 4] as const).map((topK): [string, Case] => [
    `top ${topK}`,
    {topK, least: topK, learns: true, route: (z, options) => topKRouting(z, {...options, topK})},
  ]),
  ...(['sigmoid', 'sqrtSoftplus'] as const).map((scores): [string, Case] => [
    `top 2 normalised, ${scores}`,
    {topK: 2, least: 2, learns: true, route: (z, o) => topKRouting(z, {...o, topK: 2, normalize: true, scores})},
  ]),
  [
    'top 1 with bias and groups',
    {
      topK: 1,
      least: 4,
      learns: true,
      route: (z, o) =>
        using(tf.tensor1d([0.2, -0.3, 0, 0.1]), bias =>
          topKRouting(z, {...o, scores: 'sigmoid', bias, numGroups: 2, topGroups: 1}),
        ),
    },
  ],
  ...(['all', 'none', 'threshold', 'random', 'sampling'] as const).map((secondPolicy): [string, Case] => [
    `gshard ${secondPolicy}`,
    {topK: 2, least: 2, learns: true, route: (z, o) => gshardRouting(z, {...o, secondPolicy})},
  ]),
  ...(['chosen', 'all'] as const).map((softmaxOver): [string, Case] => [
    `noisy top 2, softmax over ${softmaxOver}`,
    {topK: 2, least: 2, learns: true, route: (z, o) => noisyTopKRouting(z, {...o, topK: 2, softmaxOver})},
  ]),
  [
    'noisy top 1, learned noise',
    {
      topK: 1,
      least: 1,
      learns: true,
      route: (z, o) =>
        using(tf.fill<tf.Rank.R2>(z.shape, -0.5), noiseLogits => noisyTopKRouting(z, {...o, noiseLogits})),
    },
  ],
  ['random', {topK: 2, least: 2, learns: false, route: (z, o) => randomRouting(z, {...o, topK: 2})}],
];

const drawing = (): RouterOptions => ({training: true, random: seeded(7)});
/** Inference, training, and training with padding. */
const CONTEXTS = [() => ({}), drawing, () => ({...drawing(), mask: tf.tensor1d([1, 1, 0, 1, 0, 1, 1])})];
const EXTREME = [new Array(E).fill(0), [1e4, -1e4, 1e4, 0], [-1e4, -1e4, -1e4, -1e4]];

const read = ({indices, weights, probs}: Routing) => ({
  indices: list(indices),
  weights: list(weights),
  probs: list(probs),
});

describe.each(CASES)('%s', (_title, {topK, least, route}) => {
  eachBackend('a router', () => {
    test('gives K different experts a token, weights and probs of the right types and sizes', () => {
      const {indices, weights, probs} = route(tf.tensor2d(randomLogits(1, 9, E)), drawing());
      expect([indices.shape, weights.shape, probs.shape]).toEqual([
        [9, topK],
        [9, topK],
        [9, E],
      ]);
      expect([indices.dtype, weights.dtype, probs.dtype]).toEqual(['int32', 'float32', 'float32']);
      for (const row of indices.arraySync() as Rows) {
        const experts = row.filter(e => e !== -1);
        expect(new Set(experts).size).toBe(experts.length);
        expect(experts.every(e => e >= 0 && e < E)).toBe(true);
        expect(row[0]).not.toBe(-1);
      }
      expectClose(tf.sum(probs, 1), new Array(9).fill(1), 2e-6);
    });

    test('padding chooses nothing and changes nothing else, whatever it holds', () => {
      const logits = randomLogits(2, 6, E);
      const padded = logits.map((row, t) => (t % 3 === 1 ? [Number.NaN, NEVER, NEVER, 1e30] : row));
      const mask = tf.tensor1d([1, 0, 1, 1, 0, 1]);
      const plain = route(tf.tensor2d(logits), drawing());
      const masked = route(tf.tensor2d(padded), {...drawing(), mask});
      const keep = tf.expandDims(mask, 1);
      expect(list(masked.indices)).toEqual(list(tf.sub(tf.mul(tf.add(tf.cast(plain.indices, 'float32'), 1), keep), 1)));
      expect(list(masked.weights)).toEqual(list(tf.mul(plain.weights, keep)));
      expect(list(masked.probs)).toEqual(list(tf.mul(plain.probs, keep)));
    });

    test('works for no tokens', () => {
      const {indices, weights, probs} = route(tf.zeros([0, E]), drawing());
      expect([indices.shape, weights.shape, probs.shape]).toEqual([
        [0, topK],
        [0, topK],
        [0, E],
      ]);
    });

    test('works for masks that drop everything', () => {
      const {indices, weights, probs} = route(tf.tensor2d(randomLogits(3, 2, E)), {mask: tf.zeros([2])});
      expect(new Set(list(indices))).toEqual(new Set([-1]));
      expect(new Set([...list(weights), ...list(probs)])).toEqual(new Set([0]));
    });

    test('works with as few experts as there are choices', () => {
      const {indices, weights} = route(tf.tensor2d(randomLogits(4, 5, least)), drawing());
      expect(list(indices).every(e => e < least)).toBe(true);
      expectFinite(weights);
    });

    test('is finite at equal logits and at +-1e4', () => {
      const {weights, probs} = route(tf.tensor2d(EXTREME), drawing());
      expectFinite(weights);
      expectFinite(probs);
    });

    test('equal logits choose the first experts', () => {
      const {indices} = route(tf.zeros([1, E]), {});
      const chosen = list(indices).filter(e => e !== -1);
      expect(chosen).toEqual(chosen.map((_, i) => i));
    });

    test('is deterministic without training, and in training follows its seed', () => {
      // DeepSpeed #8620: the second expert was drawn in evaluation too.
      const logits = tf.tensor2d(randomLogits(5, 12, E));
      expect(read(route(logits))).toEqual(read(route(logits, {training: false, random: seeded(1)})));
      expect(read(route(logits, drawing()))).toEqual(read(route(logits, drawing())));
    });

    test('leaves its inputs alone and leaks no tensor', () => {
      const logits = tf.tensor2d(randomLogits(6, 5, E));
      const before = list(logits);
      const mask = tf.tensor1d([1, 0, 1, 1, 1]);
      const start = tf.memory().numTensors;
      tf.dispose({...route(logits, {...drawing(), mask})});
      expect(tf.memory().numTensors).toBe(start);
      expect(list(logits)).toEqual(before);
    });

    test.skipIf(!ON_HOST)(`leaks no tensor when it refuses${WHY_ON_HOST}`, () => {
      const bad = tf.tensor2d([[0, Number.NaN, 1, 2]]);
      const start = tf.memory().numTensors;
      expect(() => route(bad, drawing())).toThrow();
      expect(tf.memory().numTensors).toBe(start);
    });

    const BAD_ROWS = [
      [0, Number.NaN, 1, 2],
      [0, 1, Number.POSITIVE_INFINITY, 2],
      [...new Array(E - topK + 1).fill(NEVER), ...new Array(topK - 1).fill(0)],
    ];
    test.skipIf(!ON_HOST)(`refuses NaN, Infinity and too few experts on the host${WHY_ON_HOST}`, () => {
      for (const row of BAD_ROWS) {
        expect(() => route(tf.tensor2d([[0, 1, 2, 3], row]))).toThrow(
          /\w: token 1 must have at least topK \(=\d\) finite logits and no NaN or Infinity\./,
        );
      }
    });

    test('on a device the weights of a token with NaN, Infinity or too few experts are NaN and others are not', () => {
      for (const row of BAD_ROWS) {
        const {weights} = onDevice(() => route(tf.tensor2d([[0, 1, 2, 3], row])));
        const isBad = list(weights).map(Number.isNaN);
        expect(isBad).toEqual([...new Array(topK).fill(false), ...new Array(topK).fill(true)]);
      }
    });

    test('does on a device what it does on the host', () => {
      const logits = tf.tensor2d(randomLogits(8, 7, E));
      for (const options of CONTEXTS) {
        const host = onHost(() => read(route(logits, options())));
        const device = onDevice(() => read(route(logits, options())));
        expect(device.indices).toEqual(host.indices);
        expectClose(device.weights, host.weights, 1e-6);
        expectClose(device.probs, host.probs, 1e-6);
      }
    });
  });
});

describe.each(CASES.filter(([, {learns}]) => learns))('%s', (_title, {topK, route}) => {
  eachBackend('the gradient of a router', () => {
    const gradient = (logits: tf.Tensor2D, options?: RouterOptions) =>
      tf.grad(z => lossOf(route(z as tf.Tensor2D, options)))(logits);

    test('padding has gradient 0, and the other tokens have the gradient that they have without it', () => {
      const logits = randomLogits(2, 3, E);
      const mask = tf.tensor1d([1, 0, 1], 'bool');
      const plain = tf.mul(gradient(tf.tensor2d(logits), drawing()), tf.tensor2d([[1], [0], [1]]));
      const padded = tf.tensor2d([logits[0]!, new Array(E).fill(Number.NaN), logits[2]!]);
      expectClose(gradient(padded, {...drawing(), mask}), list(plain), 1e-7);
    });

    test('a router gets a gradient through the weights alone', () => {
      const ofWeights = tf.grad(z => {
        const {weights} = route(z as tf.Tensor2D);
        return tf.sum(tf.mul(weights, tf.range(1, topK + 1)));
      })(tf.tensor2d(randomLogits(3, 3, E)));
      expect(Math.max(...list(tf.abs(ofWeights)))).toBeGreaterThan(0.01);
    });

    test('has no rows for no tokens', () => {
      const dz = tf.grad(z => tf.sum(route(z as tf.Tensor2D, drawing()).weights, 1))(tf.zeros([0, E]));
      expect(dz.shape).toEqual([0, E]);
    });

    test('is finite at equal logits and at +-1e4', () => {
      expectFinite(gradient(tf.tensor2d(EXTREME), drawing()));
    });

    test('is on a device what it is on the host', () => {
      const logits = tf.tensor2d(randomLogits(8, 7, E));
      for (const options of CONTEXTS) {
        const expected = onHost(() => list(gradient(logits, options())));
        const device = list(onDevice(() => gradient(logits, options())));
        expectClose(device, expected, 1e-6);
      }
    });
  });
});

describe.each(CASES.filter(([, {topK}]) => topK < E))('%s', (_title, {route}) => {
  eachBackend('a router with an expert at -Infinity', () => {
    test('never takes it, and is finite', () => {
      const logits = tf.tensor2d([
        [1, 2, NEVER, -1],
        [1e4, -1e4, NEVER, 3],
      ]);
      const {indices, weights, probs} = route(logits, drawing());
      expect(list(indices)).not.toContain(2);
      expectFinite(weights);
      expectFinite(probs);
    });
  });
});

describe.each(CASES.filter(([, {learns, topK}]) => learns && topK < E))('%s', (_title, {route}) => {
  eachBackend('the gradient of a router with an expert at -Infinity', () => {
    test('is finite, and 0 at that expert', () => {
      const logits = tf.tensor2d([
        [1, 2, NEVER, -1],
        [1e4, -1e4, NEVER, 3],
      ]);
      const gradient = tf.grad(z => lossOf(route(z as tf.Tensor2D, drawing())))(logits);
      expectFinite(gradient);
      expectClose(tf.slice(gradient, [0, 2], [2, 1]), [0, 0], 0);
    });
  });
});

eachBackend('the routers without anything to learn', () => {
  test('do on a device what they do on the host', () => {
    const ids = tf.tensor1d([2, 0, -1, 3], 'int32');
    const tokens = tf.tensor2d(randomLogits(9, 4, 3));
    const mask = tf.tensor1d([1, 1, 0, 1]);
    for (const fixed of [
      () => hashRouting(ids, {numExperts: E, table: [3, 1, 0, 2], mask}),
      () => lshRouting(tokens, {numExperts: E, random: seeded(1), mask}),
      () => lshRouting(tokens, {numExperts: E, random: seeded(1)}),
    ]) {
      expect(read(onDevice(fixed))).toEqual(onHost(() => read(fixed())));
    }
  });

  test('a token of NaN has weight NaN on a device', () => {
    const tokens = tf.tensor2d([[1], [Number.NaN]]);
    expect(list(onDevice(() => lshRouting(tokens, {numExperts: 2, random: seeded(1)})).weights)).toEqual([
      1,
      Number.NaN,
    ]);
  });
});
