// The arguments of a Mixture-of-Experts, sorted by whose they are, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import type * as tfl from '@tensorflow/tfjs-layers';
import {checkBoolean, checkCount, checkOneOf, checkRange, ValueError} from '../errors.js';
import {ASSIGNMENT_ORDERS, type AssignmentOrder} from '../router/assign-request.js';
import type {DiscreteRouterArgs} from './discrete-router-args.js';
import {DISPATCH_METHODS, type DispatchMethod} from './sparse-experts.js';
import type {SparseRouterArgs} from './sparse-router-args.js';

/** How the places of an expert are given out, and how tokens travel; for `compute: 'sparse'`. */
export interface SparseArgs {
  /**
   * Places an expert has in training, over what a balanced load needs: C = ceil(capacityFactor * topK * tokens / numExperts). Choices
   * beyond it are dropped. Default: none, every choice has a place.
   */
  capacityFactor?: number;
  /** The same in inference. Default: `capacityFactor`. */
  evalCapacityFactor?: number;
  /** The fewest places of an expert, where there is a capacity. Default 4. */
  minCapacity?: number;
  /** Who gets a place first: 'position' (tokens in order, all first choices before the second ones), 'probability', 'random' in training, 'priority'. Default 'position'. */
  capacityOrder?: AssignmentOrder;
  /** What a dropped choice counts for: 'zero', nothing; 'shared', the shared expert with the choice's weight. Default 'zero'. */
  overflow?: 'zero' | 'shared';
  /** How tokens travel to their experts. Default 'auto': what the backend does best. */
  dispatch?: DispatchMethod;
  /** Width or widths of the hidden layers of an expert that reads every token. Default: no such expert. */
  sharedHiddenUnits?: number | number[];
  /**
   * How the shared expert is added to the mixture: 'none', as it is; 'sigmoid', times a learned gate of the token (Qwen2-MoE); 'softmax', the two
   * weighted by a learned softmax (residual MoE of DeepSpeed). Default 'none'.
   */
  sharedGate?: 'none' | 'sigmoid' | 'softmax';
}

/** Arguments of `gumbelMoE`: those of its router, flat, and those of its experts. */
export interface GumbelMoEArgs
  extends DiscreteRouterArgs,
    Pick<SparseRouterArgs, 'router' | 'logits' | 'biasUpdateRate'>,
    SparseArgs {
  /** Width or widths of the hidden layers of the built-in experts. Give either this or `experts`. */
  hiddenUnits?: number | number[];
  /** Width of the output of the built-in experts. Default: the input's. */
  units?: number;
  /** Activation of the built-in experts' hidden layers, as tfjs names it. Default 'relu'. */
  activation?: string;
  /** Whether a hidden layer is activation(x . gate) * (x . kernel): SwiGLU with 'swish', GeGLU with 'gelu'. Default false. */
  gated?: boolean;
  /**
   * Experts of your own, numExperts of them: layers or models that map each row [n, features] -> [n, units] by itself, without state. They
   * belong to this layer from then on, which names them expert_0, expert_1, ..., saves and disposes them: use them nowhere else.
   */
  experts?: tfl.layers.Layer[];
  /**
   * Which experts are evaluated in training. 'dense': all, so that the estimator sees the true derivative. 'sparse': the chosen ones, at
   * their cost alone, by `router`. Default 'dense'.
   */
  compute?: 'dense' | 'sparse';
}

/** What describes the experts, as a saved model holds it: null for what was not given. */
export interface ExpertArgs {
  /** Null where the experts are the user's own. */
  hiddenUnits: number | number[] | null;
  /** Null for the input's width. */
  units: number | null;
  /** Of the built-in experts. */
  activation: string;
  gated: boolean;
  /** Which experts are evaluated in training. */
  compute: 'dense' | 'sparse';
}

/** The sparse arguments as a saved model holds them: null for what was not given. */
export type ResolvedSparseArgs = {
  [Field in keyof Required<SparseArgs>]: Required<SparseArgs>[Field] | null;
} & Required<Pick<SparseArgs, 'minCapacity' | 'capacityOrder' | 'overflow' | 'dispatch' | 'sharedGate'>>;

const OWNER = 'GumbelMoE';
const COMPUTE = ['dense', 'sparse'] as const;
const OVERFLOWS = ['zero', 'shared'] as const;
const SHARED_GATES = ['none', 'sigmoid', 'softmax'] as const;
/** Arguments that mean something with `compute: 'sparse'` alone. */
const SPARSE_ONLY = [
  'router',
  'logits',
  'biasUpdateRate',
  'capacityFactor',
  'evalCapacityFactor',
  'minCapacity',
  'capacityOrder',
  'overflow',
  'dispatch',
  'sharedHiddenUnits',
  'sharedGate',
] as const;

/** The arguments sorted by whose they are. */
export interface ResolvedMoEArgs {
  router: DiscreteRouterArgs & SparseRouterArgs;
  expert: ExpertArgs;
  /** Null with `compute: 'dense'`. */
  sparse: ResolvedSparseArgs | null;
}

