// What decides the numbers of a run of search-cell.
// SPDX-License-Identifier: Apache-2.0
import type {EstimatorName} from 'tfjs-moe/estimators';
import type {SearchDataset} from '../data/search-images.js';

/** Which experiment the defaults are of. */
export const SETTINGS = ['small', 'gdas'] as const;
/** One of `SETTINGS`. */
export type SettingName = (typeof SETTINGS)[number];

/** What an operation that was not drawn counts as, in the gradient of the choice; see `SearchCellArgs`. */
export const UNSAMPLED = ['ones', 'zeros', 'computed'] as const;
/** One of `UNSAMPLED`. */
export type Unsampled = (typeof UNSAMPLED)[number];

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings {
  setting: SettingName;
  estimator: EstimatorName;
  unsampled: Unsampled;
  /** Each square of so many pixels by so many is one, their mean: 1 for the images as they are. */
  shrink: number;
  /** C of the first stage; the second has twice as many, the third four times. */
  channels: number;
  /** N of each stage. */
  cells: number;
  seed: number;
  /** Of the estimator in the first epoch, dimensionless. */
  temperature: number;
  /** In the last epoch. */
  finalTemperature: number;
  epochs: number;
  /** The first epochs, in which the weights alone learn, of cells drawn evenly. */
  warmUp: number;
  /** Images of a batch of either half. */
  batchSize: number;
  /** Images of each half. */
  images: number;
  /** Learning rate of the weights at the start. */
  weightRate: number;
  /** Learning rate of the choices. */
  choiceRate: number;
  /** The norm that the gradient of the weights has at most; 0 for any. */
  clip: number;
  /** The backend that computes, as useBackend named it. */
  backend: string;
  /** The kernels of tfjs-moe/wasm compute, whose sums round otherwise than those of tfjs. */
  trainingKernels: boolean;
  dataset: SearchDataset;
  /** Where the images came from. */
  data: string;
  dataDir: string | null;
  /** The folder of the table in which the cells found are looked up; null where there is none. */
  tableDir: string | null;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'search-cell';
