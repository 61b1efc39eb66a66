// The entry point tfjs-moe/layers: all layers, whichever of them are named. An app that is bundled takes single ones from tfjs-moe.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';
import './register.js'; // so that `import 'tfjs-moe/layers'` is enough to load any saved model

export {type RandomSource, seeded, unseeded} from '../random/random-source.js';
export {ArchitectureLogits, architectureLogits} from './architecture-logits.js';
export type {ArchitectureLogitsArgs} from './architecture-logits-args.js';
export {
  BinaryTreeLSTM,
  type BinaryTreeLSTMArgs,
  type BinaryTreeLSTMVariables,
  binaryTreeLSTM,
} from './binary-tree-lstm.js';
export {CategoricalLatent, categoricalLatent} from './categorical-latent.js';
export type {CategoricalLatentArgs} from './categorical-latent-args.js';
export {ConvolutionBlock, type ConvolutionBlockArgs, convolutionBlock} from './convolution-block.js';
export type {Activation} from './dense-network.js';
export {deriveModel} from './derive-model.js';
export {DiscreteRouter, discreteRouter} from './discrete-router.js';
export type {DiscreteRouterArgs} from './discrete-router-args.js';
export {DiscreteVAE, type DiscreteVAEArgs, discreteVAE} from './discrete-vae.js';
export {GumbelMoE, gumbelMoE} from './gumbel-moe.js';
export type {GumbelMoEArgs, SparseArgs} from './gumbel-moe-args.js';
export type {MergedLeaves} from './latent-tree/types.js';
export {LatentTreeEncoder, latentTreeEncoder} from './latent-tree-encoder.js';
export type {LatentTreeEncoderArgs} from './latent-tree-encoder-args.js';
export type {RouterIdentifier} from './mixture-router.js';
export {OrthogonalMatrix, type OrthogonalMatrixArgs, orthogonalMatrix} from './orthogonal.js';
export type {RouterLayerArgs} from './router-core-args.js';
export type {AuxiliaryLossWeights, BalanceScope} from './router-loss.js';
export {type RouterMetrics, resetRouterMetrics, routerMetrics} from './router-metrics.js';
export {formatArchitecture, parseArchitecture} from './search/architecture-string.js';
export type {CandidateOperation, OperationIdentifier} from './search/candidates.js';
export {type CellPictureOptions, cellPicture} from './search/cell-picture.js';
export type {DerivedArchitecture} from './search/derive-cell.js';
export {NAS_BENCH_201_OPERATIONS, type NamedOperation, type NasBenchOperation} from './search/operation-names.js';
export {SearchCell, searchCell} from './search-cell.js';
export type {SearchCellArgs, UnsampledOutput} from './search-cell-args.js';
export {SoftMoE, type SoftMoEArgs, softMoE} from './soft-moe.js';
export type {DispatchMethod} from './sparse-experts.js';
export {SparseRouter} from './sparse-router.js';
export type {SparseRouterArgs} from './sparse-router-args.js';
export type {Initializer, InitializerIdentifier, LayerArgs, SavedInitializer} from './tfjs-types.js';
