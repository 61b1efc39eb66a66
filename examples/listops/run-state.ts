// A run under way: what a checkpoint holds, and how a run is begun, saved and taken up.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import {makeOptimizer} from '../shared/optimizer-state.js';
import {learnerTensors, restoreLearner} from '../shared/run-tensors.js';
import type {ListOpsModel} from './model.js';
import {type PlateauState, startPlateau} from './plateau.js';
import {PROGRAM, type Settings} from './settings.js';

/** A validation, a line of history.jsonl. */
export interface ValidationRecord {
  /** Epochs since the start of the run, with the part of the one under way. */
  epoch: number;
  /** Steps since the start of the run. */
  step: number;
  /** Mean cross-entropy in nats since the last validation, each expression at its step, with dropout and drawn trees. */
  trainLoss: number;
  /** Share of the same expressions that were answered right. */
  trainAccuracy: number;
  /** Of all validation expressions, with the likeliest trees. */
  validationLoss: number;
  validationAccuracy: number;
  /** Of the steps since the last validation. */
  learningRate: number;
  /** Of training since the last validation. */
  examplesPerSecond: number;
  /** Training time since the start of the run. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Epochs done. */
  epoch: number;
  /** Batches done of the epoch under way. */
  batch: number;
  /** Sums since the last validation. */
  sums: {examples: number; loss: number; correct: number; seconds: number};
  history: ValidationRecord[];
  plateau: PlateauState;
  /** The validation of the highest accuracy, the first of several; null before there was any. */
  best: Pick<ValidationRecord, 'epoch' | 'step' | 'validationAccuracy'> | null;
  /** Training time so far, without validations. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  settings: Settings;
  network: ListOpsModel;
  optimizer: tf.Optimizer;
  state: RunState;
  /** The model's weights at `state.best`, in its order; none before there was any. */
  bestWeights: tf.Tensor[];
}

/** The sums before the first step of an interval. */
export const NOTHING: RunState['sums'] = {examples: 0, loss: 0, correct: 0, seconds: 0};

/** A run that has not begun. */
export function startRun(settings: Settings, network: ListOpsModel): Run {
  const {optimizer, learningRate} = settings;
  return {
    settings,
    network,
    optimizer: optimizer === 'sgd' ? tf.train.sgd(learningRate) : makeOptimizer(optimizer, learningRate),
    state: {
      step: 0,
      epoch: 0,
      batch: 0,
      sums: {...NOTHING},
      history: [],
      plateau: startPlateau(learningRate),
      best: null,
      seconds: 0,
      secondsBefore: 0,
    },
    bestWeights: [],
  };
}

/** Keeps the weights of now as the best. */
export function keepBest(run: Run): void {
  tf.dispose(run.bestWeights);
  run.bestWeights = run.network.model.weights.map(weight => tf.keep(tf.clone(weight.read())));
}

const BEST = 'best/';

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {settings, network, optimizer, state, bestWeights}: Run): Promise<void> {
  const learner = await learnerTensors({model: network.model, optimizer});
  const best = bestWeights.map((tensor, i) => ({name: `${BEST}${i}`, tensor}));
  await saveCheckpoint<RunState>(path, {
    program: PROGRAM,
    settings: {...settings},
    state,
    tensors: [...learner, ...best],
  });
  tf.dispose(learner.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  settings: Settings,
  network: ListOpsModel,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(settings, network);
  const tensors = decodeTensors();
  const bestWeights = tensors.filter(({name}) => name.startsWith(BEST)).map(({tensor}) => tensor);
  const learner = tensors.filter(({name}) => !name.startsWith(BEST));
  await restoreLearner({model: network.model, optimizer: run.optimizer}, learner);
  return {...run, state, bestWeights};
}
