// What a finished method tells, a line of history.jsonl.
// SPDX-License-Identifier: Apache-2.0
import type {Figures} from './figures.js';
import {formatMethod, learningRateOf, type MethodChoice} from './methods.js';
import {PROGRAM, type Settings} from './settings.js';

/** A finished method. */
export interface MethodRecord {
  program: string;
  /** What makes this line, and no other, anew. */
  command: string;
  method: string;
  /** The first seed. */
  seed: number;
  settings: Omit<Settings, 'methods' | 'dataDir'>;
  figures: Figures;
  /** The regret of the cell with the best objective, in points of percent. */
  floor: number;
  seconds: number;
  node: string;
}

/** Puts down a method whose seeds are all done. */
export function recordOf(
  choice: MethodChoice,
  settings: Settings,
  {figures, floor, seconds}: Pick<MethodRecord, 'figures' | 'floor' | 'seconds'>,
): MethodRecord {
  const {methods: _, dataDir: __, ...same} = settings;
  return {
    program: PROGRAM,
    command: commandOf(choice, settings),
    method: formatMethod(choice),
    seed: settings.seed,
    settings: {...same, learningRate: learningRateOf(choice, settings.learningRate)},
    figures,
    floor,
    seconds,
    node: process.version,
  };
}

function commandOf(choice: MethodChoice, settings: Settings): string {
  const {space, objective, seeds, seed, evaluations, backend, trainingKernels} = settings;
  const learningRate = learningRateOf(choice, settings.learningRate);
  const options = {
    methods: formatMethod(choice),
    space,
    objective,
    seeds,
    evaluations,
    ...(learningRate !== null && {'learning-rate': learningRate}),
    seed,
    backend,
  };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return ['tfjs-moe', 'train', PROGRAM, ...words, ...(trainingKernels ? [] : ['--no-training-kernels'])].join(' ');
}
