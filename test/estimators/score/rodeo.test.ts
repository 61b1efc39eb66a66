// RODEO against its formula with a loop over the neighbours of each draw, in float64. More laws: bit-controls.test.ts.
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {drawAndEvaluate} from '../../../src/estimators/score/bit-draws.js';
import {rodeo, rodeoEstimate} from '../../../src/estimators/score/rodeo.js';
import {createRodeoState, type RodeoState} from '../../../src/estimators/score/rodeo-state.js';
import {type Surrogates, steinTerms} from '../../../src/estimators/score/stein-operator.js';
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
import {expectClose, list} from '../../support/expect-close.js';
import {meanAndError} from '../../support/statistics.js';

/** Of float32, for numbers of a few units. */
const ROUNDING = 2e-6;

type SlowSurrogates = (linear: number, value: number) => readonly [number, number];

/** The terms by the definition: each neighbour is made, and the surrogates are evaluated at it from each other draw. */
function slowStein({bits, values, gradients, probs}: SlowDraws, surrogates: SlowSurrogates) {
  const numBits = probs.length;
  return bits.map((b, k) => {
    const at = (y: number[]) => {
      const pairs = bits.flatMap((from, j) => {
        if (j === k) return [];
        return [
          surrogates(
            y.reduce((sum, bit, d) => sum + gradients[j]![d]! * (bit - from[d]!), 0),
            values[j]!,
          ),
        ];
      });
      return [0, 1].map(i => meanAndError(pairs.map(pair => pair[i]!)).mean) as [number, number];
    };
    let value = 0;
    const score = new Array<number>(numBits).fill(0);
    b.forEach((bit, d) => {
      const neighbour = b.map((other, e) => (e === d ? 1 - other : other));
      const weight = bit === 1 ? 1 - probs[d]! : probs[d]!;
      const [h1, h2] = at(b);
      const [h1Next, h2Next] = at(neighbour);
      value += (weight * (h1Next - h1)) / numBits;
      probs.forEach((p, e) => {
        score[e]! += (weight * (h2Next * (neighbour[e]! - p) - h2 * (b[e]! - p))) / numBits;
      });
    });
    return {value, score};
  });
}

function slowRodeo(draws: SlowDraws, surrogates: SlowSurrogates, alpha: number, beta: number): number[] {
  const terms = slowStein(draws, surrogates);
  const baselines = draws.values.map((f, k) => f + alpha * terms[k]!.value);
  return slowLeaveOneOut(draws, draws.values, baselines).map(
    (value, d) => value + beta * meanAndError(terms.map(({score}) => score[d]!)).mean,
  );
}

/** The network of a state, in plain numbers: two inputs, a hidden layer with slope .3 below 0, two outputs. */
function slowNetwork(state: RodeoState): SlowSurrogates {
  const [, , hiddenKernel, hiddenBias, outputKernel, outputBias] = state.variables.map(list);
  const units = hiddenBias!.length;
  return (linear, value) => {
    const hidden = hiddenBias!.map((bias, u) => {
      const x = linear * hiddenKernel![u]! + value * hiddenKernel![units + u]! + bias;
      return x > 0 ? x : 0.3 * x;
    });
    const output = (i: number) => hidden.reduce((sum, x, u) => sum + x * outputKernel![2 * u + i]!, outputBias![i]!);
    return [output(0), output(1)];
  };
}

