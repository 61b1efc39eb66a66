// The search by score-function estimators: many seeds at once do what each would do alone, and what the library's own parts do.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {BASELINE_DECAY, type PolicyName, policySearch} from '../../examples/search-table/policy-search.js';
import {createProblem} from '../../examples/search-table/problem.js';
import {codesOf, streamOf} from '../../examples/search-table/search.js';
import {createSyntheticTable} from '../../examples/search-table/synthetic-table.js';
import {createReinforceState, leaveOneOut, type Objective, reinforce} from '../../src/estimators/index.js';
import {list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

const EVALUATIONS = 60;
const problem = createProblem(createSyntheticTable(3), 'cifar10', 'valid-200');
const search = (name: PolicyName, seeds: number[], {numSamples = 1, evaluations = EVALUATIONS} = {}) =>
  policySearch({name, numSamples, learningRate: 0.2})({problem, seeds, evaluations, turn: async () => true});

/** One seed by the estimator as the library has it, with its own state and a plain loop. */
function slowSearch(seed: number, estimate: typeof reinforce, numSamples: number): number[] {
  const state = estimate === reinforce ? createReinforceState({decay: BASELINE_DECAY}) : undefined;
  const random = streamOf(seed, 'draws');
  const logits = tf.variable(tf.zeros([1, 6, 5]));
  const optimizer = tf.train.adam(0.2);
  const cells: number[] = [];
  const lossAt = (cell: number) => tf.tensor1d([-problem.signal[cell]! / 100]);
  while (cells.length < EVALUATIONS) {
    const objective: Objective = sample => {
      const [cell] = list(codesOf(sample));
      cells.push(cell!);
      return tf.sub(lossAt(cell!), lossAt(cells[0]!));
    };
    const {grads} = tf.variableGrads(
      () => estimate(objective, logits, {numSamples, random, ...(state && {state})}).loss,
      [logits],
    );
    optimizer.applyGradients([{name: logits.name, tensor: grads[logits.name]!}]);
  }
  return cells;
}

eachBackendOfPrograms('policy search', backend => {
  // The draws of training hang on the last bits of what was drawn before.
  const isExact = backend !== 'tensorflow';
  const whyInexact = isExact ? '' : ' (skipped: tfjs-node rounds a row by its place among the others)';
  test.skipIf(!isExact).each([
    ['reinforce', reinforce, 1],
    ['leaveOneOut', leaveOneOut, 3],
  ] as const)(
    `%s of several seeds at once looks up what a plain loop does for each${whyInexact}`,
    async (name, estimate, numSamples) => {
      const seeds = [11, 12, 13];
      const together = (await search(name, seeds, {numSamples}))!;
      seeds.forEach((seed, i) => {
        const ofSeed = Array.from(together.subarray(i * EVALUATIONS, (i + 1) * EVALUATIONS));
        expect(ofSeed).toEqual(slowSearch(seed, estimate, numSamples));
      });
    },
  );

  test('relax of several seeds at once looks up what each does alone', async () => {
    const together = (await search('relax', [11, 12, 13]))!;
    expect(together.subarray(EVALUATIONS, 2 * EVALUATIONS)).toEqual(await search('relax', [12]));
  });

  test('an unfinished group of draws at the end is cut off', async () => {
    const whole = (await search('leaveOneOut', [11], {numSamples: 4, evaluations: 8}))!;
    const cut = (await search('leaveOneOut', [11], {numSamples: 4, evaluations: 6}))!;
    expect(cut).toEqual(whole.subarray(0, 6));
  });

  test.each(['reinforce', 'leaveOneOut', 'relax'] as const)('%s learns, and leaves no tensor', async name => {
    const numTensors = tf.memory().numTensors;
    const seeds = Array.from({length: 24}, (_, i) => i);
    const cells = (await search(name, seeds, {numSamples: name === 'leaveOneOut' ? 2 : 1, evaluations: 120}))!;
    expect(tf.memory().numTensors).toBe(numTensors);
    const meanOf = (from: number, to: number) => {
      const part = seeds.flatMap((_, i) => Array.from(cells.subarray(i * 120 + from, i * 120 + to)));
      return part.reduce((sum, cell) => sum + problem.signal[cell]! / part.length, 0);
    };
    // Random cells have a deviation of less than 20 points: a mean of 24 * 20 one of less than 1.
    expect(meanOf(100, 120) - meanOf(0, 20)).toBeGreaterThan(8);
  });

  test('told to stop, it stops and leaves no tensor', async () => {
    const numTensors = tf.memory().numTensors;
    const turn = async (done: number) => done < 10;
    const policy = {name: 'reinforce', numSamples: 1, learningRate: 0.1} as const;
    expect(await policySearch(policy)({problem, seeds: [1, 2], evaluations: 50, turn})).toBe(undefined);
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
