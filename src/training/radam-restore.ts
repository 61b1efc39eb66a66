// Finds the variables to which restored moments of RAdam belong.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import type {Moments} from './radam-step.js';

/**
 * Puts restored moments under the names that their variables have now. tfjs-layers gives a loaded model's variables
 * new names, such as dense/kernel_1, as long as the process has ever had the old ones.
 *
 * @param restored The moments by the names of their variables when saved.
 * @param variables The variables of the first step after.
 * @returns The same by name where all names and shapes fit, else by order.
 * @throws ValueError if they fit neither way.
 */
export function bindMoments(restored: Map<string, Moments>, variables: tf.Variable[]): Map<string, Moments> {
  const fits = (variable: tf.Variable, moments: Moments | undefined) =>
    moments !== undefined && tf.util.arraysEqual(moments.first.shape, variable.shape);
  if (variables.every(variable => fits(variable, restored.get(variable.name)))) return restored;
  const inOrder = [...restored.values()];
  if (variables.length !== inOrder.length || !variables.every((variable, i) => fits(variable, inOrder[i]))) {
    const saved = [...restored].map(([name, {first}]) => ({name, shape: first.shape}));
    throw new ValueError(
      `radam: the first step after setWeights must be given the variables that were saved, in their order: ` +
        `${describe(saved)}, but got ${describe(variables)}.`,
    );
  }
  return new Map(variables.map((variable, i) => [variable.name, inOrder[i]!]));
}

function describe(variables: readonly {name: string; shape: number[]}[]): string {
  return variables.map(({name, shape}) => `${name} [${shape.join(', ')}]`).join(', ');
}
