// The steps of a search against loops over plain numbers, after PyTorch's SGD and Adam.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {
  applyChoiceGradient,
  applyWeightGradients,
  makeChoiceOptimizer,
  makeWeightOptimizer,
  weightRateAt,
} from '../../examples/search-cell/optimizers.js';
import {expectClose} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Three variables with six gradients each; null where a step did not draw what the variable is of. */
const STARTS = [[1, -2], [0.5], [3, 4, -5]];
const GRADIENTS: (number[] | null)[][] = [
  [[1, 2], [3], [0.5, -0.5, 1]],
  [[-4, 2], null, [6, 0, 0]],
  [[0.1, 0.2], null, null],
  [null, [2], [1, 1, 1]],
  [[1, 1], [-1], null],
  [[3, -3], [0.25], [2, -2, 2]],
];
const ROUNDING = 2e-6;

/**
 * torch.nn.utils.clip_grad_norm_ over the gradients that there are, then for each of their parameters torch.optim.SGD with weight_decay 5e-4,
 * momentum 0.9 and nesterov: g += decay p; v = momentum v + g; p -= rate (g + momentum v).
 */
function slowWeights(rates: readonly number[], clip: number): number[][] {
  const values = STARTS.map(start => [...start]);
  const velocities = STARTS.map(start => start.map(() => 0));
  GRADIENTS.forEach((gradients, step) => {
    const norm = Math.hypot(...gradients.flatMap(gradient => gradient ?? []));
    const factor = clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1;
    gradients.forEach((gradient, k) => {
      gradient?.forEach((entry, i) => {
        const g = factor * entry + 5e-4 * values[k]![i]!;
        velocities[k]![i] = 0.9 * velocities[k]![i]! + g;
        values[k]![i]! -= rates[step]! * (g + 0.9 * velocities[k]![i]!);
      });
    });
  });
  return values;
}

eachBackendOfPrograms('the steps of a search', () => {
  test.each([5, 0])('of the weights are those of the slow loop, clipped at %d', clip => {
    const variables = STARTS.map(start => tf.variable(tf.tensor1d(start)));
    const optimizer = makeWeightOptimizer(0.1);
    const rates = GRADIENTS.map((_, step) => weightRateAt(step / GRADIENTS.length, 0.1));
    GRADIENTS.forEach((gradients, step) => {
      const tensors = gradients.map(gradient => (gradient === null ? null : tf.tensor1d(gradient)));
      applyWeightGradients(optimizer, variables, tensors, {rate: rates[step]!, clip});
    });
    slowWeights(rates, clip).forEach((expected, k) => {
      expectClose(variables[k]!, expected, ROUNDING);
    });
    expect(slowWeights(rates, 5)).not.toEqual(slowWeights(rates, 0));
    for (const variable of variables) variable.dispose();
    optimizer.dispose();
  });

  test('of the choices are Adam with betas of 0.5 and 0.999 and a decay of 0.001 in the gradient', () => {
    const logits = tf.variable(tf.tensor1d([1, -0.5, 0]));
    const optimizer = makeChoiceOptimizer(0.01);
    const values = [1, -0.5, 0];
    const [first, second] = [
      [0, 0, 0],
      [0, 0, 0],
    ];
    for (let step = 1; step <= 5; ++step) {
      const gradient = [0.3 * step, -1, 0.01 * (3 - step)];
      applyChoiceGradient(optimizer, logits, tf.tensor1d(gradient));
      gradient.forEach((entry, i) => {
        const g = entry + 1e-3 * values[i]!;
        first[i] = 0.5 * first[i]! + 0.5 * g;
        second[i] = 0.999 * second[i]! + 0.001 * g * g;
        const scale = Math.sqrt(second[i]! / (1 - 0.999 ** step)) + 1e-8;
        values[i]! -= (0.01 * (first[i]! / (1 - 0.5 ** step))) / scale;
      });
    }
    // 1 - 0.999 ** step has four digits in float32.
    expectClose(logits, values, 2e-5);
    logits.dispose();
    optimizer.dispose();
  });
});

test('the rate of the weights falls from the first to 0.001 by half a cosine', () => {
  const rates = [0, 0.25, 0.5, 1].map(share => weightRateAt(share, 0.025));
  // 0.001 + 0.024 (1 + cos(pi share)) / 2
  expectClose(rates, [0.025, 0.001 + 0.012 * (1 + Math.SQRT1_2), 0.013, 0.001], 1e-12);
});
