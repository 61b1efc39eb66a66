// The entry point tfjs-moe: the whole public surface but tfjs-moe/wasm and tfjs-moe/node, one name a line. A bundler keeps what an app names.
// SPDX-License-Identifier: Apache-2.0
import './register-gradients.js';

export {ValueError} from './errors.js';
export type {GappedStraightThroughOptions} from './estimators/gapped-straight-through.js';
export {gappedStraightThrough} from './estimators/gapped-straight-through.js';
export type {GumbelRaoOptions} from './estimators/gumbel-rao.js';
export {gumbelRao} from './estimators/gumbel-rao.js';
export {gumbelSoftmax, straightThroughGumbelSoftmax} from './estimators/gumbel-softmax.js';
export type {
  EstimatorAlias,
  EstimatorConfig,
  EstimatorEntry,
  EstimatorIdentifier,
  EstimatorName,
} from './estimators/registry.js';
export {ESTIMATOR_ALIASES, ESTIMATORS, getEstimator} from './estimators/registry.js';
export {reinmax} from './estimators/reinmax.js';
export {arms} from './estimators/score/arms.js';
export {disarm} from './estimators/score/disarm.js';
export type {DoubleCVState} from './estimators/score/double-cv.js';
export {createDoubleCVState, doubleCV} from './estimators/score/double-cv.js';
export {foust} from './estimators/score/foust.js';
export {leaveOneOut} from './estimators/score/leave-one-out.js';
export type {
  ScoreEntry,
  ScoreEstimatorAlias,
  ScoreEstimatorConfig,
  ScoreEstimatorIdentifier,
  ScoreEstimatorName,
  ScoreStateOptions,
} from './estimators/score/registry.js';
export {getScoreEstimator, SCORE_ESTIMATOR_ALIASES, SCORE_ESTIMATORS} from './estimators/score/registry.js';
export type {ReinforceState, ReinforceStateOptions} from './estimators/score/reinforce.js';
export {createReinforceState, reinforce} from './estimators/score/reinforce.js';
export {relax} from './estimators/score/relax.js';
export type {RelaxState, RelaxStateOptions} from './estimators/score/relax-state.js';
export {createRelaxState} from './estimators/score/relax-state.js';
export type {SampleCounts, ScoreSupport} from './estimators/score/resolve-score-options.js';
export {rodeo} from './estimators/score/rodeo.js';
export type {RodeoState, RodeoStateOptions} from './estimators/score/rodeo-state.js';
export {createRodeoState} from './estimators/score/rodeo-state.js';
export type {Surrogates} from './estimators/score/stein-operator.js';
export type {
  Distribution,
  Objective,
  ScoreEstimate,
  ScoreEstimator,
  ScoreOptions,
  ScoreState,
} from './estimators/score/types.js';
export {straightThrough} from './estimators/straight-through.js';
export type {DiscreteSample, Estimator, EstimatorOptions} from './estimators/types.js';
export {ArchitectureLogits, architectureLogits} from './layers/architecture-logits.js';
export type {ArchitectureLogitsArgs} from './layers/architecture-logits-args.js';
export type {BinaryTreeLSTMArgs, BinaryTreeLSTMVariables} from './layers/binary-tree-lstm.js';
export {BinaryTreeLSTM, binaryTreeLSTM} from './layers/binary-tree-lstm.js';
export {CategoricalLatent, categoricalLatent} from './layers/categorical-latent.js';
export type {CategoricalLatentArgs} from './layers/categorical-latent-args.js';
export type {ConvolutionBlockArgs} from './layers/convolution-block.js';
export {ConvolutionBlock, convolutionBlock} from './layers/convolution-block.js';
export type {Activation} from './layers/dense-network.js';
export {deriveModel} from './layers/derive-model.js';
export {DiscreteRouter, discreteRouter} from './layers/discrete-router.js';
export type {DiscreteRouterArgs} from './layers/discrete-router-args.js';
export type {DiscreteVAEArgs} from './layers/discrete-vae.js';
export {DiscreteVAE, discreteVAE} from './layers/discrete-vae.js';
export {GumbelMoE, gumbelMoE} from './layers/gumbel-moe.js';
export type {GumbelMoEArgs, SparseArgs} from './layers/gumbel-moe-args.js';
export type {MergedLeaves} from './layers/latent-tree/types.js';
export {LatentTreeEncoder, latentTreeEncoder} from './layers/latent-tree-encoder.js';
export type {LatentTreeEncoderArgs} from './layers/latent-tree-encoder-args.js';
export type {RouterIdentifier} from './layers/mixture-router.js';
export type {OrthogonalMatrixArgs} from './layers/orthogonal.js';
export {OrthogonalMatrix, orthogonalMatrix} from './layers/orthogonal.js';
export type {RouterLayerArgs} from './layers/router-core-args.js';
export type {AuxiliaryLossWeights, BalanceScope} from './layers/router-loss.js';
export type {RouterMetrics} from './layers/router-metrics.js';
export {resetRouterMetrics, routerMetrics} from './layers/router-metrics.js';
export {formatArchitecture, parseArchitecture} from './layers/search/architecture-string.js';
export type {CandidateOperation, OperationIdentifier} from './layers/search/candidates.js';
export type {CellPictureOptions} from './layers/search/cell-picture.js';
export {cellPicture} from './layers/search/cell-picture.js';
export type {DerivedArchitecture} from './layers/search/derive-cell.js';
export type {NamedOperation, NasBenchOperation} from './layers/search/operation-names.js';
export {NAS_BENCH_201_OPERATIONS} from './layers/search/operation-names.js';
export {SearchCell, searchCell} from './layers/search-cell.js';
export type {SearchCellArgs, UnsampledOutput} from './layers/search-cell-args.js';
export type {SoftMoEArgs} from './layers/soft-moe.js';
export {SoftMoE, softMoE} from './layers/soft-moe.js';
export type {DispatchMethod} from './layers/sparse-experts.js';
export {SparseRouter} from './layers/sparse-router.js';
export type {SparseRouterArgs} from './layers/sparse-router-args.js';
export type {Initializer, InitializerIdentifier, LayerArgs, SavedInitializer} from './layers/tfjs-types.js';
export type {GroupedActivation} from './ops/grouped-dense.js';
export {groupedDense} from './ops/grouped-dense.js';
export {groupedMatMul} from './ops/grouped-mat-mul.js';
export {klToUniform} from './ops/kl-to-uniform.js';
export type {RandomSource} from './random/random-source.js';
export {seeded, unseeded} from './random/random-source.js';
export type {AssignOptions} from './router/assign.js';
export {assign} from './router/assign.js';
export type {AssignmentOrder} from './router/assign-request.js';
export {
  deadExperts,
  droppedFraction,
  expertCounts,
  expertUsage,
  fractionOfTokensLeftBehind,
  loadEntropy,
  maxViolation,
  routerConfidence,
} from './router/assignment-metrics.js';
export type {BaseRouting} from './router/base-routing.js';
export {baseRouting} from './router/base-routing.js';
export type {BiasUpdateOptions} from './router/bias-update.js';
export {updatedBias} from './router/bias-update.js';
export type {CapacityOptions} from './router/capacity.js';
export {expertCapacity} from './router/capacity.js';
export {combineFromBuffers, dispatchToBuffers} from './router/capacity-dispatch.js';
export {cosineLogits} from './router/cosine-logits.js';
export {batchEntropy, entropyLoss, mutualInformation, tokenEntropy} from './router/entropy.js';
export type {ExpertChoice, ExpertChoiceOptions} from './router/expert-choice.js';
export {expertChoice} from './router/expert-choice.js';
export type {ChoiceOptions} from './router/gates/choose-in-turn.js';
export type {UpdateMeansOptions} from './router/gates/default-vectors.js';
export {unchosenTerm, updateMeans} from './router/gates/default-vectors.js';
export {denseMixer} from './router/gates/dense-mixer.js';
export {denseTerm} from './router/gates/dense-term.js';
export {sparseMixer} from './router/gates/sparse-mixer.js';
export type {SparseMixerOptions} from './router/gates/sparse-mixer-routing.js';
export {sparseMixerV2} from './router/gates/sparse-mixer-v2.js';
export {sparseMixerV2Star} from './router/gates/sparse-mixer-v2-star.js';
export {sparseReinmax} from './router/gates/sparse-reinmax.js';
export {sparseStraightThrough} from './router/gates/sparse-straight-through.js';
export type {SparseEstimatorOptions} from './router/gates/unit-weights.js';
export type {GShardRoutingOptions, SecondPolicy} from './router/gshard-routing.js';
export {gshardRouting} from './router/gshard-routing.js';
export type {HashRoutingOptions} from './router/hash-routing.js';
export {balancedHashTable, hashRouting} from './router/hash-routing.js';
export {importanceLoss} from './router/importance-loss.js';
export type {LoadBalancingConvention, LoadBalancingOptions, LoadBalancingScope} from './router/load-balancing-loss.js';
export {loadBalancingLoss} from './router/load-balancing-loss.js';
export type {LoadLossOptions} from './router/load-loss.js';
export {loadLoss} from './router/load-loss.js';
export type {LshRoutingOptions} from './router/lsh-routing.js';
export {lshRouting} from './router/lsh-routing.js';
export type {NoisyRouting, NoisyTopKRoutingOptions, SoftmaxOver} from './router/noisy-top-k-routing.js';
export {noisyTopKRouting} from './router/noisy-top-k-routing.js';
export {combineByOneHot, dispatchByOneHot} from './router/one-hot-dispatch.js';
export type {RowPlan} from './router/permutation.js';
export {planRows} from './router/permutation.js';
export {combineRows, dispatchRows} from './router/ragged-dispatch.js';
export {randomRouting} from './router/random-routing.js';
export type {BoundRouter, RouterConfig, RouterEntry, RouterName} from './router/registry.js';
export {getRouter, ROUTERS} from './router/registry.js';
export type {RouterScores} from './router/router-scores.js';
export {routerZLoss} from './router/router-z-loss.js';
export type {AddCountsOptions, Choices} from './router/running-counts.js';
export {addCounts} from './router/running-counts.js';
export type {SinkhornOptions, SinkhornRoutingOptions} from './router/sinkhorn.js';
export {sinkhornAssignment, sinkhornRouting} from './router/sinkhorn.js';
export type {SoftMoEOptions, SoftMoEWeights} from './router/soft-moe.js';
export {softMoEWeights} from './router/soft-moe.js';
export {switchRouting} from './router/switch-routing.js';
export type {TokenMaskOptions} from './router/tokens.js';
export type {TopKRoutingOptions} from './router/top-k-routing.js';
export {topKRouting} from './router/top-k-routing.js';
export type {Assignment, Router, RouterContext, RouterOptions, Routing} from './router/types.js';
export type {Annealable, AnnealTemperatureOptions} from './training/anneal-temperature.js';
export {AnnealTemperature} from './training/anneal-temperature.js';
export type {RAdamOptions} from './training/radam.js';
export {RAdamOptimizer, radam} from './training/radam.js';
export type {RouterChartMetric, RouterChartsOptions} from './training/router-charts.js';
export {RouterCharts} from './training/router-charts.js';
export type {RouterMonitorOptions} from './training/router-monitor.js';
export {RouterMonitor} from './training/router-monitor.js';
export type {ExponentialOptions, RampOptions, Schedule} from './training/schedules.js';
export {constantSchedule, cosineSchedule, exponentialSchedule, linearSchedule} from './training/schedules.js';
export {sumBinaryCrossentropy} from './training/sum-binary-crossentropy.js';
export type {
  VisChartOptions,
  VisContainer,
  VisCurves,
  VisLibrary,
  VisPoint,
  VisRender,
  VisSurface,
  VisSurfaceInfo,
  VisVisor,
} from './training/vis-library.js';
