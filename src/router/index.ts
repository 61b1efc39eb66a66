// The entry point tfjs-moe/router.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';

export type {GroupedActivation} from '../ops/grouped-dense.js';
export {groupedDense} from '../ops/grouped-dense.js';
export {groupedMatMul} from '../ops/grouped-mat-mul.js';
export {type RandomSource, seeded, unseeded} from '../random/random-source.js';
export {type AssignOptions, assign} from './assign.js';
export type {AssignmentOrder} from './assign-request.js';
export {
  deadExperts,
  droppedFraction,
  expertCounts,
  expertUsage,
  fractionOfTokensLeftBehind,
  loadEntropy,
  maxViolation,
  routerConfidence,
} from './assignment-metrics.js';
export {type BaseRouting, baseRouting} from './base-routing.js';
export {type BiasUpdateOptions, updatedBias} from './bias-update.js';
export {type CapacityOptions, expertCapacity} from './capacity.js';
export {combineFromBuffers, dispatchToBuffers} from './capacity-dispatch.js';
export {cosineLogits} from './cosine-logits.js';
export {batchEntropy, entropyLoss, mutualInformation, tokenEntropy} from './entropy.js';
export {type ExpertChoice, type ExpertChoiceOptions, expertChoice} from './expert-choice.js';
export type {ChoiceOptions} from './gates/choose-in-turn.js';
export {type UpdateMeansOptions, unchosenTerm, updateMeans} from './gates/default-vectors.js';
export {denseMixer} from './gates/dense-mixer.js';
export {denseTerm} from './gates/dense-term.js';
export {sparseMixer} from './gates/sparse-mixer.js';
export type {SparseMixerOptions} from './gates/sparse-mixer-routing.js';
export {sparseMixerV2} from './gates/sparse-mixer-v2.js';
export {sparseMixerV2Star} from './gates/sparse-mixer-v2-star.js';
export {sparseReinmax} from './gates/sparse-reinmax.js';
export {sparseStraightThrough} from './gates/sparse-straight-through.js';
export type {SparseEstimatorOptions} from './gates/unit-weights.js';
export {type GShardRoutingOptions, gshardRouting, type SecondPolicy} from './gshard-routing.js';
export {balancedHashTable, type HashRoutingOptions, hashRouting} from './hash-routing.js';
export {importanceLoss} from './importance-loss.js';
export {
  type LoadBalancingConvention,
  type LoadBalancingOptions,
  type LoadBalancingScope,
  loadBalancingLoss,
} from './load-balancing-loss.js';
export {type LoadLossOptions, loadLoss} from './load-loss.js';
export {type LshRoutingOptions, lshRouting} from './lsh-routing.js';
export {
  type NoisyRouting,
  type NoisyTopKRoutingOptions,
  noisyTopKRouting,
  type SoftmaxOver,
} from './noisy-top-k-routing.js';
export {combineByOneHot, dispatchByOneHot} from './one-hot-dispatch.js';
export {planRows, type RowPlan} from './permutation.js';
export {combineRows, dispatchRows} from './ragged-dispatch.js';
export {randomRouting} from './random-routing.js';
export {
  type BoundRouter,
  getRouter,
  ROUTERS,
  type RouterConfig,
  type RouterEntry,
  type RouterName,
} from './registry.js';
export type {RouterScores} from './router-scores.js';
export {routerZLoss} from './router-z-loss.js';
export {type AddCountsOptions, addCounts, type Choices} from './running-counts.js';
export {type SinkhornOptions, type SinkhornRoutingOptions, sinkhornAssignment, sinkhornRouting} from './sinkhorn.js';
export {type SoftMoEOptions, type SoftMoEWeights, softMoEWeights} from './soft-moe.js';
export {switchRouting} from './switch-routing.js';
export type {TokenMaskOptions} from './tokens.js';
export {type TopKRoutingOptions, topKRouting} from './top-k-routing.js';
export type {Assignment, Router, RouterContext, RouterOptions, Routing} from './types.js';
