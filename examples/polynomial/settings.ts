// What decides the numbers of a run of polynomial.
// SPDX-License-Identifier: Apache-2.0
import type {MethodChoice} from './methods.js';
import type {Problem} from './problem.js';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings extends Problem, MethodChoice {
  /** Samples a step, all of the same probabilities. */
  batchSize: number;
  steps: number;
  /** Steps from one line of history.jsonl to the next. */
  reportEvery: number;
  learningRate: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** There is none: the loss is all that is needed. */
  data: 'none';
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'polynomial';
