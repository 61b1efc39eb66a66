// What decides the numbers of the runs of polynomial, and the list of runs that the lists of settings stand for.
// SPDX-License-Identifier: Apache-2.0
import type {MethodChoice} from './methods.js';
import type {Problem, Target} from './problem.js';

/** Everything on which the results depend; a list of runs can only be resumed under the same. */
export interface Settings {
  p: number[];
  latents: number[];
  /** Samples a step, all of the same probabilities. */
  batchSize: number[];
  target: Target;
  steps: number;
  learningRate: number;
  estimators: MethodChoice[];
  /** The first seed. */
  seed: number;
  /** How many seeds from the first one on, or all of them. */
  seeds: number | number[];
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** There is none: the loss is all that is needed. */
  data: 'none';
}

/** One run of the list. */
export interface RunSettings extends Problem {
  estimator: MethodChoice;
  batchSize: number;
  steps: number;
  learningRate: number;
  seed: number;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'polynomial';

/** The runs in their order: a seed goes through all of them before the next one begins. */
export function listRuns(settings: Settings): RunSettings[] {
  const {p: powers, latents: sizes, batchSize: batchSizes, estimators, target, steps, learningRate} = settings;
  return seedsOf(settings).flatMap(seed =>
    powers.flatMap(p =>
      sizes.flatMap(latents =>
        batchSizes.flatMap(batchSize =>
          estimators.map(estimator => ({estimator, p, latents, target, batchSize, steps, learningRate, seed})),
        ),
      ),
    ),
  );
}

function seedsOf({seed, seeds}: Settings): number[] {
  return typeof seeds === 'number' ? Array.from({length: seeds}, (_, i) => seed + i) : seeds;
}

/** How many parts a run is told in; the figure of a run is the mean training loss of the last. */
const EPOCHS = 40;

/** Steps of an epoch; the last may have fewer. */
export function stepsPerEpoch({steps}: {steps: number}): number {
  return Math.ceil(steps / EPOCHS);
}
