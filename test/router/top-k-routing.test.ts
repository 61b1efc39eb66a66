import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {limitToGroups} from '../../src/router/group-limit.js';
import {switchRouting} from '../../src/router/switch-routing.js';
import {type TopKRoutingOptions, topKRouting} from '../../src/router/top-k-routing.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {flat, randomLogits, softmax} from './reference.js';
import {largestOf, lossOf, type SlowOptions, slowGradient, slowTopK} from './slow-routing.js';

/** A softmax of a few numbers near 1 in float32. */
const ROUNDING = 2e-6;
const NEVER = Number.NEGATIVE_INFINITY;
const logit = (p: number) => Math.log(p / (1 - p));

const CASES: [string, SlowOptions][] = [
  ['one expert', {topK: 1}],
  ['three experts', {topK: 3}],
  ['all experts', {topK: 8}],
  ['normalised weights', {topK: 3, normalize: true, scaling: 2.5}],
  ['sigmoid scores', {topK: 1, scores: 'sigmoid'}],
  ['normalised sigmoid scores', {topK: 4, scores: 'sigmoid', normalize: true}],
  ['sqrtSoftplus scores', {topK: 2, scores: 'sqrtSoftplus', scaling: 0.5}],
  ['normalised sqrtSoftplus scores', {topK: 3, scores: 'sqrtSoftplus', normalize: true}],
  ['a bias', {topK: 3, bias: [0.3, -0.2, 0, 0.1, -0.4, 0.25, 0, -0.1]}],
  ['DeepSeek-V3', {topK: 4, scores: 'sigmoid', normalize: true, bias: numbers(3, 8), numGroups: 4, topGroups: 2}],
  ['groups without a bias', {topK: 2, numGroups: 4, topGroups: 2}],
  [
    'groups scored by a part of their experts',
    {topK: 4, scores: 'sigmoid', bias: numbers(4, 8), numGroups: 2, topGroups: 1},
  ],
  [
    'groups scored by one expert of four',
    {topK: 1, scores: 'sigmoid', bias: numbers(5, 8), numGroups: 2, topGroups: 1},
  ],
  ['groups of one', {topK: 2, scores: 'sigmoid', numGroups: 8, topGroups: 3}],
];

const withTensors = ({bias, ...options}: SlowOptions): TopKRoutingOptions => ({
  ...options,
  ...(bias && {bias: tf.tensor1d(bias)}),
});

