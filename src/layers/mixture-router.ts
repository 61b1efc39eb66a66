// The routers of a sparse mixture by name: those of src/router, and the estimators with the chosen expert's derivative alone.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorAlias,
  type EstimatorConfig,
  type EstimatorName,
  getEstimator,
} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {unseeded} from '../random/random-source.js';
import {chooseTopK} from '../router/choose-top-k.js';
import {gatherWeights} from '../router/gather-weights.js';
import {type BoundRouter, getRouter, type RouterConfig, type RouterName} from '../router/registry.js';
import {routerInput} from '../router/router-input.js';
import type {Router} from '../router/types.js';
import {initialTemperature} from './discrete-router-args.js';
import {drawChoices} from './draw-choices.js';

/** Names a router of a sparse mixture: of `ROUTERS` or `ESTIMATORS`, with options or without, or a function of one's own. */
export type RouterIdentifier = RouterName | RouterConfig | EstimatorName | EstimatorAlias | EstimatorConfig | Router;

/** A router with its options bound, and where its temperature starts. */
export type MixtureRouter = Omit<BoundRouter, 'name'> & {name: string; temperature: number};

/**
 * Looks a router of a sparse mixture up.
 *
 * @throws ValueError for an unknown name or option.
 */
export function getMixtureRouter(identifier: RouterIdentifier): MixtureRouter {
  const any = {defaultTopK: 1, maxTopK: Number.POSITIVE_INFINITY, temperature: 1};
  if (typeof identifier === 'function') return {...any, name: identifier.name || 'a function', route: identifier};
  const name = typeof identifier === 'object' ? identifier.name : identifier;
  if (name in ESTIMATORS || name in ESTIMATOR_ALIASES) {
    const estimator = identifier as EstimatorName | EstimatorAlias | EstimatorConfig;
    return {...any, name, route: routeByEstimator(getEstimator(estimator)), temperature: initialTemperature(estimator)};
  }
  return {...getRouter(identifier as RouterName | RouterConfig), temperature: 1};
}

/**
 * A router that draws by an estimator in training and takes the largest logits otherwise; each of the K choices counts 1 / K.
 *
 * The estimator's gradient goes through the chosen experts alone: of the others, which are not evaluated, no derivative is known. That biases
 * it, for ReinMax and straight-through too.
 */
export function routeByEstimator(estimate: Estimator): Router {
  return (logits, {topK = 1, training = false, random = unseeded(), mask, temperature = 1} = {}) =>
    tf.tidy(() => {
      const input = routerInput('estimator', logits, topK, mask);
      const inOrder = (scores: tf.Tensor2D) => chooseTopK(scores, topK, mask, input.refuseRow);
      const scaled = (weights: tf.Tensor2D) => input.withoutPadding(topK === 1 ? weights : tf.div(weights, topK));
      if (logits.shape[0] === 0 || !training) {
        const probs = input.withoutPadding(tf.softmax(input.logits));
        const indices = inOrder(input.logits);
        return {indices, weights: scaled(tf.ones(indices.shape)), probs};
      }
      const {sample, probs, assignment} = drawChoices(estimate, input.logits, topK, {temperature, random});
      const indices = inOrder(tf.where(tf.cast(assignment, 'bool'), input.logits, tf.fill(logits.shape, -Infinity)));
      return {indices, weights: scaled(gatherWeights(sample, indices)), probs: input.withoutPadding(probs)};
    });
}
