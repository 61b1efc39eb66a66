// What decides the numbers of a run of listops.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {OptimizerName} from '../shared/optimizer-state.js';
import type {TokenizationName} from './tokenize.js';

/** Which published experiment the defaults are of. */
export const SETTINGS = ['reinmax', 'gumbel-rao'] as const;
/** One of `SETTINGS`. */
export type SettingName = (typeof SETTINGS)[number];

/** How a word becomes a leaf of the tree: with its left context, or by itself. */
export const LEAVES = ['lstm', 'dense'] as const;
/** One of `LEAVES`. */
export type Leaf = (typeof LEAVES)[number];

/** The optimizers of all programs, and that of the Gumbel-Rao paper. */
export type ListOpsOptimizer = OptimizerName | 'sgd';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings {
  setting: SettingName;
  /** What the network reads. */
  tokens: TokenizationName;
  /** Longest expression in tokens; null for the published filter of the setting `reinmax`. */
  maxLength: number | null;
  estimator: EstimatorName;
  /** Of the estimator, dimensionless. */
  temperature: number;
  /** K of Gumbel-Rao; null for the others. */
  numSamples: number | null;
  leaf: Leaf;
  /** Length of a token's vector. */
  embedding: number;
  /** Width of the tree and of the classifier. */
  units: number;
  /** Share of the entries left out in training, at three places. */
  dropout: number;
  optimizer: ListOpsOptimizer;
  /** At the start; it is halved when the validation no longer gets better. */
  learningRate: number;
  /** Expressions a step. */
  batchSize: number;
  /** Null where the time says how long the run is. */
  epochs: number | null;
  /** Of training, without measuring; null where the epochs say how long the run is. */
  minutes: number | null;
  /** Validations an epoch. */
  validations: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** Where the expressions came from. */
  data: string;
  dataDir: string | null;
  /** How many training expressions are used; null for all. */
  limit: number | null;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'listops';
