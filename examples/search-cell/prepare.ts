// From the options to a run that is ready, new or taken up from a checkpoint; and to a saved model that is measured.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {Command} from 'commander';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import {givenOptions} from '../shared/options.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {loadData, type SearchData} from './data.js';
import {describeEvaluation, evaluateModel} from './evaluate.js';
import {chooseSettings, type Options, toOptions} from './options.js';
import {describeMethod} from './report.js';
import {type Run, type RunState, resumeRun, startRun} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {weightVariables} from './steps.js';
import {batchesPerEpoch} from './training.js';

/** Loads the images, starts the backend and builds the network, or takes all of them up from a checkpoint. */
export async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<{run: Run; data: SearchData}> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...givenOptions(command)} : options;
  const {images, dataset, ...choice} = chooseSettings(chosen);
  const data = await loadData({
    ...{setting: choice.setting, shrink: choice.shrink, images, dataDir: chosen.dataDir, environment: !saved},
    ...(dataset !== null && {dataset}),
    tableDir: saved?.tableDir ?? undefined,
  });
  const backend = await startBackend(chosen);
  const settings: Settings = {
    ...choice,
    images: data.halves.weights.length,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    dataset: data.dataset,
    data: data.source,
    dataDir: data.folder ?? null,
    tableDir: data.table?.folder ?? null,
  };
  if (saved) {
    const isSteady = settings.temperature === settings.finalTemperature;
    const schedule = `the learning rate of its weights falls${isSteady ? '' : ' and its temperature moves'}`;
    checkGoesOn(saved, settings, {name: 'epochs', done: checkpoint!.state.epoch, schedule});
  }
  const run = checkpoint ? await resumeRun(settings, data, checkpoint) : startRun(settings, data);
  console.log(describeRun(run));
  return {run, data};
}

function describeRun({settings, network, state}: Run): string {
  const {channels, cells, epochs, images, batchSize, weightRate, choiceRate, backend} = settings;
  const weights = weightVariables(network).reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape), 0);
  const number = (value: number) => value.toLocaleString('en-US');
  return (
    `${describeMethod(settings)}; C = ${channels}, N = ${cells}, ${number(weights)} weights, on ${backend}; ${epochs} epochs of ` +
    `${number(batchesPerEpoch(settings))} pairs of steps, halves of ${number(images)} images, batches of ${batchSize}, ` +
    `rates ${weightRate} and ${choiceRate}${state.step === 0 ? '' : `, from step ${state.step}`}`
  );
}

/** Measures the plain model of a finished run on held-out images. */
export async function evaluateSaved(folder: string, options: Options, command: Command): Promise<void> {
  // The run says which images it had; a folder with a model alone is measured on those that the options name.
  const saved = await savedSettings<Settings>(folder, PROGRAM);
  const given = givenOptions(command) as Partial<Options>;
  const dataset = given.dataset ?? saved?.dataset;
  const data = await loadData({
    ...{setting: options.setting, shrink: given.shrink ?? saved?.shrink, images: null, environment: !saved},
    ...(dataset !== undefined && {dataset}),
    dataDir: given.dataDir ?? saved?.dataDir ?? undefined,
    tableDir: saved?.tableDir ?? undefined,
  });
  await startBackend(options);
  console.log(describeEvaluation(await evaluateModel(await loadRunModel(folder), data)));
}
