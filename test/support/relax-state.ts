// States of RELAX for tests: with random weights, and their network by loops.
import * as tf from '@tensorflow/tfjs-core';
import {createRelaxState, type RelaxState, type RelaxStateOptions} from '../../src/estimators/score/relax-state.js';
import {numbers} from './enumerate.js';
import {list} from './expect-close.js';

/** A state whose weights are all random, as training might leave them. */
export function randomState(options: RelaxStateOptions): RelaxState {
  const state = createRelaxState({hiddenUnits: 6, scale: 0.7, relaxation: 0.5, ...options});
  const [, ...weights] = state.variables;
  weights.forEach((weight, i) => {
    weight.assign(tf.tensor(numbers(50 + i, weight.size, -0.8, 0.8), weight.shape));
  });
  return state;
}

/** The network of a state on one example's context and latent, by loops. */
export function slowNetwork(state: RelaxState, context: readonly number[]): (z: readonly number[]) => number {
  const weights = state.variables.slice(1).map(list);
  const [contextKernel, latentKernel, hiddenBias, outputKernel, outputBias] =
    weights.length === 5 ? weights : [[], ...weights];
  const kernel = [...contextKernel!, ...latentKernel!];
  const width = hiddenBias!.length;
  return z => {
    const input = [...context, ...z];
    return hiddenBias!.reduce((sum, bias, j) => {
      const hidden = input.reduce((total, value, i) => total + value * kernel[i * width + j]!, bias);
      return sum + (hidden > 0 ? hidden : 0.3 * hidden) * outputKernel![j]!;
    }, outputBias![0]!);
  };
}
