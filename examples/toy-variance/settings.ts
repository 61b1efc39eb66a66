// What decides the numbers of a run of toy-variance, and the cells that it consists of.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS, type EstimatorConfig, type EstimatorName} from 'tfjs-moe/estimators';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings {
  /** Of the three categories, where the gradients are measured and the descents begin. */
  logits: number[];
  temperatures: number[];
  /** K of Gumbel-Rao. */
  numSamples: number[];
  /** Draws of the noise for each category. */
  draws: number;
  /** Of the descents. */
  descentTemperatures: number[];
  runs: number;
  steps: number;
  learningRate: number;
  seed: number;
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** What the run is about, in words. */
  data: string;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'toy-variance';

/** An estimator with the options under which it is looked at. */
export interface Variant {
  name: EstimatorName;
  temperature: number;
  /** Of Gumbel-Rao alone. */
  numSamples?: number;
}

/** A piece of the run, saved when it is finished. */
export type Cell = Variant & {kind: 'gradient' | 'descent'};

/** All cells, in their order. */
export function listCells({temperatures, descentTemperatures, numSamples}: Settings): Cell[] {
  const at = (kind: Cell['kind'], temperature: number): Cell[] =>
    (Object.keys(ESTIMATORS) as EstimatorName[]).flatMap((name): Cell[] =>
      name === 'gumbelRao'
        ? numSamples.map(K => ({kind, name, temperature, numSamples: K}))
        : [{kind, name, temperature}],
    );
  return [
    ...temperatures.flatMap(temperature => at('gradient', temperature)),
    ...descentTemperatures.flatMap(temperature => at('descent', temperature)),
  ];
}

/** As getEstimator takes it. */
export function configOf({name, temperature, numSamples}: Variant): EstimatorConfig {
  return {name, temperature, ...(numSamples !== undefined && {numSamples})};
}

/** For tables and legends: the title, with K where there is one. */
export function titleOf({name, numSamples}: Pick<Variant, 'name' | 'numSamples'>): string {
  const {title} = ESTIMATORS[name];
  return numSamples === undefined ? title : `${title}, K = ${numSamples.toLocaleString('en-US')}`;
}

/** Whether an estimator draws noise besides the category. */
export function hasNoise({name}: Pick<Variant, 'name'>): boolean {
  return name === 'gumbelSoftmax' || name === 'straightThroughGumbelSoftmax' || name === 'gumbelRao';
}
