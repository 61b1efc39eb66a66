// What decides the numbers of a run of mnist-moe.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {DigitSettings} from '../shared/digits.js';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings extends DigitSettings {
  estimator: EstimatorName;
  /** Dimensionless. */
  temperature: number;
  experts: number;
  /** Factor of the load balancing loss. */
  balanceWeight: number;
  /** Width of the first layer, and of the experts' hidden and output layers. */
  hiddenUnits: number;
  epochs: number;
  batchSize: number;
  /** Of the first step; it falls to 0 over the run. */
  learningRate: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'mnist-moe';

/**
 * How often to go through the training digits if the user does not say: so often that about the same number of digits is seen
 * whatever there is, since it is the steps that cost time; but a set is not repeated without end, which only learns it by heart.
 */
export function defaultEpochs(trainingDigits: number): number {
  return Math.min(20, Math.max(8, Math.round(160_000 / trainingDigits)));
}