/** The arguments of the router and those of the experts; refuses what does not fit together. */
export function resolveMoEArgs(args: GumbelMoEArgs): ResolvedMoEArgs {
  const {
    hiddenUnits = null,
    units = null,
    activation = 'relu',
    gated = false,
    compute = 'dense',
    experts = null,
    ...others
  } = args;
  const {capacityFactor, evalCapacityFactor, minCapacity, capacityOrder, overflow, dispatch, ...rest} = others;
  // Not the router's: what says how the whole layer stands in a model.
  const {inputShape, batchInputShape, batchSize, inputDType, weights, trainable, ...routing} = rest;
  const {sharedHiddenUnits, sharedGate, router, logits, biasUpdateRate, estimator, ...common} = routing;
  checkCount(OWNER, 'numExperts', common.numExperts, 1);
  checkOneOf(OWNER, 'compute', compute, COMPUTE);
  checkBoolean(OWNER, 'gated', gated);
  if (experts !== null && (hiddenUnits !== null || units !== null)) {
    throw new ValueError(`${OWNER}: give either experts, or hiddenUnits and units for built-in ones, but not both.`);
  }
  if (experts === null && hiddenUnits === null) {
    throw new ValueError(`${OWNER}: give hiddenUnits for built-in experts, or experts of your own, but got neither.`);
  }
  for (const width of hiddenWidths(hiddenUnits ?? [])) checkCount(OWNER, 'hiddenUnits', width, 1);
  if (units !== null) checkCount(OWNER, 'units', units, 1);
  const expert: ExpertArgs = {hiddenUnits, units, activation, gated, compute};
  const named = {...common, name: 'router'};
  if (compute === 'dense') {
    const given = SPARSE_ONLY.find(field => args[field] != null);
    if (given)
      throw new ValueError(`${OWNER}: ${given} needs compute: 'sparse'; with 'dense' all experts are evaluated.`);
    return {router: {...named, ...(estimator != null && {estimator})}, expert, sparse: null};
  }
  if (router != null && estimator != null) {
    throw new ValueError(`${OWNER}: give either router or estimator with compute: 'sparse', but not both.`);
  }
  if (typeof estimator === 'function') {
    throw new ValueError(`${OWNER}: with compute: 'sparse' an estimator must be named; give a function as router.`);
  }
  const choice = router ?? estimator;
  return {
    router: {
      ...named,
      ...(choice != null && {router: choice}),
      ...(logits != null && {logits}),
      ...(biasUpdateRate != null && {biasUpdateRate}),
    },
    expert,
    sparse: resolveSparseArgs({
      ...(capacityFactor != null && {capacityFactor}),
      ...(evalCapacityFactor != null && {evalCapacityFactor}),
      ...(minCapacity != null && {minCapacity}),
      ...(capacityOrder != null && {capacityOrder}),
      ...(overflow != null && {overflow}),
      ...(dispatch != null && {dispatch}),
      ...(sharedHiddenUnits != null && {sharedHiddenUnits}),
      ...(sharedGate != null && {sharedGate}),
    }),
  };
}

function resolveSparseArgs({
  capacityFactor,
  evalCapacityFactor = capacityFactor,
  minCapacity = 4,
  capacityOrder = 'position',
  overflow = 'zero',
  dispatch = 'auto',
  sharedHiddenUnits,
  sharedGate = 'none',
}: SparseArgs): ResolvedSparseArgs {
  const factors = {capacityFactor, evalCapacityFactor};
  for (const [field, factor] of Object.entries(factors)) if (factor !== undefined) checkRange(OWNER, field, factor, 0);
  checkCount(OWNER, 'minCapacity', minCapacity, 0);
  checkOneOf(OWNER, 'capacityOrder', capacityOrder, ASSIGNMENT_ORDERS);
  checkOneOf(OWNER, 'overflow', overflow, OVERFLOWS);
  checkOneOf(OWNER, 'dispatch', dispatch, DISPATCH_METHODS);
  checkOneOf(OWNER, 'sharedGate', sharedGate, SHARED_GATES);
  for (const width of hiddenWidths(sharedHiddenUnits ?? [])) checkCount(OWNER, 'sharedHiddenUnits', width, 1);
  if (sharedHiddenUnits === undefined && (overflow === 'shared' || sharedGate !== 'none')) {
    const field = overflow === 'shared' ? "overflow: 'shared'" : `sharedGate: '${sharedGate}'`;
    throw new ValueError(`${OWNER}: ${field} needs a shared expert; give sharedHiddenUnits.`);
  }
  if (overflow === 'shared' && sharedGate !== 'none') {
    throw new ValueError(`${OWNER}: overflow: 'shared' weights the shared expert by itself; leave sharedGate out.`);
  }
  return {
    capacityFactor: capacityFactor ?? null,
    evalCapacityFactor: evalCapacityFactor ?? null,
    minCapacity,
    capacityOrder,
    overflow,
    dispatch,
    sharedHiddenUnits: sharedHiddenUnits ?? null,
    sharedGate,
  };
}

/** The widths of hidden layers as a list. */
export function hiddenWidths(hiddenUnits: number | number[]): number[] {
  return Array.isArray(hiddenUnits) ? [...hiddenUnits] : [hiddenUnits];
}
