// REINFORCE and the running mean that is its baseline.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {createReinforceState, reinforce} from '../../../src/estimators/score/reinforce.js';
import {seeded} from '../../../src/random/random-source.js';
import {eachBackend} from '../../support/each-backend.js';
import {expectClose, list} from '../../support/expect-close.js';
import {injected} from '../../support/injected.js';
import {CUBIC, estimatesOf, exactScoreGradient, expectedEstimate, SINE_CATEGORIES} from '../../support/score-oracle.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 2e-6;

/** A state whose baseline is no longer 0. */
function stateAt(baseline: number) {
  const state = createReinforceState();
  state.variables[0].assign(tf.scalar(baseline));
  return state;
}

eachBackend('reinforce', () => {
  test('the estimate of one draw is the loss times the score', () => {
    // u > 1 - p for p = (.231, .574, .711) draws 011, where f = .364: .364 (0 - .2314752165), .364 (1 - .5744425168), ...
    const [row] = estimatesOf(reinforce, CUBIC, 1, {random: injected([0.5, 0.9, 0.9])});
    expectClose(row!, [-0.0842569788, 0.1549029239, 0.105214381], ROUNDING);
  });

  test('several draws are averaged', () => {
    // 011 as above, and 101 with f = 3.644: 3.644 (1 - .2314752165) = 2.8005043, 3.644 (0 - .5744425168) = -2.0932685,
    // 3.644 (1 - .7109495026) = 1.0533000.
    const [row] = estimatesOf(reinforce, CUBIC, 1, {numSamples: 2, random: injected([0.5, 0.9, 0.9, 0.9, 0.1, 0.9])});
    const second = [2.8005043, -2.0932685, 1.0533];
    const first = [-0.0842569788, 0.1549029239, 0.105214381];
    expectClose(
      row!,
      first.map((value, i) => (value + second[i]!) / 2),
      ROUNDING,
    );
  });

  test('the expectation over all draws is the gradient, without a baseline and with any', () => {
    for (const problem of [CUBIC, SINE_CATEGORIES]) {
      const exact = exactScoreGradient(problem);
      expectClose(expectedEstimate(reinforce, problem, 1), exact, ROUNDING);
      expectClose(expectedEstimate(reinforce, problem, 2), exact, ROUNDING);
      const state = stateAt(1.7);
      expectClose(expectedEstimate(reinforce, problem, 1, {state}), exact, ROUNDING);
      state.dispose();
    }
  });

  test('the baseline is used first and updated afterwards, with the mean over batch and draws', () => {
    const state = createReinforceState();
    const [baseline] = state.variables;
    expect(list(baseline)).toEqual([0]);
    // Rows 011 and 101, then 101 and 101: losses .364, 3.644, 3.644, 3.644, whose mean is 2.824.
    const draws = [0.5, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9];
    const call = () => estimatesOf(reinforce, CUBIC, 2, {numSamples: 2, state, random: injected(draws)});
    const without = estimatesOf(reinforce, CUBIC, 2, {numSamples: 2, random: injected(draws)});
    expectClose(call().flat(), without.flat(), 0);
    expectClose(baseline, [0.1 * 2.824], ROUNDING);
    // The second time each loss is less by .2824: for row 1, twice 101, by .2824 (1 - .2314752165, 0 - .5744425168, 1 - .7109495026).
    const [, row] = call();
    const less = [0.2170328, -0.1622226, 0.0816279];
    expectClose(
      row!,
      without[1]!.map((value, i) => value - less[i]!),
      ROUNDING,
    );
    expectClose(baseline, [0.9 * 0.2824 + 0.1 * 2.824], ROUNDING);
    state.dispose();
  });

  test('the expectation does not shrink by the share of a draw in its own baseline', () => {
    // One example and one draw at a time, from the same baseline: if the update came first, the baseline would hold a tenth of the
    // draw's own loss, and the expectation would be nine tenths of the gradient.
    const draws = [0, 1].flatMap(a => [0, 1].flatMap(b => [0, 1].map(c => [a, b, c])));
    const probs = CUBIC.logits.map(logit => 1 / (1 + Math.exp(-logit)));
    const expectation = [0, 0, 0];
    for (const bits of draws) {
      const state = stateAt(0.8);
      const uniforms = bits.map((bit, i) => (bit ? 1 - probs[i]! / 2 : (1 - probs[i]!) / 2));
      const weight = bits.reduce((product, bit, i) => product * (bit ? probs[i]! : 1 - probs[i]!), 1);
      const [row] = estimatesOf(reinforce, CUBIC, 1, {state, random: injected(uniforms)});
      row!.forEach((value, i) => {
        expectation[i]! += weight * value;
      });
      state.dispose();
    }
    expectClose(expectation, exactScoreGradient(CUBIC), ROUNDING);
  });

  test('with decay 0 the baseline is the mean of the last call, and with decay 1 it stays 0', () => {
    const [last, never] = [0, 1].map(decay => createReinforceState({decay}));
    for (const losses of [
      [2, 4],
      [5, 8],
    ]) {
      for (const state of [last!, never!]) reinforce(() => tf.tensor1d(losses), tf.zeros([2, 3]), {state});
    }
    expectClose(last!.variables[0], [6.5], 0);
    expectClose(never!.variables[0], [0], 0);
    last!.dispose();
    never!.dispose();
  });

  test('nothing trains the baseline', () => {
    const state = createReinforceState();
    expect(state.variables.map(({trainable, shape}) => [trainable, shape])).toEqual([[false, []]]);
    const before = tf.memory().numTensors;
    state.dispose();
    expect(tf.memory().numTensors).toBe(before - 1);
  });

  test('a decay that is no share is refused', () => {
    for (const decay of [-0.1, 1.1, Number.NaN]) {
      expect(() => createReinforceState({decay})).toThrow(
        `createReinforceState: decay must be a finite number from 0 to 1, but got ${decay}.`,
      );
    }
  });

  test('an objective that fails leaves the baseline as it was', () => {
    const state = stateAt(3);
    const failing = () => {
      throw new Error('no loss today');
    };
    expect(() => reinforce(failing, tf.zeros([2, 3]), {state, random: seeded(1)})).toThrow('no loss today');
    expect(list(state.variables[0])).toEqual([3]);
    state.dispose();
  });
});
