// What decides the numbers of a run of mnist-vae.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {DigitSettings} from '../shared/digits.js';
import type {OptimizerName} from '../shared/optimizer-state.js';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings extends DigitSettings {
  /** Categories x latent variables, such as 8x4. */
  size: string;
  estimator: EstimatorName;
  /** Of the estimator, dimensionless. */
  temperature: number;
  /** K of Gumbel-Rao; null for the others. */
  numSamples: number | null;
  optimizer: OptimizerName;
  learningRate: number;
  epochs: number;
  batchSize: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'mnist-vae';

/** The two numbers of a size. */
export function parseSize(size: string): {numCategories: number; numLatents: number} {
  const [numCategories, numLatents] = size.split('x').map(Number) as [number, number];
  return {numCategories, numLatents};
}
