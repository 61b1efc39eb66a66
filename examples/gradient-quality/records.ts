// What a run has measured so far.
// SPDX-License-Identifier: Apache-2.0
import type {RunState as NetworkState} from '../mnist-vae/training.js';
import type {Measurement} from './measure.js';

/** A measurement during the training, a line of history.jsonl. */
export interface PointRecord extends Measurement {
  /** Epochs done. */
  epoch: number;
  /** Training loss of the last of them, nats a digit; null before the first. */
  trainNegativeElbo: number | null;
  /** Of the measurement. */
  seconds: number;
}

/** Where a run stands. */
export interface RunState extends NetworkState {
  records: PointRecord[];
}
