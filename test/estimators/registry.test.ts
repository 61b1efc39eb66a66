import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as estimators from 'tfjs-moe/estimators';
import {ESTIMATOR_ALIASES, ESTIMATORS, getEstimator, reinmax, seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {gradientOf, unit} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';

tf.enableProdMode(); // or tfjs advertises its native backend

test('the registry holds the six estimators under the names of their functions', () => {
  expect(Object.keys(ESTIMATORS).sort()).toEqual([
    'gappedStraightThrough',
    'gumbelRao',
    'gumbelSoftmax',
    'reinmax',
    'straightThrough',
    'straightThroughGumbelSoftmax',
  ]);
  for (const [name, {estimate}] of Object.entries(ESTIMATORS)) {
    expect(estimate).toBe(estimators[name as keyof typeof estimators]);
  }
});

test('an estimator is found by identifier, by alias, and in the spelling that a saved model has', () => {
  for (const [alias, name] of Object.entries(ESTIMATOR_ALIASES)) {
    const snake = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
    for (const spelling of [alias, name, snake, name.toUpperCase()]) {
      expect(getEstimator(spelling as typeof alias & typeof name)).toBe(ESTIMATORS[name].estimate);
    }
  }
  expect(getEstimator(reinmax)).toBe(reinmax);
});

test('options bound in a configuration are used, and give way to those of the call', () => {
  const logits = tf.tensor1d([0.5, -1, 0.25, 1.5]);
  const gradient = (bound: number | undefined, called: number | undefined) => {
    const estimate = getEstimator({name: 'st', ...(bound === undefined ? {} : {temperature: bound})});
    const options = {given: unit(1, 4), ...(called === undefined ? {} : {temperature: called})};
    return list(gradientOf(estimate, x => tf.mul(x, [1, -2, 0.5, 3]), logits, options));
  };
  expectClose(gradient(2, undefined), gradient(undefined, 2), 0);
  expectClose(gradient(2, 0.5), gradient(undefined, 0.5), 0);
  expect(gradient(2, undefined)).not.toEqual(gradient(undefined, undefined));
});

test('own options reach the estimator', () => {
  let drawn = 0;
  const source = seeded(1);
  const counting = {
    uniform: (count: number) => {
      drawn += count;
      return source.uniform(count);
    },
    split: () => counting,
  };
  const estimate = getEstimator({name: 'gumbelRao', numSamples: 3});
  gradientOf(estimate, x => x, tf.zeros([2, 4]), {random: counting});
  expect(drawn).toBe(2 + 3 * 2 * 4); // one uniform a row for the draw, then K a category
  expect(() => getEstimator({name: 'gst', gap: -1})(tf.zeros([2]))).toThrow('gap');
});

test('an unknown name or option is refused, naming the known ones', () => {
  expect(() => getEstimator('reimax' as 'reinmax')).toThrow(
    'getEstimator: unknown name "reimax". Expected one of: gappedStraightThrough, gumbelRao, gumbelSoftmax, reinmax, ' +
      'straightThrough, straightThroughGumbelSoftmax (or gr, gs, gst, st, stgs).',
  );
  expect(() => getEstimator({name: 'reinmax', numSamples: 3})).toThrow(
    'getEstimator: reinmax has no option "numSamples". Expected none but: temperature.',
  );
  expect(() => getEstimator({name: 'gr', gap: 3})).toThrow(
    'getEstimator: gumbelRao has no option "gap". Expected some of: temperature, numSamples.',
  );
  expect(() => getEstimator(undefined as never)).toThrow('undefined');
  expect(() => getEstimator({} as never)).toThrow('getEstimator: unknown name undefined.');
});
