import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type DiscreteRouter, discreteRouter, gumbelMoE, resetRouterMetrics, routerMetrics} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {addToStatistics, readStatistics, statisticsSize} from '../../src/layers/router-statistics.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 2e-6;

const none = (experts: number) => tf.zeros([statisticsSize(experts)]) as tf.Tensor1D;

/** Makes a router choose by a bias, whatever its input. */
function routeBy(layer: DiscreteRouter, logits: number[], tokens: number): void {
  layer.apply(tf.ones([tokens, 2]), {training: true});
  layer.trainableWeights[1]!.write(tf.tensor1d(logits));
  resetRouterMetrics(layer);
  layer.apply(tf.ones([tokens, 2]), {training: true});
}

/** What a model of version 0.1.0 has in its file: statistics without the last two sums. */
async function asSavedBefore(model: tfl.LayersModel, numExperts: number): Promise<tfl.LayersModel> {
  let artifacts!: tf.io.ModelArtifacts;
  const handler = tf.io.withSaveHandler(async saved => {
    artifacts = saved;
    return {modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}};
  });
  await model.save(handler);
  const weights = tf.io.decodeWeights(artifacts.weightData!, artifacts.weightSpecs!);
  const earlier = Object.entries(weights).map(([name, tensor]) => {
    const isStatistics = name.endsWith('statistics');
    return {name, tensor: isStatistics ? tf.tensor1d(numbers(1, numExperts + 2, 1, 9)) : tensor};
  });
  const {data, specs} = await tf.io.encodeWeights(earlier);
  const rest = {modelTopology: artifacts.modelTopology, weightSpecs: specs, weightData: data};
  return tfl.loadLayersModel(tf.io.fromMemory(rest as tf.io.ModelArtifacts));
}