eachBackend('rodeo', () => {
  const surrogates: Surrogates = (linear, value) => [
    tf.add(tf.tanh(tf.add(tf.mul(0.7, linear), tf.mul(0.1, value))), tf.mul(0.3, linear)),
    tf.sub(tf.mul(0.5, linear), tf.mul(0.2, value)),
  ];
  const slowSurrogates: SlowSurrogates = (l, f) => [Math.tanh(0.7 * l + 0.1 * f) + 0.3 * l, 0.5 * l - 0.2 * f];

  test('two draws with given surrogates have the closed form', () => {
    // Reference values in float64 for the draws 011 and 101, h1 = tanh(.7 l + .1 f) + .3 l, h2 = .5 l - .2 f, alpha = beta = .5.
    const random = uniformsOf([[[0, 1, 1]], [[1, 0, 1]]]);
    const draws = drawAndEvaluate('rodeo', toObjective(CUBIC), tf.tensor2d([LOGITS]), {numSamples: 2, random});
    const {value, score} = steinTerms(draws, surrogates);
    expectClose(value, [0.1229108053, 0.1269716826], ROUNDING);
    const scores = [-0.2316901009, 0.5519175542, 0.772611262, 0.1709991774, -0.0611799317, 0.0978445009];
    expectClose(score, scores, ROUNDING);
    const estimate = rodeoEstimate(draws, {alpha: 0.5, beta: 0.5, surrogates});
    expectClose(estimate, [1.6085599685, -1.5131727337, 0.1995567764], ROUNDING);
  });

  test.each([2, 3, 4])('the terms of %d draws agree with a loop over the neighbours', numSamples => {
    const objective = randomObjective(3, 5);
    const logits = tf.tensor2d(numbers(4, 30, -2, 2), [6, 5]);
    const draws = drawAndEvaluate('rodeo', toObjective(objective), logits, {numSamples, random: seeded(5)});
    const {value, score} = steinTerms(draws, surrogates);
    const expected = drawnBy(seeded(5), numSamples, objective, logits).map(of => slowStein(of, slowSurrogates));
    const samples = Array.from({length: numSamples}, (_, k) => expected.map(terms => terms[k]!));
    expectClose(
      value,
      samples.flatMap(terms => terms.map(term => term.value)),
      ROUNDING,
    );
    expectClose(
      score,
      samples.flatMap(terms => terms.flatMap(term => term.score)),
      ROUNDING,
    );
  });

  test.each([2, 3, 4])('%d draws with the network of a state agree with a slow loop', numSamples => {
    const objective = randomObjective(3, 5);
    const logits = tf.tensor2d(numbers(4, 30, -2, 2), [6, 5]);
    const state = createRodeoState({hiddenUnits: 7, alpha: 0.7, beta: -1.3, seed: 8});
    state.variables[3]!.assign(tf.tensor1d(numbers(9, 7)));
    state.variables[5]!.assign(tf.tensor1d([0.4, -0.6]));
    const call = (x: tf.Tensor) => rodeo(toObjective(objective), x, {numSamples, random: seeded(5), state});
    const {loss, value, controlLoss} = call(logits);
    const estimate = estimates(call, logits);
    const draws = drawnBy(seeded(5), numSamples, objective, logits);
    const expected = draws.flatMap(of => slowRodeo(of, slowNetwork(state), 0.7, -1.3));
    state.dispose();
    const means = draws.map(({values}) => meanAndError(values).mean);
    expectClose(estimate, expected, 2 * ROUNDING);
    expectClose(value, means, ROUNDING);
    expectClose(loss, [meanAndError(means).mean], ROUNDING);
    expectClose(controlLoss!, [meanAndError(expected.map(e => e * e)).mean], 2 * ROUNDING);
  });

  test('the network starts as Glorot has it, by its seed', () => {
    const states = [3, 3, 4].map(seed => createRodeoState({seed}));
    const [first, again, other] = states.map(state => state.variables.map(list));
    const shapes = states[0]!.variables.map(({shape}) => shape);
    for (const state of states) state.dispose();
    expect(shapes).toEqual([[], [], [2, 100], [100], [100, 2], [2]]);
    expect(again).toEqual(first);
    expect(other![2]).not.toEqual(first![2]);
    // Uniform within sqrt(6 / (fan in + fan out)): the largest of 200 is within 5% of it but for one case in 30,000.
    for (const [index, limit] of [
      [2, Math.sqrt(6 / 101)],
      [4, Math.sqrt(6 / 102)],
    ] as const) {
      const largest = Math.max(...first![index]!.map(Math.abs));
      expect(largest).toBeLessThanOrEqual(Math.fround(limit));
      expect(largest).toBeGreaterThan(0.95 * limit);
    }
  });

  test('bad options of a state are refused in words', () => {
    expect(() => createRodeoState({hiddenUnits: 0})).toThrow(
      'createRodeoState: hiddenUnits must be a whole number of at least 1, but got 0.',
    );
    expect(() => createRodeoState({alpha: Number.NaN})).toThrow(
      'createRodeoState: alpha must be a finite number, but got NaN.',
    );
    expect(() => createRodeoState({beta: Number.POSITIVE_INFINITY})).toThrow(
      'createRodeoState: beta must be a finite number, but got Infinity.',
    );
    expect(() => createRodeoState({seed: 0.5})).toThrow('seed must be a whole number');
  });
});
