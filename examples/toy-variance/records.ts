// What a run has measured so far.
// SPDX-License-Identifier: Apache-2.0
import type {Descent} from './measure.js';
import {softmax, trueGradient} from './problem.js';
import type {Cell, Settings} from './settings.js';
import type {Figures} from './statistics.js';

/** A finished cell, a line of history.jsonl. */
export type CellRecord =
  | (Cell & {kind: 'gradient'; seconds: number} & Figures)
  | (Cell & {kind: 'descent'; seconds: number} & Descent);

/** A finished cell of gradients. */
export type GradientRecord = Extract<CellRecord, {kind: 'gradient'}>;
/** A finished descent. */
export type DescentRecord = Extract<CellRecord, {kind: 'descent'}>;

/** Where a run stands. */
export interface RunState {
  /** Finished cells. */
  step: number;
  records: CellRecord[];
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** The cells of gradients among all. */
export function gradientRecords(records: readonly CellRecord[]): GradientRecord[] {
  return records.filter(record => record.kind === 'gradient');
}

/** The descents among all. */
export function descentRecords(records: readonly CellRecord[]): DescentRecord[] {
  return records.filter(record => record.kind === 'descent');
}

/** The length of the true gradient, of which the bias is a share. */
export function gradientNorm(settings: Settings): number {
  return Math.hypot(...trueGradient(softmax(settings.logits)));
}
