// All runs of the program, one after another, in a state that can be saved in the middle of any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import type {Progress} from '../shared/progress.js';
import {formatMethod} from './methods.js';
import {type RunRecord, recordOf} from './record.js';
import {listRuns, PROGRAM, type RunSettings, type Settings} from './settings.js';
import {
  disposeLearner,
  type Learner,
  learnerTensors,
  probabilitiesOf,
  type RunState,
  restoreLearner,
  startRun,
  train,
} from './training.js';

/** Where the list stands: what JSON can hold of it. */
export interface ListState {
  /** The runs that are complete, the first of the list. */
  finished: RunRecord[];
  /** Null between two runs. */
  current: RunState | null;
  /** For how long the processes ran from which this one took the list up, start-up included. */
  secondsBefore: number;
}

/** The runs, under way. */
export interface RunList {
  settings: Settings;
  runs: RunSettings[];
  state: ListState;
  /** Of the current run. */
  learner: Learner | undefined;
}

/** A list of which nothing is done. */
export function startList(settings: Settings): RunList {
  const state = {finished: [], current: null, secondsBefore: 0};
  return {settings, runs: listRuns(settings), state, learner: undefined};
}

/** Steps done and steps of all runs together. */
export function progressOf({settings: {steps}, runs, state}: RunList): {done: number; total: number} {
  return {done: steps * state.finished.length + (state.current?.step ?? 0), total: steps * runs.length};
}

/** Training time of all runs so far. */
export function trainingSeconds({state: {finished, current}}: RunList): number {
  return finished.reduce((sum, {seconds}) => sum + seconds, current?.seconds ?? 0);
}

/** Whether no run is left. */
export function isComplete({runs, state}: RunList): boolean {
  return state.finished.length === runs.length;
}

/**
 * Trains until all runs are complete or a signal has come.
 *
 * @param onRun Is called after each run, when the state holds it.
 */
export async function trainList(
  list: RunList,
  progress: Progress,
  interrupt: Interrupt,
  onRun: () => Promise<void>,
): Promise<void> {
  const {settings, runs, state} = list;
  while (!isComplete(list)) {
    const run = runs[state.finished.length]!;
    if (list.learner === undefined) {
      const {learner, state: current} = startRun(run);
      list.learner = learner;
      state.current = current;
    }
    const {learner} = list;
    const current = state.current!;
    await train(run, learner, current, interrupt, () =>
      progress.update(progressOf(list).done, {
        run: `${state.finished.length + 1}/${runs.length}`,
        name: describeRun(run),
        loss: current.expectedLoss.at(-1)!.toFixed(4),
      }),
    );
    if (current.step < run.steps) return;
    const record = recordOf(run, settings, current, await probabilitiesOf(learner.theta));
    state.finished.push(record);
    state.current = null;
    disposeLearner(learner);
    list.learner = undefined;
    progress.line(describeRecord(record, state.finished.length, runs.length));
    await onRun();
  }
}

function describeRun({estimator, p, latents, batchSize, seed}: RunSettings): string {
  return `${formatMethod(estimator)}, p ${p}, ${latents} bits, batch ${batchSize}, seed ${seed}`;
}

function describeRecord({settings, figures, seconds}: RunRecord, done: number, total: number): string {
  return (
    `run ${done}/${total}: ${describeRun(settings)}: training loss ${figures.trainingLoss.toFixed(6)}, ` +
    `expected ${figures.expectedLoss.toFixed(6)}, ${seconds.toFixed(1)} s`
  );
}

/** Writes everything that the list needs to go on. */
export async function saveList(path: string, {settings, state, learner}: RunList): Promise<void> {
  const tensors = learner === undefined ? [] : await learnerTensors(learner);
  await saveCheckpoint<ListState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a list up where the checkpoint was written. */
export async function resumeList(
  settings: Settings,
  {state, decodeTensors}: SavedCheckpoint<ListState>,
): Promise<RunList> {
  const list = {...startList(settings), state};
  if (state.current === null) return list;
  const {learner} = startRun(list.runs[state.finished.length]!);
  await restoreLearner(learner, decodeTensors());
  return {...list, learner};
}
