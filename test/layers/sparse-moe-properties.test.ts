// Properties of the sparse mixture over random sizes, routers, orders, dispatches and masks, against all experts evaluated.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import {type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ESTIMATORS} from '../../src/estimators/registry.js';
import {layerRandom} from '../../src/layers/layer-random.js';
import {STREAM} from '../../src/layers/router-core.js';
import {ROUTERS} from '../../src/router/registry.js';
import {hostWays} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, numCases, WHY_LONG} from '../support/long-tests.js';
import {allExperts, gradients, NETWORK, places, run, sparse, step, tokens, WIDTH} from './sparse-cases.js';

type Router = NonNullable<GumbelMoEArgs['router']>;

/** Routers whose training draws nothing and whose choices stand in falling order of their weights, and the K that they can have. */
const DETERMINISTIC: {router: Router; K: (E: number) => number[]}[] = [
  {router: 'switch', K: () => [1]},
  {router: 'topK', K: E => [1, 2, E]},
  {router: {name: 'topK', normalize: true}, K: E => [2, E]},
  {router: {name: 'topK', scores: 'sigmoid', scaling: 2.5}, K: E => [1, 2, E]},
  {router: {name: 'topK', scores: 'sqrtSoftplus', normalize: true}, K: E => [2, E]},
  {router: 'gshard', K: () => [2]},
  {router: {name: 'gshard', secondPolicy: 'threshold', threshold: 0.3}, K: () => [2]},
  {router: {name: 'noisyTopK', noiseStd: 0}, K: E => [1, 2, E]},
  {router: 'sinkhorn', K: () => [1]},
  {router: 'expertChoice', K: E => [1, 2, E]},
  {router: 'hash', K: E => (E === 3 ? [] : [1])}, // a power of two
];
const EXPERTS = {
  'two layers': () => ({hiddenUnits: [4]}),
  gated: () => ({hiddenUnits: 4, gated: true, activation: 'swish'}),
  'Dense of its own': (E: number) => ({
    experts: Array.from({length: E}, (_, e) =>
      tfl.layers.dense({units: 2, kernelInitializer: tfl.initializers.glorotUniform({seed: e + 1})}),
    ),
  }),
};

/** Any deterministic case: one token or one expert, K = E, all tokens on one expert, masks that drop some or all. */
const cases = fc
  .record({
    T: fc.integer({min: 1, max: 9}),
    E: fc.integer({min: 1, max: 4}),
    logits: fc.constantFrom('linear' as const, 'linear' as const, 'cosine' as const),
    factor: fc.constantFrom(undefined, 0.3, 1, 2),
    minCapacity: fc.constantFrom(1, 1, 3),
    order: fc.constantFrom('position', 'probability', 'priority', 'random' as const),
    dispatch: fc.constantFrom('ragged', 'capacity', 'oneHot' as const),
    experts: fc.constantFrom(...(Object.keys(EXPERTS) as (keyof typeof EXPERTS)[])),
    mask: fc.constantFrom('none', 'some', 'all' as const),
    alike: fc.boolean(),
    training: fc.boolean(),
    seed: fc.nat({max: 999}),
    pick: fc.nat(),
  })
  .map(({pick, ...rest}) => {
    const able = DETERMINISTIC.flatMap(({router, K}) => K(rest.E).map(topK => ({router, topK}))).filter(
      ({router, topK}) => topK <= rest.E && !(topK === 1 && typeof router === 'object' && 'normalize' in router),
    );
    return {...rest, ...able[pick % able.length]!};
  });

