// The arguments of a Mixture-of-Experts, sorted by whose they are, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import type * as tfl from '@tensorflow/tfjs-layers';
import {checkCount, checkOneOf, ValueError} from '../errors.js';
import type {DiscreteRouterArgs} from './discrete-router-args.js';

/** Arguments of `gumbelMoE`: those of its router, flat, and those of its experts. */
export interface GumbelMoEArgs extends DiscreteRouterArgs {
  /** Width or widths of the hidden layers of the built-in experts. Give either this or `experts`. */
  hiddenUnits?: number | number[];
  /** Width of the output of the built-in experts. Default: the input's. */
  units?: number;
  /** Activation of the built-in experts' hidden layers, as tfjs names it. Default 'relu'. */
  activation?: string;
  /**
   * Experts of your own, numExperts of them: layers or models that map each row [n, features] -> [n, units] by itself, without state. They
   * belong to this layer from then on, which names them expert_0, expert_1, ..., saves and disposes them: use them nowhere else.
   */
  experts?: tfl.layers.Layer[];
  /** Which experts are evaluated in training. 'dense': all, so that the estimator sees the true derivative. Default 'dense'. */
  compute?: 'dense';
}

/** What describes the experts, as a saved model holds it: null for what was not given. */
export interface ExpertArgs {
  /** Null where the experts are the user's own. */
  hiddenUnits: number | number[] | null;
  /** Null for the input's width. */
  units: number | null;
  /** Of the built-in experts. */
  activation: string;
  /** Which experts are evaluated in training. */
  compute: 'dense';
}

const COMPUTE = ['dense'] as const;

/** The arguments of the router and those of the experts; refuses what does not fit together. */
export function resolveMoEArgs(args: GumbelMoEArgs): {router: DiscreteRouterArgs; expert: ExpertArgs} {
  const {hiddenUnits = null, units = null, activation = 'relu', compute = 'dense', experts = null, ...rest} = args;
  // Not the router's: what says how the whole layer stands in a model.
  const {inputShape, batchInputShape, batchSize, inputDType, weights, trainable, ...router} = rest;
  const owner = 'GumbelMoE';
  checkCount(owner, 'numExperts', router.numExperts, 1);
  checkOneOf(owner, 'compute', compute, COMPUTE);
  if (experts !== null && (hiddenUnits !== null || units !== null)) {
    throw new ValueError(`${owner}: give either experts, or hiddenUnits and units for built-in ones, but not both.`);
  }
  if (experts === null && hiddenUnits === null) {
    throw new ValueError(`${owner}: give hiddenUnits for built-in experts, or experts of your own, but got neither.`);
  }
  for (const width of hiddenWidths(hiddenUnits ?? [])) checkCount(owner, 'hiddenUnits', width, 1);
  if (units !== null) checkCount(owner, 'units', units, 1);
  return {router: {...router, name: 'router'}, expert: {hiddenUnits, units, activation, compute}};
}

/** The widths of hidden layers as a list. */
export function hiddenWidths(hiddenUnits: number | number[]): number[] {
  return Array.isArray(hiddenUnits) ? [...hiddenUnits] : [hiddenUnits];
}
