// Puts every layer into the list in which tfl.loadLayersModel looks a class up by its name.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ArchitectureLogits} from './architecture-logits.js';
import {BinaryTreeLSTM} from './binary-tree-lstm.js';
import {CategoricalLatent} from './categorical-latent.js';
import {ConvolutionBlock} from './convolution-block.js';
import {DiscreteRouter} from './discrete-router.js';
import {FeedForwardExpert} from './feed-forward-expert.js';
import {GumbelMoE} from './gumbel-moe.js';
import {LatentTreeEncoder} from './latent-tree-encoder.js';
import {OrthogonalMatrix} from './orthogonal.js';
import {SearchCell} from './search-cell.js';
import {SoftMoE} from './soft-moe.js';
import {SparseRouter} from './sparse-router.js';

// Each file registers its class where the class is used. A bundler leaves out the others, which a saved model may name: here all are used.
const LAYERS = [
  ArchitectureLogits,
  BinaryTreeLSTM,
  CategoricalLatent,
  ConvolutionBlock,
  DiscreteRouter,
  FeedForwardExpert,
  GumbelMoE,
  LatentTreeEncoder,
  OrthogonalMatrix,
  SearchCell,
  SoftMoE,
  SparseRouter,
];
for (const layer of LAYERS) tf.serialization.registerClass<tf.serialization.Serializable>(layer);
