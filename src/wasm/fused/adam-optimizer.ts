// Makes tfjs's own Adam take its steps by our kernel, and by its own method again.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {canUpdateAdam, updateAdam} from '../../ops/adam-update.js';
import {hostScalar} from '../../ops/host-read.js';

type ApplyGradients = tf.AdamOptimizer['applyGradients'];

/** What tfjs keeps of a variable. */
interface Moment {
  originalName: string;
  variable: tf.Variable;
}

/** The fields of AdamOptimizer that a step touches. */
interface Adam {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** The products of all beta1 and beta2 so far, with one more. */
  accBeta1: tf.Variable;
  accBeta2: tf.Variable;
  accumulatedFirstMoment: Moment[];
  accumulatedSecondMoment: Moment[];
  incrementIterations(): void;
}

/** Under this key our method holds the stock one; the prototype is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-apply-gradients');

/** Our method. */
type OwnApplyGradients = ApplyGradients & {[STOCK]?: ApplyGradients};

/** Gives every optimizer of `tf.train.adam`, also those that exist, steps in one pass; does nothing where they have them. */
export function replaceAdamSteps(): void {
  const prototype = tf.AdamOptimizer.prototype;
  const stock: OwnApplyGradients = prototype.applyGradients;
  if (STOCK in stock) return;
  const own: OwnApplyGradients = function (this: tf.AdamOptimizer, variableGradients) {
    if (!step(this as unknown as Adam, variableGradients)) stock.call(this, variableGradients);
  };
  own[STOCK] = stock;
  prototype.applyGradients = own;
}

/** Restores the stock method, unless another has been put in the place of ours. */
export function restoreAdamSteps(): void {
  const prototype = tf.AdamOptimizer.prototype;
  const stock = (prototype.applyGradients as OwnApplyGradients)[STOCK];
  if (stock) prototype.applyGradients = stock;
}

/**
 * Makes a step as AdamOptimizer.applyGradients of tfjs 4.22 does, by the kernel. Moments are matched by the position of a variable in the
 * list, as there.
 *
 * @returns Whether it did; nothing has changed where it could not.
 */
function step(adam: Adam, variableGradients: Parameters<ApplyGradients>[0]): boolean {
  const gradients = Array.isArray(variableGradients)
    ? variableGradients
    : Object.entries(variableGradients).map(([name, tensor]) => ({name, tensor}));
  const variables = gradients.map(({name}) => tf.engine().registeredVariables[name]);
  const isPossible = gradients.every(({tensor}, i) => {
    const value = variables[i];
    const moments = [adam.accumulatedFirstMoment[i], adam.accumulatedSecondMoment[i]];
    const known = moments.flatMap(moment => (moment ? [moment.variable] : []));
    return value !== undefined && canUpdateAdam(value, ...known, ...(tensor ? [tensor] : []));
  });
  if (!isPossible) return false;

  const [product1, product2] = [hostScalar(adam.accBeta1), hostScalar(adam.accBeta2)];
  const attributes = {
    decay1: adam.beta1,
    decay2: adam.beta2,
    scale: 1 / (1 - product2),
    epsilon: adam.epsilon,
    size: adam.learningRate / (1 - product1),
    isAdaptive: true,
  };
  gradients.forEach(({name, tensor}, i) => {
    const value = variables[i]!;
    adam.accumulatedFirstMoment[i] ??= {originalName: `${name}/m`, variable: zerosLike(value)};
    adam.accumulatedSecondMoment[i] ??= {originalName: `${name}/v`, variable: zerosLike(value)};
    const first = adam.accumulatedFirstMoment[i]!.variable;
    const second = adam.accumulatedSecondMoment[i]!.variable;
    if (tensor) updateAdam(value, first, second, tensor, attributes);
  });
  tf.tidy(() => {
    adam.accBeta1.assign(tf.mul(adam.accBeta1, adam.beta1));
    adam.accBeta2.assign(tf.mul(adam.accBeta2, adam.beta2));
  });
  adam.incrementIterations();
  return true;
}

/** A variable of zeros that is not trained. */
function zerosLike(value: tf.Variable): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zerosLike(value), false));
}
