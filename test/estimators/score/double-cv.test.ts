// Double control variates against their formula in float64. More laws: bit-controls.test.ts.
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {test} from 'vitest';
import {createDoubleCVState, doubleCV} from '../../../src/estimators/score/double-cv.js';
import {
  CUBIC,
  drawnBy,
  estimates,
  LOGITS,
  randomObjective,
  type SlowDraws,
  slowLeaveOneOut,
  toObjective,
  uniformsOf,
} from '../../support/bit-objective.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose} from '../../support/expect-close.js';
import {meanAndError} from '../../support/statistics.js';

/** Of float32, for numbers of a few units. */
const ROUNDING = 2e-6;

/** The mean over k of [s_k - mean_{j != k} s_j] (b_k - p) - alpha p (1 - p) g_k, s_k = f_k + alpha (b_k - p) . mean_{j != k} g_j. */
function slowDoubleCV(draws: SlowDraws, alpha: number): number[] {
  const {bits, values, gradients, probs} = draws;
  const signals = bits.map((b, k) => {
    const others = gradients.filter((_, j) => j !== k);
    const controls = b.map((bit, d) => (bit - probs[d]!) * meanAndError(others.map(g => g[d]!)).mean);
    return values[k]! + alpha * controls.reduce((sum, value) => sum + value);
  });
  return slowLeaveOneOut(draws, signals).map((value, d) => {
    const slope = meanAndError(gradients.map(g => g[d]!)).mean;
    return value - alpha * probs[d]! * (1 - probs[d]!) * slope;
  });
}

eachBackend('doubleCV', () => {
  // Reference values of the formula in float64, for p = sigmoid([-1.2, .3, .9]): f(011) = .364, f(101) = 3.644, f(001) = .812.
  const DRAWS = [
    [0, 1, 1],
    [1, 0, 1],
    [0, 0, 1],
  ];
  test.each([
    [2, -0.5, [1.6594418496, -1.5918377073, 0.2819464217]],
    [3, -0.5, [1.0579384497, -0.5119425564, 0.247422367]],
    [2, 0, [1.64, -1.64, 0]],
  ])('%d draws at alpha %d have the closed form', (numSamples, alpha, expected) => {
    const state = createDoubleCVState({alpha});
    const random = uniformsOf(DRAWS.slice(0, numSamples).map(b => [b]));
    const logits = tf.tensor2d([LOGITS]);
    const estimate = estimates(x => doubleCV(toObjective(CUBIC), x, {numSamples, random, state}), logits);
    state.dispose();
    expectClose(estimate, expected, ROUNDING);
  });

  test.each([2, 3, 4])('%d draws of a batch of five bits agree with a slow loop', numSamples => {
    const objective = randomObjective(3, 5);
    const logits = tf.tensor2d(numbers(4, 30, -2, 2), [6, 5]);
    const state = createDoubleCVState({alpha: 0.7});
    const call = (x: tf.Tensor) => doubleCV(toObjective(objective), x, {numSamples, random: seeded(5), state});
    const {loss, value, controlLoss} = call(logits);
    const estimate = estimates(call, logits);
    state.dispose();
    const draws = drawnBy(seeded(5), numSamples, objective, logits);
    const expected = draws.flatMap(of => slowDoubleCV(of, 0.7));
    const means = draws.map(({values}) => meanAndError(values).mean);
    expectClose(estimate, expected, 2 * ROUNDING);
    expectClose(value, means, ROUNDING);
    expectClose(loss, [meanAndError(means).mean], ROUNDING);
    expectClose(controlLoss!, [meanAndError(expected.map(e => e * e)).mean], 2 * ROUNDING);
  });
});
