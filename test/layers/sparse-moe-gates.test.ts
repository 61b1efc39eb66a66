// What some routers ask of the sparse mixture beyond the weights of the chosen experts: outputs of the others or their means, the token
// itself, a factor of the output. And the two capacities.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {GumbelMoE, type GumbelMoEArgs} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {allExperts, NETWORK, run, sparse, tokens, variables, WIDTH, weightOf} from './sparse-cases.js';

const DISPATCHES = [...hostWays('dispatch ragged', 'ragged' as const), 'capacity', 'oneHot'] as const;

/** The gradients of a linear loss of an output, for all trained weights in order. */
function linearGradients(moe: GumbelMoE, forward: () => tf.Tensor): number[][] {
  const loss = () => {
    const y = forward();
    return tf.sum(tf.mul(y, tf.tensor(numbers(3, y.size), y.shape))) as tf.Scalar;
  };
  const {grads} = tf.variableGrads(loss, variables(moe));
  return variables(moe).map(variable => list(grads[variable.name]!));
}

/** softmax of the router's logits, [T, E]. */
const probs = (moe: GumbelMoE, x: tf.Tensor2D) =>
  tf.softmax(tf.matMul(x, weightOf(moe.router, '/kernel').read() as tf.Tensor2D));

/** sum_e p_te substitute_te, [T, units]. */
const weighted = (p: tf.Tensor, substitutes: tf.Tensor[]) =>
  tf.addN(tf.split(p, substitutes.length, 1).map((column, e) => tf.mul(column, substitutes[e]!)));

