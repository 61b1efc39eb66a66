import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {leaveOneOut} from '../../../src/estimators/score/leave-one-out.js';
import {
  getScoreEstimator,
  SCORE_ESTIMATOR_ALIASES,
  SCORE_ESTIMATORS,
  type ScoreEstimatorConfig,
} from '../../../src/estimators/score/registry.js';
import {createReinforceState} from '../../../src/estimators/score/reinforce.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {list} from '../../support/expect-close.js';
import {CUBIC} from '../../support/score-oracle.js';

eachBackend('the registry of score-function estimators', () => {
  test('it holds the eight estimators under the names of their functions', () => {
    expect(Object.keys(SCORE_ESTIMATORS).sort()).toEqual([
      'arms',
      'disarm',
      'doubleCV',
      'foust',
      'leaveOneOut',
      'reinforce',
      'relax',
      'rodeo',
    ]);
    for (const [name, {estimate}] of Object.entries(SCORE_ESTIMATORS)) expect(estimate.name).toBe(name);
  });

  test('an estimator is found by identifier, by alias, and in other spellings', () => {
    for (const [alias, name] of Object.entries(SCORE_ESTIMATOR_ALIASES)) {
      const snake = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
      for (const spelling of [alias, name, snake, name.toUpperCase()]) {
        expect(getScoreEstimator(spelling as 'rloo')).toBe(SCORE_ESTIMATORS[name].estimate);
      }
    }
    expect(getScoreEstimator('double-cv' as 'doubleCV')).toBe(SCORE_ESTIMATORS.doubleCV.estimate);
    expect(getScoreEstimator(leaveOneOut)).toBe(leaveOneOut);
  });

  test('options bound in a configuration are used, and give way to those of the call', () => {
    let calls = 0;
    const counting = (b: tf.Tensor) => {
      ++calls;
      return CUBIC.objective(b, 'hard');
    };
    const estimate = getScoreEstimator({name: 'rloo', distribution: 'binary', numSamples: 5});
    const {value} = estimate(counting, tf.zeros([2, 3]), {random: seeded(1)});
    expect(calls).toBe(5);
    estimate(counting, tf.zeros([2, 3]), {numSamples: 3});
    expect(calls).toBe(8);
    const direct = leaveOneOut(CUBIC.objective, tf.zeros([2, 3]), {
      distribution: 'binary',
      numSamples: 5,
      random: seeded(1),
    });
    expect(list(value)).toEqual(list(direct.value));
  });

  test('a bound state is the one that is updated', () => {
    const state = createReinforceState();
    getScoreEstimator({name: 'reinforce', state})(() => tf.tensor1d([10, 20]), tf.zeros([2, 3]));
    expect(list(state.variables[0])).toEqual([1.5]);
    state.dispose();
  });

  test('an unknown name or option is refused, naming the known ones', () => {
    expect(() => getScoreEstimator('reinforced' as 'reinforce')).toThrow(
      'getScoreEstimator: unknown name "reinforced". Expected one of: arms, disarm, doubleCV, foust, leaveOneOut, reinforce, ' +
        'relax, rodeo (or rloo).',
    );
    expect(() => getScoreEstimator({name: 'arms', temperature: 2} as ScoreEstimatorConfig)).toThrow(
      'getScoreEstimator: unknown option "temperature". Expected some of: context, distribution, numSamples, random, state.',
    );
    expect(() => getScoreEstimator(undefined as never)).toThrow('getScoreEstimator: unknown name undefined.');
    expect(() => getScoreEstimator({} as never)).toThrow('getScoreEstimator: unknown name undefined.');
  });
});
