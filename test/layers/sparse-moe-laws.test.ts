// Laws of the sparse mixture: symmetries, noise, and experts of the user's own.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoEArgs, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ESTIMATORS} from '../../src/estimators/registry.js';
import {ROUTERS} from '../../src/router/registry.js';
import {LearnedScale} from '../support/custom-layer.js';
import {hostWays} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {applied, modelOf} from '../support/model.js';
import {
  allExperts,
  gradients,
  NETWORK,
  routeOneHots,
  run,
  sparse,
  step,
  tokens,
  WIDTH,
  weightOf,
} from './sparse-cases.js';

const DISPATCHES = [...hostWays('dispatch ragged', 'ragged' as const), 'capacity', 'oneHot'] as const;
const ALL_ROUTERS = [...Object.keys(ROUTERS), ...Object.keys(ESTIMATORS)];
const byName = (router: string, args: Partial<GumbelMoEArgs> = {}) => sparse({router: router as 'topK', ...args});
/** Rows of x in another order. */
const inOrder = (x: tf.Tensor, order: number[]) => list(tf.gather(x, tf.tensor1d(order, 'int32')));
/** Routers whose choice for a token depends on the token alone, outside of training; with the others, those of its batch matter. */
const BY_TOKEN = ALL_ROUTERS.filter(name => !['expertChoice', 'random'].includes(name));

