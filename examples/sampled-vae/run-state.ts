// A run under way: what learns, where the loop stands, and its checkpoint.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {PIXELS} from '../data/image-files.js';
import {type NamedTensor, type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import {makeOptimizer, optimizerTensors, restoreOptimizer} from '../shared/optimizer-state.js';
import {learnerTensors, restoreLearner, trainableVariables} from '../shared/run-tensors.js';
import {controlBeta1} from './controls.js';
import type {Design} from './design.js';
import {GradientVariance} from './gradient-variance.js';
import {createMethod, type Method} from './methods.js';
import {createVae, type Vae} from './model.js';
import type {Settings} from './settings.js';

/** A line of history.jsonl; losses in nats an image. */
export interface HistoryRecord {
  /** Updates since the start of the run. */
  step: number;
  /** Updates since the line before. */
  updates: number;
  /** -ELBO at the hard draws of an update, the mean over those updates, each with the weights that it found. */
  trainNegativeElbo: number;
  /** Of the encoder's gradient; see gradient-variance.ts. */
  gradientVariance: number;
  /** -ELBO of the images to choose by, with one draw. */
  validNegativeElbo: number;
  /** Training time since the start of the run, in seconds. */
  seconds: number;
}

/** Where a run stands: what JSON can hold of it. The rest is in the tensors. */
export interface RunState {
  /** Updates done. */
  step: number;
  /** Of the updates since the last line of the history that is as long as it should be. */
  sums: {value: number; updates: number};
  history: HistoryRecord[];
  /** Training time so far. */
  seconds: number;
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

/** A run under way. */
export interface Run {
  design: Design;
  settings: Settings;
  vae: Vae;
  method: Method;
  optimizer: tf.Optimizer;
  /** Of the control variates; absent where nothing is learned. */
  controlOptimizer: tf.Optimizer | undefined;
  variance: GradientVariance;
  state: RunState;
}

/** A run that has not begun. */
export function startRun(design: Design, settings: Settings): Run {
  const {seed, method, controlLearningRate, optimizer, learningRate} = settings;
  const vae = createVae(design, seed);
  return {
    design,
    settings,
    vae,
    method: createMethod(method, {...settings, code: vae.code, contextSize: PIXELS}),
    optimizer: makeOptimizer(optimizer, learningRate),
    controlOptimizer:
      controlLearningRate === null ? undefined : tf.train.adam(controlLearningRate, controlBeta1(method), 0.999, 1e-8),
    variance: new GradientVariance(trainableVariables(vae.encoder)),
    state: {step: 0, sums: {value: 0, updates: 0}, history: [], seconds: 0, secondsBefore: 0},
  };
}

const VARIANCE = 'variance/';
const METHOD = 'method/';
const CONTROL = 'control/';

/** Writes everything that the run needs to go on. */
export async function saveRun(path: string, {design, settings, state, ...run}: Run): Promise<void> {
  const prefixed = (prefix: string, tensors: NamedTensor[]) =>
    tensors.map(({name, tensor}) => ({name: `${prefix}${name}`, tensor}));
  const ofMethod = run.method.variables.map((variable, i) => ({name: String(i), tensor: tf.clone(variable)}));
  const tensors = [
    ...(await learnerTensors({model: run.vae.model, optimizer: run.optimizer})),
    ...prefixed(VARIANCE, run.variance.tensors()),
    ...prefixed(METHOD, ofMethod),
    ...prefixed(CONTROL, run.controlOptimizer ? await optimizerTensors(run.controlOptimizer) : []),
  ];
  await saveCheckpoint<RunState>(path, {program: design.program, settings: {...settings}, state, tensors});
  tf.dispose(tensors.map(({tensor}) => tensor));
}

/** Takes a run up where the checkpoint was written. */
export async function resumeRun(
  design: Design,
  settings: Settings,
  {state, decodeTensors}: SavedCheckpoint<RunState>,
): Promise<Run> {
  const run = startRun(design, settings);
  const tensors = decodeTensors();
  const named = (prefix: string) =>
    tensors
      .filter(({name}) => name.startsWith(prefix))
      .map(({name, tensor}) => ({name: name.slice(prefix.length), tensor}));
  run.variance.restore(named(VARIANCE));
  named(METHOD).forEach(({tensor}, i) => {
    run.method.variables[i]!.assign(tensor);
  });
  if (run.controlOptimizer) await restoreOptimizer(run.controlOptimizer, named(CONTROL));
  await restoreLearner({model: run.vae.model, optimizer: run.optimizer}, tensors);
  return {...run, state};
}
