// What decides the numbers of a run of moe-lm.
// SPDX-License-Identifier: Apache-2.0

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings {
  /** Null for a dense feed-forward layer in place of the experts. */
  experts: number | null;
  /** Experts that each byte goes through; a dense layer is so many times as wide as one. */
  topK: number;
  /** How the experts are chosen, as the layer names it. */
  router: string;
  /** Places of an expert over a balanced share; null for as many as it takes. */
  capacityFactor: number | null;
  /** Factor of the load balancing loss. */
  balanceWeight: number;
  blocks: number;
  width: number;
  heads: number;
  /** How many bytes the model sees, the length of a window. */
  context: number;
  /** Windows a step. */
  batchSize: number;
  /** Null where the time says how long the run is. */
  steps: number | null;
  /** Of training, without measuring; null where the steps say how long the run is. */
  minutes: number | null;
  /** The highest; it rises at the beginning of the run and falls to 0 until its end. */
  learningRate: number;
  /** Steps between two measurements on the held-out text. */
  reportEvery: number;
  seed: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** Where the text came from. */
  data: string;
  /** The file that the user named. */
  text: string | null;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'moe-lm';

/** The hidden layer of an expert is so many times as wide as the model. */
const EXPANSION = 4;

/** Width of the hidden layer that each byte goes through. */
export function activeHiddenUnits({width, topK}: Settings): number {
  return EXPANSION * width * topK;
}

/** Width of the hidden layer of one expert. */
export function expertHiddenUnits({width}: Settings): number {
  return EXPANSION * width;
}
