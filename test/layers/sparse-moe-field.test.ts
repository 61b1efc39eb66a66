// Bugs that mixture layers of other libraries had, each as a law of the sparse mixture. Those of the functions alone are in test/router,
// those of the losses of any routing layer in router-loss-bugs.test.ts.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoE, type GumbelMoEArgs, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ESTIMATORS} from '../../src/estimators/registry.js';
import {ROUTERS} from '../../src/router/registry.js';
import {hostWays} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {
  gradients,
  NETWORK,
  routeOneHots,
  run,
  sparse,
  step,
  tokens,
  variables,
  WIDTH,
  weightOf,
} from './sparse-cases.js';

/** Experts that return their rows. */
const identities = (count: number) => Array.from({length: count}, () => tfl.layers.activation({activation: 'linear'}));
const DISPATCHES = [...hostWays('dispatch ragged', 'ragged' as const), 'capacity', 'oneHot'] as const;
const ALL_ROUTERS = [
  ...Object.keys(ROUTERS).filter(name => name !== 'base'),
  ...hostWays('router base', 'base'),
  ...Object.keys(ESTIMATORS),
];
const byName = (router: string, args: Partial<GumbelMoEArgs> = {}) => sparse({router: router as 'topK', ...args});
/** The auxiliary loss of a training call. */
const lossOf = (moe: GumbelMoE, x: tf.Tensor, kwargs: object = {}) =>
  step(moe, () => tf.mul(0, run(moe, x, {...kwargs, training: true}))).loss;
/** One-hot tokens, by the numbers of their ones. */
const oneHots = (ones: number[]) => tf.tensor2d(ones.map(one => [0, 1, 2].map(i => (i === one ? 1 : 0))));
// Expert 0 is wanted by 4 tokens, expert 1 by 2 and expert 2 by 6.
const WANTED = [2, 2, 0, 2, 2, 1, 2, 0, 2, 0, 1, 0];

