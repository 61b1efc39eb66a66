// What decides the numbers of the searches.
// SPDX-License-Identifier: Apache-2.0
import type {Space} from '../data/nas-bench-table.js';
import type {MethodChoice} from './methods.js';
import type {ObjectiveName} from './objectives.js';

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
