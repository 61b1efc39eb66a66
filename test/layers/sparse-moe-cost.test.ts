// What a step of a sparse mixture costs, counted: the multiply-adds of its products, and what it records for the gradient.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {DispatchMethod, GumbelMoE, GumbelMoEArgs} from 'tfjs-moe/layers';
import type {AssignmentOrder} from 'tfjs-moe/router';
import {expect, test, vi} from 'vitest';
import {ESTIMATORS} from '../../src/estimators/registry.js';
import {ROUTERS} from '../../src/router/registry.js';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {gradients, sparse as mixture, recorded, run, tokens, WIDTH} from './sparse-cases.js';

const HIDDEN = 5;
const UNITS = 2;

/** Without a balance loss, which takes a mean over the tokens as well. */
const sparse = (args: Partial<GumbelMoEArgs>) => mixture({loadBalancingWeight: 0, ...args});

/** How many multiply-adds the matrix products under fn make. */
function multiplyAdds(fn: () => void): number {
  let sum = 0;
  let depth = 0; // a kernel of tfjs-node may run another, whose products are its own
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  const spy = vi.spyOn(engine, 'runKernel').mockImplementation((name, inputs, attrs) => {
    ++depth;
    const result = runKernel(name, inputs, attrs);
    if (--depth > 0) return result;
    const {a, dy} = inputs as {a: tf.Tensor; dy: tf.Tensor};
    const isTransposed = (attrs as {transposeA?: boolean} | undefined)?.transposeA;
    if (['BatchMatMul', '_FusedMatMul'].includes(name))
      sum += (result as tf.Tensor).size * a.shape.at(isTransposed ? -2 : -1)!;
    if (name === 'GroupedMatMul') sum += ([result].flat() as tf.Tensor[])[0]!.size * a.shape[1]!;
    if (name === 'GroupedMatMulGradB') sum += a.size * dy.shape[1]!;
    return result;
  });
  try {
    fn();
  } finally {
    spy.mockRestore();
  }
  return sum;
}

/**
 * A training step's products, those of the router taken off: T D E of its logits, twice that for the gradients of kernel and tokens, and
 * T E for the choices that its statistics count.
 */
function ofExperts(moe: GumbelMoE, T: number): number {
  const sum = multiplyAdds(() => gradients(moe, tokens(T), x => run(moe, x, {training: true})));
  return sum - T * (3 * WIDTH + 1) * moe.experts.length;
}

eachBackendAndKernels('a training step', () => {
  // Forward, and twice that backward: for the rows and for the weights.
  const each = 3 * (WIDTH * HIDDEN + HIDDEN * UNITS);
  const NUMBERS = [1, 4, 16, 64];

  test.skipIf(LEAVES_LONG)(`multiplies for the chosen experts alone, however many there are${WHY_LONG}`, () => {
    const T = 24;
    for (const topK of [1, 3]) {
      const costs = NUMBERS.filter(E => E >= topK).map(numExperts =>
        ofExperts(sparse({numExperts, router: 'topK', topK, units: UNITS, dispatch: 'ragged'}), T),
      );
      expect(costs).toEqual(costs.map(() => topK * T * each));
    }
  });

  test.skipIf(LEAVES_LONG)(`multiplies for places alone where buffers have a capacity${WHY_LONG}`, () => {
    const T = 64;
    const costs = NUMBERS.map(numExperts =>
      ofExperts(sparse({numExperts, units: UNITS, dispatch: 'capacity', capacityFactor: 1, minCapacity: 1}), T),
    );
    expect(costs).toEqual(costs.map(() => T * each));
  });

  test('multiplies for dropped choices no more', () => {
    const moe = sparse({numExperts: 2, units: UNITS, capacityFactor: 0.5, minCapacity: 1, router: 'topK', topK: 2});
    expect(ofExperts(moe, 8)).toBe(2 * 4 * each); // both experts are full, with 4 tokens each
  });

  test.skipIf(!ON_HOST)(
    `applies experts of its own to their own rows alone, and those without not at all${WHY_ON_HOST}`,
    () => {
      const costs = [2, 8, 32].map(numExperts => {
        const experts = Array.from({length: numExperts}, () => tfl.layers.dense({units: UNITS}));
        const moe = sparse({name: `own_${numExperts}`, numExperts, experts, dispatch: 'ragged'});
        const calls = experts.map(expert => vi.spyOn(expert, 'call'));
        const cost = ofExperts(moe, 4);
        const counts = calls.map(call => call.mock.calls.length);
        expect(Math.max(...counts)).toBe(1);
        expect(counts.filter(count => count > 0).length).toBeLessThanOrEqual(4);
        return cost;
      });
      expect(costs).toEqual(costs.map(() => 3 * 4 * WIDTH * UNITS));
    },
  );
});

eachBackend('the tape of a training step', () => {
  const CASES: [string, Partial<GumbelMoEArgs>][] = [
    ...[...Object.keys(ROUTERS), ...Object.keys(ESTIMATORS)].map((router): [string, Partial<GumbelMoEArgs>] => [
      router,
      {router: router as 'topK'},
    ]),
    ['groups', {router: {name: 'topK', numGroups: 2, topGroups: 1}, topK: 2}],
    ['sampled second expert', {router: {name: 'gshard', secondPolicy: 'sampling'}}],
    ['random second expert', {router: {name: 'gshard', secondPolicy: 'random'}}],
    ['cosine', {logits: 'cosine'}],
    ['bias', {router: 'topK', biasUpdateRate: 0.1}],
  ];
  const ways = [
    ...hostWays<[DispatchMethod, AssignmentOrder]>('ragged', ['ragged', 'position'], ['ragged', 'probability']),
    ['capacity', 'random'] as const,
    ['oneHot', 'priority'] as const,
  ];
  const cases = [
    ...CASES.filter(([name]) => name !== 'base'),
    ...hostWays('base', CASES.find(([name]) => name === 'base')!),
  ];
  test.each(cases)('%s: holds no decision, whatever the dispatch and the order', (_, args) => {
    const mask = tf.tensor1d([1, 1, 0, 1, 1, 1]);
    for (const [dispatch, capacityOrder] of ways) {
      const moe = sparse({...args, dispatch, capacityOrder, capacityFactor: 1, minCapacity: 1, importanceWeight: 1});
      const {kernels, decisions} = recorded(moe, tokens(6), {mask});
      expect(kernels.length).toBeGreaterThan(5);
      expect(decisions).toEqual([]);
    }
  });
});
