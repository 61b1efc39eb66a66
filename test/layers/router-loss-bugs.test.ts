// Bugs that routing layers of other libraries had with their losses, each as a law that holds here. Those of the losses
// alone are in test/router/loss-bugs.test.ts.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {discreteRouter, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {applied, modelOf} from '../support/model.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 4e-6;

const ALL_LOSSES = {
  loadBalancingWeight: 1,
  importanceWeight: 1,
  loadWeight: 1,
  routerZLossWeight: 1,
  entropyWeight: 1,
} as const;

eachBackend('a routing layer', () => {
  test('layers that each collapse on an expert of their own have the full loss each (Hugging Face #28255)', () => {
    // Eight experts, four layers, each with one logit of 100: f = P = one-hot, 8 a layer and 32 in all. With the tokens of all layers in
    // one batch it would be 8 * 4 / 16 = 2.
    const routers = [0, 1, 2, 3].map(() =>
      discreteRouter({numExperts: 8, useBias: true, kernelInitializer: 'zeros', loadBalancingWeight: 1}),
    );
    const model = modelOf([3], input => {
      const outputs = routers.map(router => applied(router, input));
      return tfl.layers.concatenate().apply(outputs) as tfl.SymbolicTensor;
    });
    routers.forEach((router, l) => {
      router.trainableWeights[1]!.write(tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7].map(e => (e === l ? 100 : 0))));
    });
    let each: number[] = [];
    tf.variableGrads(() => {
      model.apply(tf.tensor2d(numbers(1, 18), [6, 3]), {training: true});
      const losses = routers.map(router => tf.addN(router.calculateLosses()) as tf.Scalar);
      each = losses.map(loss => list(loss)[0]!);
      return tf.addN(losses) as tf.Scalar;
    });
    expectClose(each, [8, 8, 8, 8], ROUNDING);
  });

  test('a router of zeros, which is in perfect balance, has finite gradients of every loss (V-MoE #218)', () => {
    const layer = discreteRouter({numExperts: 4, seed: 1, kernelInitializer: 'zeros', useBias: true, ...ALL_LOSSES});
    const x = tf.tensor2d(numbers(2, 24), [8, 3]);
    layer.apply(x);
    const variables = layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
    const {value, grads} = tf.variableGrads(() => {
      layer.apply(x, {training: true});
      return tf.addN(layer.calculateLosses()) as tf.Scalar;
    }, variables);
    expectFinite(value);
    for (const gradient of Object.values(grads)) expectFinite(gradient);
  });

  test('inference draws no noise, has no loss and is finite, whatever losses training has (FastMoE #180)', async () => {
    const layer = discreteRouter({numExperts: 4, seed: 1, ...ALL_LOSSES});
    const x = tf.tensor2d(numbers(3, 24), [8, 3]);
    const first = layer.apply(x) as tf.Tensor;
    expectFinite(first);
    expect(list(layer.apply(x) as tf.Tensor)).toEqual(list(first));
    expectClose(tf.addN(layer.calculateLosses()), [0], 0);
    // Nor does it count in the metrics, from which the bias of loss-free balancing is moved elsewhere (prime-rl #2953).
    expect((await routerMetrics(layer)).tokens).toBe(0);
  });
});