eachBackend('a sparse mixture', () => {
  test.each(BY_TOKEN)('%s: permuting the tokens permutes the outputs', router => {
    const moe = byName(router);
    const x = tokens(7);
    const order = [3, 0, 6, 2, 5, 1, 4];
    const permuted = tf.gather(x, tf.tensor1d(order, 'int32'));
    expectClose(run(moe, permuted), inOrder(run(moe, x), order), NETWORK);
  });

  test.each(BY_TOKEN)('%s: a batch gives what its tokens give one at a time', router => {
    const moe = byName(router);
    const x = tokens(5);
    const rows = tf.split(x, 5).flatMap(row => list(run(moe, row)));
    expectClose(run(moe, x), rows, NETWORK);
  });

  test.each(['switch', 'topK', 'expertChoice', 'sinkhorn', 'denseMixer'])(
    '%s: permuting the experts with the columns of the router permutes the load and leaves the output',
    async router => {
      // Expert order[i] of the one is expert i of the other.
      const order = [2, 0, 3, 1];
      const args = {...(router !== 'switch' && {topK: 2}), capacityFactor: 1, minCapacity: 1};
      const [moe, other] = [byName(router, args), byName(router, args)];
      const columns = tf.gather(weightOf(moe.router, '/kernel').read(), tf.tensor1d(order, 'int32'), 1);
      weightOf(other.router, '/kernel').write(columns);
      for (const [i, e] of order.entries()) other.experts[i]!.setWeights(moe.experts[e]!.getWeights());
      const x = tokens();
      for (const training of [false, true]) {
        expectClose(run(other, x, {training}), list(run(moe, x, {training})), NETWORK);
      }
      const [{load}, permuted] = [await routerMetrics(moe), await routerMetrics(other)];
      expectClose(
        permuted.load,
        order.map(e => load[e]!),
        NETWORK,
      );
    },
  );

  const DRAWING = ['noisyTopK', 'random', 'sparseMixer', 'sparseMixerV2', 'sparseReinmax', ...Object.keys(ESTIMATORS)];
  test.each(DRAWING)('%s: training draws differ by step, the same seed draws the same', router => {
    const args = {useBias: true, kernelInitializer: 'zeros'} as const;
    const [moe, same, other] = [byName(router, args), byName(router, args), byName(router, {...args, seed: 2})];
    for (const layer of [moe, same, other]) weightOf(layer.router, '/bias').write(tf.ones([4])); // equal, and not of 0
    const draws = (layer: typeof moe) => list(run(layer.router, tokens(30), {training: true}));
    const [first, second] = [draws(moe), draws(moe)];
    expect(second).not.toEqual(first);
    expect([draws(same), draws(same)]).toEqual([first, second]);
    expect(draws(other)).not.toEqual(first);
  });

  test('the random order of places is of training alone, differs by step, and follows the seed', () => {
    const args = {capacityOrder: 'random', capacityFactor: 1, minCapacity: 1} as const;
    const [moe, same] = [sparse(args), sparse(args)];
    const x = tf.tile(tokens(1), [20, 1]);
    const kept = (layer: typeof moe, training: boolean) =>
      list(tf.sum(tf.abs(run(layer, x, {training})), 1)).flatMap((sum, t) => (sum > 0 ? [t] : []));
    const [first, second] = [kept(moe, true), kept(moe, true)];
    expect(first.length).toBe(5);
    expect(second).not.toEqual(first);
    expect([kept(same, true), kept(same, true)]).toEqual([first, second]);
    expect(kept(moe, false)).toEqual([0, 1, 2, 3, 4]);
  });

  test.each(DISPATCHES)('%s: experts of every kind give the output and gradients of all evaluated', dispatch => {
    const inner = gumbelMoE({
      numExperts: 2,
      hiddenUnits: 3,
      compute: 'sparse',
      router: 'topK',
      topK: 2,
      seed: 3,
      loadBalancingWeight: 0,
    });
    const sequential = tfl.sequential({
      layers: [tfl.layers.dense({units: 5, activation: 'tanh', inputShape: [WIDTH]}), tfl.layers.dense({units: WIDTH})],
    });
    const graph = modelOf(
      [WIDTH],
      x => tfl.layers.add().apply([x, applied(tfl.layers.dense({units: WIDTH}), x)]) as tfl.SymbolicTensor,
    );
    const experts = [tfl.layers.dense({units: WIDTH}), sequential, new LearnedScale({}), inner, graph];
    const moe = sparse({
      name: `kinds_${dispatch}`,
      numExperts: 5,
      experts,
      router: 'topK',
      topK: 2,
      loadBalancingWeight: 0,
      dispatch,
    });
    const x = tokens(9);
    expectClose(run(moe, x), list(allExperts(moe, x, {training: false})), NETWORK);
    const expected = gradients(moe, x, rows => allExperts(moe, rows, {training: true}));
    const ours = gradients(moe, x, rows => run(moe, rows, {training: true}));
    ours.forEach((gradient, i) => {
      expectClose(gradient, expected[i]!, 5 * NETWORK);
    });
  });

  test.each(DISPATCHES)('%s: a mixture as an expert routes and counts its own tokens alone', async dispatch => {
    const inner = () => gumbelMoE({numExperts: 2, hiddenUnits: 3, compute: 'sparse', seed: 3, units: WIDTH});
    const moe = sparse({name: `nested_${dispatch}`, numExperts: 3, experts: [inner(), inner(), inner()], dispatch});
    routeOneHots(moe, [0, 1, 1]);
    const x = tf.tensor2d(
      [0, 1, 1, 0, 2, 1, 0, 1].flatMap(one => [0, 1, 2].map(i => (i === one ? 1 : 0))),
      [8, WIDTH],
    );
    const {loss} = step(moe, () => tf.mul(0, run(moe, x, {training: true})));
    const counts = await Promise.all(
      moe.experts.map(async expert => (await routerMetrics(expert as typeof moe)).tokens),
    );
    expect(counts).toEqual([3, 5, 0]);
    expect(loss).toBeGreaterThan(0);
  });

  test.each(DISPATCHES)('%s: experts without tokens get gradients of zero, explicit ones', dispatch => {
    const dense = () => tfl.layers.dense({units: 2});
    for (const own of [true, false]) {
      const args = own ? {experts: [dense(), dense(), dense()]} : {hiddenUnits: 2};
      const moe = sparse({name: `idle_${dispatch}_${own}`, numExperts: 3, ...args, dispatch});
      routeOneHots(moe, [1, 1, 1]);
      const all = moe.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
      const {grads} = tf.variableGrads(() => tf.sum(run(moe, tf.ones([4, WIDTH]), {training: true})) as tf.Scalar, all);
      const sums = all.map(variable => list(tf.sum(tf.abs(grads[variable.name]!)))[0]!);
      const idle = [0, 2].flatMap(e =>
        moe.experts[e]!.trainableWeights.map(w => all.indexOf((w as never as {val: tf.Variable}).val)),
      );
      for (const i of idle) expect(sums[i]).toBe(0);
      expect(Math.max(...sums.filter((_, i) => i > 0 && !idle.includes(i)))).toBeGreaterThan(0);
    }
  });

  test.each(DISPATCHES)(
    '%s: an expert that is not finite at zeros does no harm where no token is, nor on padding',
    dispatch => {
      /** log(kernel . x), of positive tokens and weights. */
      class LogDense extends tfl.layers.Layer {
        static readonly className = 'LogDense';
        #kernel!: tfl.LayerVariable;
        override build(): void {
          this.#kernel = this.addWeight('kernel', [WIDTH, WIDTH], 'float32', tfl.initializers.constant({value: 0.5}));
          this.built = true;
        }
        override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
          const x = (Array.isArray(inputs) ? inputs[0]! : inputs) as tf.Tensor2D;
          return tf.log(tf.matMul(x, this.#kernel.read() as tf.Tensor2D));
        }
      }
      for (const router of ['switch', 'denseMixer'] as const) {
        const experts = [new LogDense({}), new LogDense({}), new LogDense({})];
        const moe = sparse({name: `log_${dispatch}_${router}`, numExperts: 3, experts, dispatch, router, topK: 1});
        routeOneHots(moe, [1, 1, 2], 1); // the third expert has the fewest tokens, the first none
        const x = tf.add(tf.abs(tokens(6)), 0.1);
        const padded = tf.concat([tf.zeros([2, WIDTH]), x, tf.zeros([1, WIDTH])]) as tf.Tensor2D;
        const mask = tf.tensor1d([0, 0, 1, 1, 1, 1, 1, 1, 0]);
        const y = run(moe, padded, {mask});
        expectFinite(y);
        expectClose(tf.slice(y, [2, 0], [6, WIDTH]), list(run(moe, x as tf.Tensor2D)), NETWORK);
        const own = gradients(moe, padded, rows => run(moe, rows, {mask, training: true}));
        for (const gradient of own) expect(gradient.every(Number.isFinite)).toBe(true);
      }
    },
  );

  test('experts that normalize by the batch, wherever, or keep a state are refused in words', () => {
    const normalization = () => tfl.layers.batchNormalization({inputShape: [WIDTH]} as never);
    const dense = () => tfl.layers.dense({units: WIDTH, inputShape: [WIDTH]});
    const model = modelOf([WIDTH], x => applied(normalization(), applied(dense(), x)));
    const outer = tfl.sequential({layers: [dense(), tfl.sequential({layers: [normalization()]})]});
    const nested = gumbelMoE({numExperts: 1, experts: [normalization()]});
    class Wrapper extends tfl.layers.Layer {
      static readonly className = 'Wrapper';
      readonly parts = [dense(), normalization()];
    }
    const wrapped = tfl.layers.timeDistributed({layer: normalization()});
    for (const expert of [normalization(), model, outer, nested, new Wrapper({}), wrapped]) {
      expect(() => gumbelMoE({numExperts: 2, experts: [dense(), expert], compute: 'sparse'})).toThrow(
        /^GumbelMoE: experts\[1\] must not normalize by statistics of the batch with compute: 'sparse', since .*Use layer normalization\.$/,
      );
    }
    expect(() => gumbelMoE({numExperts: 2, experts: [dense(), normalization()]})).not.toThrow(); // all rows, to every expert
    const stateful = tfl.layers.lstm({units: WIDTH, stateful: true});
    expect(() => gumbelMoE({numExperts: 1, experts: [stateful], compute: 'sparse'})).toThrow(
      'GumbelMoE: experts[0] keeps a state from row to row, but an expert must map each row by itself.',
    );
  });
});

test.each(ALL_ROUTERS)('%s draws, chooses and computes on wasm what it does on cpu', async router => {
  const results: number[][] = [];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    tf.engine().startScope();
    const moe = byName(router, {capacityFactor: 1, minCapacity: 1, capacityOrder: 'random', jitter: 0.1});
    for (let i = 0; i < 2; ++i) results.push(list(run(moe, tokens(), {training: true})));
    results.push(list(run(moe, tokens())));
    moe.dispose();
    tf.engine().endScope();
  }
  for (let i = 0; i < 3; ++i) expectClose(results[i]!, results[i + 3]!, NETWORK);
});