eachBackend('any sparse mixture', () => {
  test.skipIf(LEAVES_LONG)(
    `gives the output and the gradients of all experts evaluated, without the dropped choices, and leaks nothing${WHY_LONG}`,
    () => {
      fc.assert(
        fc.property(cases, c => {
          const before = tf.memory().numTensors;
          const {T, E, router, topK, factor, minCapacity, order, dispatch, training, seed} = c;
          const args = {router, topK, logits: c.logits, capacityOrder: order, dispatch, minCapacity, seed} as const;
          const name = `property_${Object.keys(EXPERTS).indexOf(c.experts)}`;
          const moe = sparse({
            name,
            numExperts: E,
            loadBalancingWeight: 0,
            ...args,
            ...(factor !== undefined && {capacityFactor: factor}),
            ...EXPERTS[c.experts](E),
          });
          tf.tidy(() => {
            const x = c.alike ? (tf.tile(tokens(1, seed), [T, 1]) as tf.Tensor2D) : tokens(T, seed);
            const bits = {none: undefined, some: numbers(seed, T).map(u => (u > 0 ? 1 : 0)), all: new Array(T).fill(0)};
            const mask = bits[c.mask] && tf.tensor1d(bits[c.mask]!);
            const kwargs = {training, ...(mask && {mask})};
            const ours = list(run(moe, x, kwargs));
            const own = gradients(moe, x, input => run(moe, input, kwargs));
            // The router's own call counts as a step, so that the random order is that of the layer's call, the second in `gradients`.
            const uniforms = (at: number) =>
              Array.from(layerRandom(seed, `${name}/router`).atStep(at).split(STREAM.order).uniform(T));
            const expertsChoose = router === 'expertChoice';
            const call = (at: number) => ({
              ...kwargs,
              capacity: factor === undefined || expertsChoose ? undefined : places(T, E, topK, factor, minCapacity),
              order: order === 'random' && !training ? ('position' as const) : order,
              uniforms: uniforms(at),
            });
            if (expertsChoose && factor !== undefined) return; // the router by itself has another capacity
            expectClose(ours, list(allExperts(moe, x, call(0))), NETWORK);
            const expected = gradients(moe, x, input => allExperts(moe, input, call(1)));
            own.forEach((gradient, i) => {
              expectClose(gradient, expected[i]!, 5 * NETWORK);
            });
          });
          moe.dispose();
          expect(tf.memory().numTensors).toBe(before);
        }),
        {seed: 11, numRuns: numCases(100)},
      );
    },
  );

  const routers = [...Object.keys(ROUTERS), ...Object.keys(ESTIMATORS)];
  test.skipIf(LEAVES_LONG)(
    `of any router has finite outputs, losses and gradients in training, with padding zero, and leaks nothing${WHY_LONG}`,
    () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...routers),
          fc.integer({min: 1, max: 5}),
          fc.integer({min: 1, max: 4}),
          fc.constantFrom('ragged', 'capacity', 'oneHot' as const),
          fc.constantFrom('none', 'some', 'all'),
          fc.constantFrom(1, 1e4),
          (router, T, E, dispatch, masked, scale) => {
            if (E < (ROUTERS[router as 'topK']?.defaultTopK ?? 1) || (router === 'hash' && E === 3)) return;
            const start = tf.memory().numTensors;
            const losses = {importanceWeight: 1, routerZLossWeight: 1, entropyWeight: 1};
            const moe = sparse({router: router as 'topK', numExperts: E, dispatch, capacityFactor: 1, ...losses});
            const before = tf.memory().numTensors;
            tf.tidy(() => {
              const x = tf.mul<tf.Tensor2D>(tokens(T, T), scale);
              const bits = numbers(E, T).map(u => (masked === 'none' || (masked === 'some' && u > 0) ? 1 : 0));
              const mask = tf.tensor1d(bits);
              for (const training of [true, false]) {
                const y = run(moe, x, {mask, training});
                expectFinite(y);
                bits.forEach((bit, t) => {
                  if (bit === 0) expect(list(tf.slice(y, [t, 0], [1, WIDTH]))).toEqual([0, 0, 0]);
                });
              }
              const {loss, grads} = step(moe, () => run(moe, x, {mask, training: true}));
              expect(Number.isFinite(loss)).toBe(true);
              for (const gradient of grads) expect(gradient.every(Number.isFinite)).toBe(true);
            });
            expect(tf.memory().numTensors).toBe(before);
            moe.dispose();
            expect(tf.memory().numTensors).toBe(start);
          },
        ),
        {seed: 5, numRuns: numCases(60)},
      );
    },
  );

  test('refuses a capacity of 0 for any number of tokens, and leaks nothing', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 9}), fc.boolean(), (T, training) => {
        const moe = gumbelMoE({numExperts: 2, hiddenUnits: 3, compute: 'sparse', capacityFactor: 0, minCapacity: 0});
        moe.build([null, WIDTH]);
        const before = tf.memory().numTensors;
        expect(() => tf.tidy(() => run(moe, tokens(T), {training}))).toThrow(`leave no place for ${T} tokens`);
        expect(tf.memory().numTensors).toBe(before);
      }),
      {seed: 2, numRuns: numCases(6)},
    );
  });

  class Breakable extends tfl.layers.Layer {
    static readonly className = 'Breakable';
    isBroken = false;
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      if (this.isBroken) throw new Error('broken expert');
      return tf.mul(Array.isArray(inputs) ? inputs[0]! : inputs, 2);
    }
  }
  /** tfjs keeps what a tape has saved when the function under it throws. */
  const freeBrokenTape = () => {
    const {activeTape} = tf.engine().state;
    for (const {saved} of activeTape ?? []) tf.dispose(saved as tf.Tensor[]);
    tf.engine().state.activeTape = null as never;
  };

  test.each([...hostWays('dispatch ragged', 'ragged' as const), 'capacity', 'oneHot'] as const)(
    'an expert that throws in the middle of a step leaves nothing behind, with dispatch %s',
    dispatch => {
      const breakable = new Breakable();
      const experts = [breakable, new Breakable()];
      const moe = sparse({name: 'breakable', numExperts: 2, experts, topK: 2, router: 'topK', dispatch});
      const x = tokens();
      const train = () => step(moe, () => run(moe, x, {training: true}));
      const {loss} = train();
      const before = tf.memory().numTensors;
      breakable.isBroken = true;
      for (const training of [false, true]) {
        expect(() => tf.tidy(() => run(moe, x, {training}))).toThrow('broken expert');
      }
      expect(tf.memory().numTensors).toBe(before);
      for (let i = 0; i < 3; ++i) {
        expect(train).toThrow('broken expert');
        // The tape of an error is not that of a later call.
        breakable.isBroken = false;
        run(moe, x, {training: true}).dispose();
        breakable.isBroken = true;
        freeBrokenTape();
      }
      expect(tf.memory().numTensors).toBe(before + 1); // the loss of the last broken step, until the next one
      breakable.isBroken = false;
      expect(train().loss).toBe(loss);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});