eachBackend('topKRouting', () => {
  test.each(CASES)('has the numbers and the gradient of a loop in float64: %s', (_title, options) => {
    const logits = randomLogits(5, 7, 8);
    const slow = slowTopK(logits, options);
    const route = (z: tf.Tensor) => topKRouting(z as tf.Tensor2D, withTensors(options));
    const {indices, weights, probs} = route(tf.tensor2d(logits));
    expect(indices.dtype).toBe('int32');
    expect(indices.arraySync()).toEqual(slow.indices);
    expectClose(weights, flat(slow.weights), ROUNDING);
    expectClose(probs, flat(slow.probs), ROUNDING);
    const gradient = tf.grad(z => lossOf(route(z)))(tf.tensor2d(logits));
    expectClose(
      gradient,
      slowGradient(rows => slowTopK(rows, options), logits),
      ROUNDING,
    );
  });

  test('normalised softmax weights are the softmax over the chosen logits', () => {
    const logits = randomLogits(6, 5, 6);
    const expected = logits.map(row => softmax(largestOf(row, 3).map(e => row[e]!)));
    expectClose(topKRouting(tf.tensor2d(logits), {topK: 3, normalize: true}).weights, flat(expected), ROUNDING);
  });

  test.each(['softmax', 'sigmoid', 'sqrtSoftplus'] as const)('refuses normalised weights of one expert: %s', scores => {
    // Every weight would be 1, whatever the logits: minimind #858.
    expect(() => topKRouting(tf.zeros([2, 3]), {normalize: true, scores})).toThrow(
      'topKRouting: normalize needs topK of at least 2: with one expert a token every weight would be 1, and the router would get no gradient.',
    );
  });

  test('a first choice does not depend on K', () => {
    const logits = tf.tensor2d(randomLogits(7, 9, 5));
    const one = list(topKRouting(logits, {topK: 1}).indices);
    for (let topK = 2; topK <= 5; ++topK) {
      const first = tf.slice(topKRouting(logits, {topK}).indices, [0, 0], [9, 1]);
      expect(list(first)).toEqual(one);
    }
  });

  test('orders experts by their logits where their probabilities are too small to tell', () => {
    // exp(-200) is 0 in float32.
    const {indices, weights} = topKRouting(tf.tensor2d([[-300, 0, -250, -200]]), {topK: 3, normalize: true});
    expect(list(indices)).toEqual([1, 3, 2]);
    expectClose(weights, [1, 0, 0], 0);
  });

  test('a bias moves the selection and enters neither weights nor probs, and gets no gradient', () => {
    const logits = tf.tensor2d([[Math.log(4), Math.log(3), Math.log(2), 0]]);
    const bias = tf.tensor1d([-1, 0, 0, 5]);
    const {indices, weights, probs} = topKRouting(logits, {topK: 2, bias});
    expect(list(indices)).toEqual([3, 1]);
    expectClose(weights, [0.1, 0.3], ROUNDING);
    expectClose(probs, [0.4, 0.3, 0.2, 0.1], ROUNDING);
    const ofBias = tf.grad(b =>
      tf.add(lossOf(topKRouting(logits, {topK: 2, bias: b as tf.Tensor1D})), tf.mul(0, tf.sum(b))),
    )(bias);
    expectClose(ofBias, [0, 0, 0, 0], 0);
  });

  test('a bias cannot open an expert at -Infinity', () => {
    for (const scores of ['softmax', 'sigmoid', 'sqrtSoftplus'] as const) {
      const {indices} = topKRouting(tf.tensor2d([[0, NEVER, -1]]), {topK: 2, scores, bias: tf.tensor1d([0, 50, -2])});
      expect(list(indices)).toEqual([0, 2]);
    }
  });

  test('experts outside the groups count as -Infinity and not as 0, so that they lose against negative scores', () => {
    // With a bias of -2 every score is below 0; the better group is that of experts 2 and 3. Filled with 0, experts 0 and
    // 1 would come first: DeepSeek-V3 #741, vllm #13474, transformers #45441.
    const logits = tf.tensor2d([[1, -9, 0.9, 0.8]]);
    const bias = tf.fill([4], -2) as tf.Tensor1D;
    const options = {topK: 2, scores: 'sigmoid', bias, numGroups: 2, topGroups: 1} as const;
    expect(list(topKRouting(logits, options).indices)).toEqual([2, 3]);
  });

  test('a group is scored by the experts that it has left', () => {
    // Sums of the top two of each group: nothing, .9 and .7.
    const logits = tf.tensor2d([[NEVER, NEVER, NEVER, logit(0.9), NEVER, NEVER, logit(0.3), logit(0.4), logit(0.2)]]);
    const options = {topK: 4, scores: 'sigmoid', numGroups: 3, topGroups: 2} as const;
    expect(list(topKRouting(logits, options).indices)).toEqual([3, 7, 6, 8]);
    const bias = tf.fill([9], -2) as tf.Tensor1D;
    expect(list(topKRouting(logits, {...options, bias}).indices)).toEqual([3, 7, 6, 8]);
  });

  test('groups without an expert come last, and do no harm where there are enough experts', () => {
    const logits = tf.tensor2d([[NEVER, NEVER, NEVER, NEVER, 1, 2]]);
    expect(list(topKRouting(logits, {topK: 2, numGroups: 3, topGroups: 2}).indices)).toEqual([5, 4]);
  });

  test('NaN is seen in a group that is not kept', () => {
    const selection = tf.tensor2d([[3, 4, 1, Number.NaN]]);
    const limit = {numGroups: 2, topGroups: 1, scoredExperts: 1};
    const limited = limitToGroups(tf.tensor2d([[3, 4, 1, 2]]), selection, limit, row => {
      throw new Error(`row ${row}`);
    });
    expect(list(limited)).toEqual([3, 4, NEVER, Number.NaN]);
  });

  test('a group is scored by floor(topK / topGroups) of its experts', () => {
    // Groups of four; top two: 1.0, 1.1 and .9; all four: 1.2, 1.12 and 1.8.
    const three = [0.9, 0.1, 0.1, 0.1, 0.6, 0.5, 0.01, 0.01, 0.45, 0.45, 0.45, 0.45];
    const two = {topK: 4, scores: 'sigmoid', numGroups: 3, topGroups: 2} as const;
    expect(list(topKRouting(tf.tensor2d([three.map(logit)]), two).indices)).toEqual([0, 4, 5, 1]);
    // Top two: .9 + .1 against .6 + .5, and all four: 1.2 against 1.1.
    const logits = tf.tensor2d([[0.9, 0.1, 0.1, 0.1, 0.6, 0.5, 0.01, 0.01, 0.2, 0.2, 0.2, 0.2].map(logit)]);
    const options = {topK: 2, scores: 'sigmoid', numGroups: 3, topGroups: 1} as const;
    expect(list(topKRouting(logits, options).indices)).toEqual([4, 5]);
    expect(list(topKRouting(logits, {...options, topK: 1}).indices)).toEqual([0]);
    expect(list(topKRouting(logits, {...options, topK: 4}).indices)).toEqual([0, 1, 2, 3]);
  });

  test.skipIf(!ON_HOST)(`NaN is refused wherever it stands, in a group that is not kept too${WHY_ON_HOST}`, () => {
    for (const options of [{}, {bias: tf.zeros<tf.Rank.R1>([4])}, {numGroups: 2, topGroups: 1}]) {
      for (const scores of ['softmax', 'sigmoid', 'sqrtSoftplus'] as const) {
        for (const end of [
          [Number.NaN, 0],
          [0, Number.NaN],
        ]) {
          expect(() => topKRouting(tf.tensor2d([[5, 4, ...end]]), {...options, scores})).toThrow(
            'topKRouting: token 0 must have at least topK (=1) finite logits and no NaN or Infinity.',
          );
        }
      }
    }
  });

  test.each(CASES)('gives finite weights and gradients at extreme logits: %s', (_title, options) => {
    const logits = tf.tensor2d([
      [1e4, -1e4, 1e4, -1e4, 0, 1, 2, 3],
      new Array(8).fill(-1e4),
      new Array(8).fill(1e4),
      new Array(8).fill(0),
    ]);
    const route = (z: tf.Tensor) => topKRouting(z as tf.Tensor2D, withTensors(options));
    const {weights, probs} = route(logits);
    expectFinite(weights);
    expectFinite(probs);
    expectFinite(tf.grad(z => lossOf(route(z)))(logits));
    expectClose(tf.sum(probs, 1), [1, 1, 1, 1], ROUNDING);
  });

  test.skipIf(!ON_HOST)(`refuses bad numbers and shapes, and goes on working${WHY_ON_HOST}`, () => {
    const logits = tf.zeros<tf.Rank.R2>([2, 6]);
    const refused: [TopKRoutingOptions, string][] = [
      [{topK: 0}, 'topK must be a whole number of at least 1, but got 0.'],
      [{topK: 7}, 'topK (=7) must not exceed numExperts (=6).'],
      [{scaling: 0}, 'scaling must be a positive finite number, but got 0.'],
      [{scores: 'relu' as 'softmax'}, 'scores must be one of "softmax", "sigmoid", "sqrtSoftplus", but got "relu".'],
      [{numGroups: 4}, 'numGroups (=4) must divide numExperts (=6).'],
      [{numGroups: 3, topGroups: 4}, 'topGroups must be a whole number from 1 to 3, but got 4.'],
      [{topK: 3, numGroups: 3, topGroups: 1}, 'topK (=3) must not exceed the experts of topGroups groups (=2).'],
      [{bias: tf.zeros([5])}, 'bias must have shape [experts] = [6], but got [5].'],
      [{mask: tf.ones([3])}, 'mask must have shape [tokens] = [2], but got [3].'],
    ];
    for (const [options, words] of refused) expect(() => topKRouting(logits, options)).toThrow(`topKRouting: ${words}`);
    expect(() => topKRouting(tf.zeros([2, 0]))).toThrow('topKRouting: logits must have at least one expert');
    expect(() => topKRouting(tf.zeros([2]) as unknown as tf.Tensor2D)).toThrow(
      'topKRouting: logits must have shape [tokens, experts] = [any, any], but got [2].',
    );
    expect(list(topKRouting(logits).indices)).toEqual([0, 0]);
  });
});

eachBackend('switchRouting', () => {
  test('weights the most probable expert with its probability, once and not renormalised', () => {
    const {indices, weights, probs} = switchRouting(
      tf.tensor2d([
        [0, Math.log(3)],
        [Math.log(4), 0],
      ]),
    );
    expect(list(indices)).toEqual([1, 0]);
    expectClose(weights, [0.75, 0.8], ROUNDING);
    expectClose(probs, [0.25, 0.75, 0.8, 0.2], ROUNDING);
  });

  test('its weight gives the router a gradient, p (1 - p) at the chosen logit', () => {
    const gradient = tf.grad(z => tf.sum(switchRouting(z as tf.Tensor2D).weights))(tf.tensor2d([[0, Math.log(3)]]));
    expectClose(gradient, [-0.1875, 0.1875], ROUNDING);
  });

  test.skipIf(!ON_HOST)(`refuses more experts than one${WHY_ON_HOST}`, () => {
    expect(() => switchRouting(tf.zeros([1, 3]), {topK: 2})).toThrow('switchRouting: topK must be 1, but got 2.');
    expect(() => switchRouting(tf.tensor2d([[Number.NaN]]))).toThrow('switchRouting: token 0 must have');
  });
});
