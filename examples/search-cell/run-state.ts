// A run under way: what a checkpoint holds, and how a run is begun, saved and taken up.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type NamedTensor, type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import {optimizerTensors, restoreOptimizer} from '../shared/optimizer-state.js';
import {learnerTensors, restoreLearner} from '../shared/run-tensors.js';
import type {SearchData} from './data.js';
import type {TableAccuracies} from './judge.js';
import {createNetwork} from './network.js';
import {makeChoiceOptimizer, makeWeightOptimizer} from './optimizers.js';
import {PROGRAM, type Settings} from './settings.js';
import type {Learner} from './steps.js';

/** An epoch, a line of history.jsonl. */
export interface EpochRecord {
  /** Epochs done. */
  epoch: number;
  /** Pairs of steps since the start of the run. */
  step: number;
  /** Of the epoch's draws. */
  temperature: number;
  /** Mean cross-entropy in nats of the steps of the weights, each with the cell that it drew, and the share classified right. */
  weightLoss: number;
  weightAccuracy: number;
  /** The same of the steps of the choices; null before the first of them. */
  choiceLoss: number | null;
  choiceAccuracy: number | null;
  /** The likeliest cell at the end of the epoch, in the form of NAS-Bench-201. */
  architecture: string;
  /** Its share right of images of the second half, with the shared weights. */
  validationAccuracy: number;
  validationLoss: number;
  /** Whether no convolution has a way through it. */
  hasCollapsed: boolean;
  /** What the table says of it; null where there is none. */
  table: TableAccuracies | null;
  /** [edge][operation]. */
  probabilities: number[][];
  /** Of the choices in nats, the mean over the edges: ln 5 = 1.609 at the start. */
  entropy: number;
  /** Images of both halves. */
  examplesPerSecond: number;
  /** Training time since the start of the run. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Pairs of steps done: one of the weights and, after the first epochs, one of the choices. */
  step: number;
  /** Epochs done. */
  epoch: number;
  /** Pairs done of the epoch under way. */
  batch: number;
  /** Sums over the epoch under way, `examples` of the weights' steps. */
  sums: {
    examples: number;
    weightLoss: number;
    weightCorrect: number;
    choiceExamples: number;
    choiceLoss: number;
    choiceCorrect: number;
    seconds: number;
  };
  history: EpochRecord[];
  /** Training time so far, without validations. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run extends Learner {
  settings: Settings;
  state: RunState;
}

/** The sums before the first step of an epoch. */
export const NOTHING: RunState['sums'] = {
  ...{examples: 0, weightLoss: 0, weightCorrect: 0, choiceExamples: 0, choiceLoss: 0, choiceCorrect: 0, seconds: 0},
};

/** A run that has not begun. */
export function startRun(settings: Settings, {train, numClasses}: Pick<SearchData, 'train' | 'numClasses'>): Run {
  const image: [number, number, number] = [train.height, train.width, train.channels];
  return {
    settings,
    network: createNetwork({...settings, image, numClasses}),
    weightOptimizer: makeWeightOptimizer(settings.weightRate),
    choiceOptimizer: makeChoiceOptimizer(settings.choiceRate),
    state: {step: 0, epoch: 0, batch: 0, sums: {...NOTHING}, history: [], seconds: 0, secondsBefore: 0},
  };
}

const CHOICES = 'choices/';

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, run: Run): Promise<void> {
  const {settings, network, weightOptimizer, choiceOptimizer, state} = run;
  const ofChoices = await optimizerTensors(choiceOptimizer);
  const tensors: NamedTensor[] = [
    ...(await learnerTensors({model: network.model, optimizer: weightOptimizer})),
    ...ofChoices.map(({name, tensor}) => ({name: `${CHOICES}${name}`, tensor})),
  ];
  await saveCheckpoint<RunState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  settings: Settings,
  data: Pick<SearchData, 'train' | 'numClasses'>,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(settings, data);
  const tensors = decodeTensors();
  const ofChoices = tensors.filter(({name}) => name.startsWith(CHOICES));
  await restoreOptimizer(
    run.choiceOptimizer,
    ofChoices.map(({name, tensor}) => ({name: name.slice(CHOICES.length), tensor})),
  );
  await restoreLearner({model: run.network.model, optimizer: run.weightOptimizer}, tensors); // disposes all
  return {...run, state};
}