eachBackend('the statistics of a router', () => {
  test('are sums over the valid tokens, whose metrics are known', () => {
    // Two choices each of tokens 0, 1 and 3; token 2 is padding. Chosen probabilities .5 + .3, .6 + .3, .1 + .1.
    const probs = tf.tensor2d([
      [0.5, 0.3, 0.2],
      [0.1, 0.6, 0.3],
      [Number.NaN, 1, 0],
      [0.8, 0.1, 0.1],
    ]);
    const assignment = tf.tensor2d([
      [1, 1, 0],
      [0, 1, 1],
      [1, 1, 0],
      [0, 1, 1],
    ]);
    const mask = tf.tensor1d([1, 1, 0, 1]);
    const before = tf.memory().numTensors;
    const start = none(3);
    const once = addToStatistics(start, probs, assignment, mask, tf.scalar(2, 'int32'));
    expect(tf.memory().numTensors).toBe(before + 3);
    // The order is that of saved files: choices of each expert, tokens, entropy, dropped choices, confidence.
    expectClose(tf.gather(once, [0, 1, 2, 3, 5, 6]), [1, 3, 2, 3, 2, 1.9], ROUNDING);
    const sums = readStatistics(list(addToStatistics(once, probs, assignment, mask)), 3);
    expect(sums.choices).toEqual([2, 6, 4]);
    expect([sums.tokens, sums.dropped]).toEqual([6, 2]); // dropped in the first call alone
    expectClose([sums.confidence], [2 * (0.8 + 0.9 + 0.2)], ROUNDING);
    const entropy = (p: number[]) => p.reduce((sum, q) => sum - q * Math.log(q), 0);
    const entropies = [
      [0.5, 0.3, 0.2],
      [0.1, 0.6, 0.3],
      [0.8, 0.1, 0.1],
    ].map(entropy);
    expectClose([sums.entropy], [2 * entropies.reduce((a, b) => a + b)], 2 * ROUNDING);
  });

  test('leave nothing behind but their value', () => {
    const [start, probs] = [none(2), tf.fill([3, 2], 0.5) as tf.Tensor2D];
    const before = tf.memory().numTensors;
    addToStatistics(start, probs, probs, undefined);
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});

eachBackend('routerMetrics', () => {
  test('the confidence is the mean probability of the experts that were chosen', async () => {
    // softmax(ln 6, ln 3, 0) = (.6, .3, .1). All three are chosen in turn, so that the mean is 1/3 whatever was drawn first.
    const all = discreteRouter({numExperts: 3, topK: 3, seed: 1, useBias: true, kernelInitializer: 'zeros'});
    routeBy(all, [Math.log(6), Math.log(3), 0], 5);
    expect((await routerMetrics(all)).routerConfidence).toBeCloseTo(1 / 3, 6);
    // One choice: the load says how often each was drawn.
    const one = discreteRouter({numExperts: 3, seed: 1, useBias: true, kernelInitializer: 'zeros'});
    routeBy(one, [Math.log(6), Math.log(3), 0], 200);
    const {load, routerConfidence, droppedFraction} = await routerMetrics(one);
    expect(routerConfidence).toBeCloseTo(0.6 * load[0]! + 0.3 * load[1]! + 0.1 * load[2]!, 5);
    expect(droppedFraction).toBe(0); // a router alone has no capacity
  });

  test('the dropped share is of all choices, and violation and dead experts count them before dropping', async () => {
    // Two experts of four, eight choices, three of which found no place.
    const layer = discreteRouter({numExperts: 4, seed: 1});
    layer.build([null, 2]);
    const assignment = tf.tensor2d([
      [1, 0, 0, 1],
      [1, 0, 0, 1],
      [1, 0, 0, 1],
      [1, 0, 0, 1],
    ]);
    const probs = tf.tile(tf.tensor2d([[0.4, 0.1, 0.2, 0.3]]), [4, 1]) as tf.Tensor2D;
    layer.statistics.write(addToStatistics(none(4), probs, assignment, undefined, tf.scalar(3)));
    const {entropy, routerConfidence, ...rest} = await routerMetrics(layer);
    expect(rest).toEqual({tokens: 4, load: [0.5, 0, 0, 0.5], maxViolation: 1, deadExperts: 2, droppedFraction: 3 / 8});
    expect(routerConfidence).toBeCloseTo(0.35, 6);
    expect(entropy).toBeGreaterThan(0);
  });

  test('perfect balance has no violation, and no tokens give zeros, after a reset as before the first call', async () => {
    const layer = discreteRouter({numExperts: 3, topK: 3, seed: 1});
    layer.build([null, 2]);
    const zeros = {entropy: 0, maxViolation: 0, droppedFraction: 0, routerConfidence: 0, tokens: 0};
    expect(await routerMetrics(layer)).toEqual({...zeros, load: [0, 0, 0], deadExperts: 3});
    layer.apply(tf.ones([4, 2]), {training: true});
    const {maxViolation, deadExperts} = await routerMetrics(layer);
    expect(maxViolation).toBeCloseTo(0, 6);
    expect(deadExperts).toBe(0);
    resetRouterMetrics(layer);
    expect(await routerMetrics(layer)).toEqual({...zeros, load: [0, 0, 0], deadExperts: 3});
  });

  test('a saved model keeps its statistics', async () => {
    const router = discreteRouter({numExperts: 3, seed: 1});
    const model = modelOf([2], input => applied(router, input));
    router.apply(tf.ones([7, 2]), {training: true});
    const copy = await reload(model);
    expect(await routerMetrics(copy.layers[1] as DiscreteRouter)).toEqual(await routerMetrics(router));
    expect((await routerMetrics(router)).tokens).toBe(7);
  });

  test('a model saved before there were dropped choices and confidence loads, and counts anew', async () => {
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: [4], seed: 1});
    const model = modelOf([2], input => applied(moe, input));
    const copy = await asSavedBefore(model, 3);
    const x = tf.tensor2d(numbers(2, 20), [10, 2]);
    expect(list(copy.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
    const loaded = copy.layers[1] as typeof moe;
    expect((await routerMetrics(loaded)).tokens).toBe(0);
    loaded.apply(x, {training: true});
    const {tokens, load} = await routerMetrics(loaded);
    expect(tokens).toBe(10);
    expect(load.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });

  test('statistics of another number of experts are refused', async () => {
    const router = discreteRouter({numExperts: 3, seed: 1});
    router.build([null, 2]);
    expect(() => router.statistics.write(tf.zeros([4]))).toThrow('Shape mismatch');
  });
});
