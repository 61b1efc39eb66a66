// What decides the numbers of a run, whichever the program.
// SPDX-License-Identifier: Apache-2.0
import type {ImageDataset} from '../data/image-datasets.js';
import type {OptimizerName} from '../shared/optimizer-state.js';
import type {MethodName} from './methods.js';

/** Everything on which the result depends, but for what a program adds; a run can only be resumed under the same. */
export interface Settings {
  dataset: ImageDataset;
  method: MethodName;
  /** K, hard draws of the code of each image at an update. */
  numSamples: number;
  /** Of a pathwise estimator, dimensionless; null for the others. */
  temperature: number | null;
  optimizer: OptimizerName;
  learningRate: number;
  /** Of what an estimator learns to lower its variance, by Adam; null where it learns nothing. */
  controlLearningRate: number | null;
  updates: number;
  batchSize: number;
  /** Updates from one line of history.jsonl to the next. */
  reportEvery: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** Where the images came from. */
  data: string;
  dataDir: string | null;
  download: boolean;
  limit: number | null;
  /** Conditional noise samples of gumbelRao, null for the others; absent where a program leaves them to the estimator. */
  noiseSamples?: number | null;
}
