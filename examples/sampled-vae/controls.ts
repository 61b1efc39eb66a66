// How what an estimator learns to lower its variance is trained, always by Adam. The figures are those of thjashin/rodeo.
// SPDX-License-Identifier: Apache-2.0
import type {ScoreEstimatorName} from 'tfjs-moe/estimators';
import {isScore, type MethodName} from './methods.js';

interface Control {
  /** Absent: that of the network. */
  learningRate?: number;
  beta1: number;
}

const CONTROLS: Partial<Record<ScoreEstimatorName, Control>> = {
  doubleCV: {learningRate: 1e-3, beta1: 0.9},
  rodeo: {learningRate: 1e-3, beta1: 0.9},
  relax: {beta1: 0.999},
};

/** The learning rate of a method's control variates; null where it learns nothing. @param ofNetwork That of the network. */
export function controlLearningRate(method: MethodName, ofNetwork: number): number | null {
  const control = isScore(method) ? CONTROLS[method] : undefined;
  return control ? (control.learningRate ?? ofNetwork) : null;
}

/** How much of the first moment stays at a step. */
export function controlBeta1(method: MethodName): number {
  return (isScore(method) ? CONTROLS[method]?.beta1 : undefined) ?? 0.9;
}
