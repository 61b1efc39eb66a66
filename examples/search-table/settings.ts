// What decides the numbers of the searches, and the words in which a user says it.
// SPDX-License-Identifier: Apache-2.0
import type {Epochs, Space} from '../data/nas-bench-table.js';
import type {MethodChoice} from './methods.js';

/** What a search sees of a cell: its validation accuracy after the short training or after the full one. */
export type ObjectiveName = 'valid-12' | 'valid-200';

/** Everything on which the results depend; a run can only be resumed under the same. */
export interface Settings {
  methods: MethodChoice[];
  space: Space;
  objective: ObjectiveName;
  /** How many seeds from `seed` on. */
  seeds: number;
  seed: number;
  /** Cells that a search may have looked up. */
  evaluations: number;
  /** Of Adam in the score-function methods; null for each method's own. */
  learningRate: number | null;
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  /** Where the accuracies came from, in words. */
  data: string;
  /** The folder of the table; null for the synthetic one. */
  dataDir: string | null;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'search-table';

/** The data sets of the table, for people. */
export const SPACE_TITLES: Record<Space, string> = {
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  imagenet16: 'ImageNet16-120',
};

/** What each objective looks up. */
export const OBJECTIVES: Record<ObjectiveName, {epochs: Epochs; title: string}> = {
  'valid-12': {epochs: 12, title: 'validation accuracy after 12 epochs'},
  'valid-200': {epochs: 200, title: 'validation accuracy after 200 epochs'},
};