eachBackend('a sparse mixture', () => {
  test.each(DISPATCHES)(
    '%s: a capacity of C keeps exactly the first C tokens, place 0 used (keras-io, Hugging Face #48293)',
    dispatch => {
      // C = 12 / 3 = 4: wanted [4, 2, 6], kept [4, 2, 4], where keras-io kept [3, 2, 3] and Hugging Face all.
      const moe = sparse({numExperts: 3, experts: identities(3), capacityFactor: 1, minCapacity: 1, dispatch});
      routeOneHots(moe, [0, 1, 2]);
      const seen = [0, 0, 0];
      const kept = WANTED.map(one => (seen[one]!++ < 4 ? 1 : 0));
      expect(kept.reduce((a, b) => a + b, 0 as number)).toBe(10);
      for (const training of [false, true]) {
        const sums = list(tf.sum(run(moe, oneHots(WANTED), {training}), 1));
        expectClose(sums, kept, NETWORK); // gates of 1
      }
    },
  );

  test.each(DISPATCHES)('%s: the gate is applied exactly once (keras-io)', dispatch => {
    const moe = sparse({experts: identities(4), dispatch});
    const x = tokens();
    const gate = tf.max(run(moe.router, x), 1, true); // of the one chosen expert
    expectClose(run(moe, x), list(tf.mul(gate, x)), NETWORK);
  });

  test('jitter multiplies what the router sees and never reaches the experts (Hugging Face #33969, keras-io, FastMoE)', () => {
    const one = sparse({numExperts: 1, experts: identities(1), jitter: 0.9}); // whose gate is 1
    expectClose(run(one, tokens(), {training: true}), list(tokens()), NETWORK);
    const args = {router: 'topK', topK: 4, jitter: 0.9} as const; // all chosen, so that the weights are the probabilities
    const moe = sparse(args);
    expect(list(run(moe.router, tokens(), {training: true}))).not.toEqual(list(run(moe.router, tokens())));
    // Noise that is added would show on tokens of zeros.
    expectClose(run(moe.router, tf.zeros([5, WIDTH]), {training: true}), new Array(20).fill(0.25), NETWORK);
  });

  test('the auxiliary loss has its weight, and is on without being asked for (keras-io, Hugging Face #44243)', () => {
    const x = tokens();
    const unit = lossOf(sparse({loadBalancingWeight: 1}), x);
    expect(unit).toBeGreaterThan(0.5);
    expectClose([lossOf(sparse({loadBalancingWeight: 0.25}), x)], [0.25 * unit], NETWORK);
    expectClose([lossOf(sparse(), x)], [0.01 * unit], NETWORK);
  });

  test.each(DISPATCHES)(
    '%s: shares are of the choices before dropping and padding, and the drop is reported (Megatron #1513, #1617, st-moe, FastMoE)',
    async dispatch => {
      // f = [4, 2, 6] / 12 = P up to e^-20: 3 (16 + 4 + 36) / 144 = 7 / 6; after dropping it would be 3 (16 + 4 + 16) / (12 * 10).
      for (const [capacityFactor, dropped] of [
        [undefined, 0],
        [1, 2 / 12],
        [0.25, 9 / 12],
      ] as const) {
        const capacity = capacityFactor === undefined ? {} : {capacityFactor, minCapacity: 1};
        const moe = sparse({numExperts: 3, loadBalancingWeight: 1, dispatch, ...capacity});
        routeOneHots(moe, [0, 1, 2]);
        expectClose([lossOf(moe, oneHots(WANTED))], [7 / 6], NETWORK);
        const metrics = await routerMetrics(moe);
        expect(metrics.droppedFraction).toBeCloseTo(dropped, 6);
        expectClose(metrics.load, [4 / 12, 2 / 12, 6 / 12], NETWORK);
      }
    },
  );

  test('the balance loss counts the choices that groups allow (Megatron #2767)', () => {
    // Logits 3, 0 | 2, 2: the one group of the two with the best pair of scores is the first, though 3 and 2 are the largest logits.
    const moe = sparse({router: {name: 'topK', numGroups: 2, topGroups: 1}, topK: 2, loadBalancingWeight: 1});
    weightOf(moe.router, '/kernel').write(
      tf.tensor2d([
        [3, 2.5, 2.8, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ]),
    );
    const exps = [3, 2.5, 2.8, 0].map(Math.exp);
    const sum = exps.reduce((a, b) => a + b);
    // f = [1/2, 1/2, 0, 0] where the two largest logits would give [1/2, 0, 1/2, 0].
    expectClose([lossOf(moe, oneHots([0, 0]))], [(4 * 0.5 * (exps[0]! + exps[1]!)) / sum], NETWORK);
  });

  test('the z-loss is of the logits, not of probabilities (Hugging Face #48293)', () => {
    const moe = sparse({loadBalancingWeight: 0, routerZLossWeight: 1});
    const logits = tf.matMul(tokens(), weightOf(moe.router, '/kernel').read() as tf.Tensor2D);
    expectClose([lossOf(moe, tokens())], list(tf.mean(tf.square(tf.logSumExp(logits, 1)))), NETWORK);
  });

  test.each(['loadBalancingWeight', 'routerZLossWeight', 'importanceWeight', 'entropyWeight'] as const)(
    '%s: padding changes neither sums nor counts (flaxformer, DeepSpeed, Megatron #1984)',
    field => {
      const args = {router: 'topK', topK: 2, loadBalancingWeight: 0, [field]: 1, capacityFactor: 1} as const;
      const padded = tf.concat([tf.fill([3, WIDTH], 5), tokens(6), tf.fill([2, WIDTH], Number.NaN)], 0);
      const mask = tf.tensor1d([0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]);
      expectClose([lossOf(sparse(args), padded, {mask})], [lossOf(sparse(args), tokens(6))], NETWORK);
    },
  );

  test('equal logits choose exactly K experts (mixture-of-experts: threshold compare)', async () => {
    const moe = sparse({router: 'topK', topK: 2, kernelInitializer: 'zeros'});
    run(moe, tokens(), {training: true});
    const {load, routerConfidence} = await routerMetrics(moe);
    expect(load).toEqual([0.5, 0.5, 0, 0]);
    expect(routerConfidence).toBeCloseTo(0.25, 6);
  });

  test('losses do not pile up outside of training (MegaBlocks #113)', () => {
    const [moe, x] = [sparse(), tokens()];
    const before = tf.memory().numTensors;
    for (const training of [true, false, true, false]) run(moe, x, {training}).dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(list(tf.addN(moe.calculateLosses()))).toEqual([0]);
  });

  // 100 tokens, since SparseMixer has a gradient only where a second logit comes near the largest.
  const UNTRAINED = ['hash', 'random']; // whose choices and weights do not depend on the logits
  test.each(ALL_ROUTERS.filter(name => !UNTRAINED.includes(name)))(
    '%s: the task trains the router (ode, mixture-of-experts #11)',
    router => {
      const moe = byName(router, {loadBalancingWeight: 0, ...(router === 'gshard' && {topK: 2})});
      const [, kernel] = gradients(moe, tokens(100), x => run(moe, x, {training: true}));
      expect(Math.max(...kernel!.map(Math.abs))).toBeGreaterThan(router === 'runningMeans' ? 1e-4 : 1e-3);
    },
  );

  test.each(UNTRAINED)('%s: has no gradient for the router, and trains the experts', router => {
    const moe = byName(router, {loadBalancingWeight: 0});
    const [, kernel, ...rest] = gradients(moe, tokens(), x => run(moe, x, {training: true}));
    expect(kernel!.every(value => value === 0)).toBe(true);
    expect(rest.flat().some(value => value !== 0)).toBe(true);
  });

  test('one choice with renormalised weights is refused, for the gradient it would not have (minimind #858)', () => {
    const moe = gumbelMoE({numExperts: 4, hiddenUnits: 3, compute: 'sparse', router: {name: 'topK', normalize: true}});
    // When the model is made, before any step.
    expect(() => moe.build([null, WIDTH])).toThrow(
      'normalize needs topK of at least 2: with one expert a token every weight would be 1, and the router would get no gradient.',
    );
    expect(() => sparse({router: {name: 'topK', normalize: true}, topK: 2})).not.toThrow();
  });

  test.each(ALL_ROUTERS)(
    '%s: evaluation is the same each time, training or not in between (DeepSpeed #8620)',
    router => {
      const moe = byName(router);
      const x = tokens(6);
      const first = list(run(moe, x));
      run(moe, x, {training: true});
      expect(list(run(moe, x))).toEqual(first);
      expectFinite(run(moe, x));
    },
  );

  test('a router of zeros and learned noise give finite gradients and evaluations (V-MoE #218, FastMoE #180)', () => {
    const losses = {importanceWeight: 1, loadWeight: 1, routerZLossWeight: 1, entropyWeight: 1};
    for (const router of ['switch', 'noisyTopK'] as const) {
      const moe = sparse({router, kernelInitializer: 'zeros', ...losses});
      const {loss, grads} = step(moe, () => run(moe, tokens(), {training: true}));
      expect(Number.isFinite(loss) && grads.flat().every(Number.isFinite)).toBe(true);
      expectFinite(run(moe, tokens()));
    }
  });

  test.each(DISPATCHES)(
    '%s: a capacity beyond the tokens, and fewer tokens than the least capacity (DeepSpeed #8155, #1658)',
    dispatch => {
      const x = tokens(3);
      const dropless = list(run(sparse({router: 'topK', topK: 2}), x));
      for (const capacityOrder of ['position', 'probability', 'random', 'priority'] as const) {
        for (const capacity of [{capacityFactor: 50}, {capacityFactor: 0.1, minCapacity: 8}]) {
          const moe = sparse({router: 'topK', topK: 2, capacityOrder, dispatch, ...capacity});
          for (const training of [false, true]) expectClose(run(moe, x, {training}), dropless, NETWORK);
        }
      }
    },
  );

  test('the bias of the selection is in no weight, and evaluation moves neither it nor its counts (vLLM #12002, prime-rl #2953)', () => {
    const router = {name: 'topK', scores: 'sigmoid'} as const;
    const [moe, plain] = [sparse({router, biasUpdateRate: 0.1}), sparse({router, topK: 4})];
    weightOf(moe, 'balance_bias').write(tf.tensor1d([0, 0, 100, 0]));
    const scores = run(plain.router, tokens()).arraySync() as number[][];
    expectClose(
      run(moe.router, tokens()),
      scores.flatMap(row => [0, 0, row[2]!, 0]),
      NETWORK,
    );
    run(moe, tokens());
    expect(list(weightOf(moe, 'balance_counts').read())).toEqual([0, 0, 0, 0]);
    expect(list(weightOf(moe, 'balance_bias').read())).toEqual([0, 0, 100, 0]);
  });

  test('what experts were used is saved with the weights (ode)', async () => {
    const moe = sparse();
    step(moe, () => run(moe, tokens(), {training: true}));
    const copy = sparse({seed: 2});
    copy.setWeights(moe.getWeights());
    expect(await routerMetrics(copy)).toEqual(await routerMetrics(moe));
  });

  test('batches of any size give a token the same output (keras-io: fixed batch)', () => {
    const moe = gumbelMoE({numExperts: 4, hiddenUnits: 5, compute: 'sparse', seed: 1});
    const all = list(run(moe, tokens(9)));
    expectClose(run(moe, tokens(4)), all.slice(0, 4 * WIDTH), NETWORK);
    expect(variables(moe).length).toBe(1 + 4 * 4);
  });
});