eachBackend('a sparse mixture', () => {
  const args: Partial<GumbelMoEArgs> = {topK: 2, loadBalancingWeight: 0};

  test.each(DISPATCHES)(
    "%s: denseMixer's router has the gradient of all experts evaluated, its experts that of the chosen",
    dispatch => {
      const moe = sparse({...args, router: 'denseMixer', dispatch});
      const x = tokens();
      const ours = linearGradients(moe, () => run(moe, x, {training: true}));
      const [ofRouter] = linearGradients(moe, () =>
        weighted(
          probs(moe, x),
          moe.experts.map(expert => run(expert, x)),
        ),
      );
      const [, ...ofExperts] = linearGradients(moe, () => allExperts(moe, x, {training: true}));
      [ofRouter!, ...ofExperts].forEach((gradient, i) => {
        expectClose(ours[i]!, gradient, NETWORK);
      });
      expectClose(run(moe, x, {training: true}), list(allExperts(moe, x, {training: true})), NETWORK);
    },
  );

  test.each(DISPATCHES)(
    '%s: runningMeans puts the means of earlier outputs in place of experts that were not chosen',
    dispatch => {
      const moe = sparse({...args, router: 'runningMeans', dispatch});
      const biases = moe.trainableWeights.filter(({originalName}) => originalName.includes('/bias'));
      for (const bias of biases) bias.write(tf.fill(bias.shape as number[], 0.3)); // so that a free place shows
      const x = tokens();
      const means = weightOf(moe, '/means');
      const chosen = tf.greater(run(moe.router, x), 0);
      const outputs = moe.experts.map(expert => run(expert, x));
      // 0.9 of zeros and 0.1 of the mean over an expert's own tokens.
      const expected = outputs.flatMap((output, e) => {
        const isOwn = tf.cast(tf.slice(chosen, [0, e], [-1, 1]), 'float32');
        return list(tf.div(tf.mul(0.1, tf.sum(tf.mul(output, isOwn), 0)), tf.maximum(1, tf.sum(isOwn))));
      });
      run(moe, x, {training: true});
      expectClose(means.read(), expected, NETWORK);
      const before = tf.clone(means.read());
      const ours = linearGradients(moe, () => run(moe, x, {training: true}));
      const substitutes = outputs.map((output, e) =>
        tf.where(
          tf.tile(tf.slice(chosen, [0, e], [-1, 1]), [1, WIDTH]),
          output,
          tf.tile(tf.slice(before, [e, 0], [1, -1]), [12, 1]),
        ),
      );
      const [ofRouter] = linearGradients(moe, () =>
        tf.add(weighted(probs(moe, x), substitutes), tf.mul(0, allExperts(moe, x, {training: false}))),
      );
      expectClose(ours[0]!, ofRouter!, NETWORK);
      run(moe, x);
      const after = list(means.read());
      run(moe, x);
      expect(list(means.read())).toEqual(after);
    },
  );

  test.skipIf(!ON_HOST)(`base mixes the token in, by what its expert does not weigh${WHY_ON_HOST}`, () => {
    const moe = sparse({router: 'base', loadBalancingWeight: 0});
    const x = tokens(8);
    for (const training of [false, true]) {
      const weights = run(moe.router, x, {training});
      const rest = tf.sub(1, tf.sum(weights, 1, true));
      expectClose(run(moe, x, {training}), list(tf.add(allExperts(moe, x, {training}), tf.mul(rest, x))), NETWORK);
    }
    // Balanced in training: two tokens for each of the four experts.
    expect(list(tf.sum(tf.cast(tf.greater(run(moe.router, x, {training: true}), 0), 'int32'), 0))).toEqual([
      2, 2, 2, 2,
    ]);
    expect(() => sparse({router: 'base', units: 2, name: 'narrow'})).toThrow(
      "so units must be the input's width (=3), but got 2",
    );
  });

  test('sparseMixer multiplies the output by a learned factor that starts at one', () => {
    const moe = sparse({router: 'sparseMixer', loadBalancingWeight: 0});
    const x = tokens();
    const plain = list(run(moe, x));
    expectClose(plain, list(allExperts(moe, x, {training: false})), NETWORK);
    weightOf(moe, '/scale').write(tf.tensor1d([1, 2, -1]));
    expectClose(
      run(moe, x),
      plain.map((value, i) => value * [1, 2, -1][i % 3]!),
      NETWORK,
    );
    expect(moe.trainableWeights.some(({originalName}) => originalName.endsWith('/scale'))).toBe(true);
  });

  test('a shared expert has the units of the experts, also of the user', () => {
    const experts = [0, 1].map(() => tfl.layers.dense({units: 2}));
    const plain = sparse({name: 'plain', numExperts: 2, experts});
    const own = [0, 1].map(() => tfl.layers.dense({units: 2}));
    const moe = sparse({name: 'with_shared', numExperts: 2, experts: own, sharedHiddenUnits: 4, sharedGate: 'sigmoid'});
    expect(run(moe, tokens()).shape).toEqual([12, 2]);
    expect(weightOf(moe, '/shared_expert/kernel_1').shape).toEqual([4, 2]);
    const copy = GumbelMoE.fromConfig(GumbelMoE as never, {...moe.getConfig(), name: 'copy'}) as GumbelMoE;
    expect(run(copy, tokens()).shape).toEqual([12, 2]);
    expect(moe.weights.length).toBe(plain.weights.length + 4 + 1);
  });

  test('training and evaluation have their own capacities', () => {
    const x = tf.tile(tokens(1), [16, 1]); // all to one expert
    const kept = (moe: GumbelMoE, training: boolean) =>
      list(tf.sum(tf.abs(run(moe, x, {training})), 1)).filter(sum => sum > 0).length;
    const both = (factors: Partial<GumbelMoEArgs>) => {
      const moe = sparse({minCapacity: 1, ...factors});
      return [kept(moe, true), kept(moe, false)];
    };
    expect(both({capacityFactor: 1})).toEqual([4, 4]);
    expect(both({capacityFactor: 1, evalCapacityFactor: 2})).toEqual([4, 8]);
    expect(both({evalCapacityFactor: 0.5})).toEqual([16, 2]);
    expect(both({capacityFactor: 0.25, minCapacity: 3})).toEqual([3, 3]);
  });

  test('expertChoice takes as many tokens an expert as the capacity says', () => {
    const x = tokens(8);
    const moe = sparse({router: 'expertChoice', loadBalancingWeight: 0, capacityFactor: 2, minCapacity: 1});
    const p = probs(moe, x).arraySync() as number[][];
    const outputs = moe.experts.map(expert => run(expert, x).arraySync() as number[][]);
    // C = 2 * 8 / 4 = 4 tokens with the highest probabilities for each expert.
    const expected = p.map(() => [0, 0, 0]);
    for (const e of [0, 1, 2, 3]) {
      const order = p.map((_, t) => t).sort((a, b) => p[b]![e]! - p[a]![e]!);
      for (const t of order.slice(0, 4))
        expected[t] = expected[t]!.map((sum, i) => sum + p[t]![e]! * outputs[e]![t]![i]!);
    }
    expectClose(run(moe, x, {training: true}), expected.flat(), NETWORK);
  });
});
