// A run under way: what learns, where the loop stands, and its checkpoint.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {adamTensors, restoreAdam} from '../shared/adam-state.js';
import {type NamedTensor, type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import {createMethod, type Method} from './methods.js';
import {PROGRAM, type Settings} from './settings.js';

/** A line of history.jsonl. */
export interface HistoryRecord {
  /** Steps since the start of the run. */
  step: number;
  /** Mean over the steps since the line before, each at its draws. */
  trainingLoss: number;
  /** Of the probabilities after the step, by the closed form. */
  expectedLoss: number;
  /** Mean over the bits of the probability to be 1. */
  meanProbability: number;
  /** Training time since the start of the run. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Steps done. */
  step: number;
  /** Sum of the training losses since the last line of the history that is as long as it should be. */
  lossSum: number;
  /** Expected loss before the first step; null before it was computed. */
  initialLoss: number | null;
  history: HistoryRecord[];
  /** How often a step evaluates the loss of an example. */
  evaluations: number;
  /** Training time so far. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  settings: Settings;
  /** [latents, 2]: the logits of each bit; the first is that of 1. */
  theta: tf.Variable;
  optimizer: tf.AdamOptimizer;
  method: Method;
  state: RunState;
}

/** The first word of the ids of random streams; the second counts within. training.ts has 1. */
const INITIAL_LOGITS = 0;
/** The logits start uniform between plus and minus this. */
const INITIAL_RANGE = 0.01;

/** A run that has not begun. */
export function startRun(settings: Settings): Run {
  const {latents, learningRate, batchSize, seed} = settings;
  const uniforms = seeded(seed)
    .split(INITIAL_LOGITS)
    .uniform(2 * latents);
  const initial = tf.tensor2d(
    Float32Array.from(uniforms, u => INITIAL_RANGE * (2 * u - 1)),
    [latents, 2],
  );
  const theta = tf.variable(initial);
  initial.dispose();
  return {
    settings,
    theta,
    optimizer: tf.train.adam(learningRate, 0.9, 0.999, 1e-8),
    method: createMethod(settings, settings, batchSize, seed),
    state: {step: 0, lossSum: 0, initialLoss: null, history: [], evaluations: 0, seconds: 0, secondsBefore: 0},
  };
}

/** Frees what a run has. */
export function disposeRun({theta, optimizer, method}: Run): void {
  theta.dispose();
  optimizer.dispose();
  method.dispose();
}

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {settings, theta, optimizer, method, state}: Run): Promise<void> {
  const variables = [theta, ...method.variables].map((variable, i) => ({
    name: `variable/${i}`,
    tensor: tf.clone(variable),
  }));
  const moments = (await adamTensors(optimizer)).map(({name, tensor}) => ({name: `adam/${name}`, tensor}));
  const tensors: NamedTensor[] = [...variables, ...moments];
  await saveCheckpoint<RunState>(path, {program: PROGRAM, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(settings: Settings, {state, decodeTensors}: SavedCheckpoint<RunState>): Promise<Run> {
  const run = startRun(settings);
  const tensors = decodeTensors();
  const variables = [run.theta, ...run.method.variables];
  variables.forEach((variable, i) => {
    variable.assign(tensors[i]!.tensor);
  });
  await restoreAdam(run.optimizer, tensors.slice(variables.length));
  tf.dispose(tensors.map(({tensor}) => tensor));
  return {...run, state};
}
