// From the options to a run that is ready, new or taken up from a checkpoint; and to a saved model that is measured.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import * as tfl from '@tensorflow/tfjs-layers';
import type {Command} from 'commander';
import {fileSystem} from 'tfjs-moe/node';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import {givenOptions} from '../shared/options.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {type ListOpsData, loadData} from './inputs.js';
import {type Measurement, measure} from './measure.js';
import {countWeights, createModel, withParts} from './model.js';
import {chooseSettings, type Options, toOptions} from './options.js';
import {BEST_MODEL, CHECKPOINTS, describeMethod, printMeasurements} from './report.js';
import {type Run, type RunState, resumeRun, startRun} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {batchesPerEpoch} from './training.js';

/** Loads the expressions, starts the backend and builds the network, or takes all of them up from a checkpoint. */
export async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<{run: Run; data: ListOpsData}> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...givenOptions(command)} : options;
  if (saved && givenOptions(command).epochs !== undefined) delete chosen.minutes;
  const choice = chooseSettings(chosen);
  const data = await loadData(choice, {dataDir: chosen.dataDir, environment: !saved});
  console.log(data.source);
  const backend = await startBackend(chosen);
  const settings: Settings = {
    ...choice,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: data.source,
    dataDir: data.folder ?? null,
  };
  if (saved) {
    const {epoch, batch} = checkpoint!.state;
    checkGoesOn(saved, settings, {name: 'epochs', done: epoch + batch / batchesPerEpoch(settings, data)});
  }
  const network = createModel(settings, data.vocabulary);
  const run = checkpoint ? await resumeRun(settings, network, checkpoint) : startRun(settings, network);
  console.log(describeRun(run, data));
  return {run, data};
}

function describeRun({settings, network, state}: Run, data: ListOpsData): string {
  const {optimizer, learningRate, batchSize, epochs, minutes, backend} = settings;
  const steps = batchesPerEpoch(settings, data).toLocaleString('en-US');
  const length =
    epochs === null ? `${minutes} minutes, an epoch being ${steps} steps` : `${epochs} epochs of ${steps} steps`;
  return (
    `${describeMethod(settings)}, ${optimizer} ${learningRate}, ${countWeights(network).toLocaleString('en-US')} weights, ` +
    `on ${backend}; ${length} of ${batchSize}${state.step === 0 ? '' : `, from step ${state.step}`}`
  );
}

/** Measures the model of a finished run on held-out expressions: its last weights, and those of its best validation. */
export async function evaluateSaved(folder: string, options: Options, command: Command): Promise<void> {
  // The run says which expressions it had; a folder with a model alone is measured on those that the options name.
  const saved = await savedSettings<Settings>(folder, PROGRAM);
  const given = givenOptions(command) as Partial<Options>;
  const settings = saved ?? chooseSettings(options);
  const data = await loadData(
    {...settings, maxLength: given.maxLength ?? settings.maxLength, limit: null},
    {dataDir: given.dataDir ?? saved?.dataDir ?? undefined, environment: !saved},
  );
  console.log(data.source);
  await startBackend(options);
  const models: Record<string, tfl.LayersModel> = {[CHECKPOINTS.last]: await loadRunModel(folder)};
  const best = join(folder, BEST_MODEL);
  if (existsSync(best)) models[CHECKPOINTS.best] = await tfl.loadLayersModel(fileSystem(best));
  const measurements: Record<string, Measurement> = {};
  for (const [title, model] of Object.entries(models)) {
    measurements[title] = (await measure(withParts(model), data.test, settings)).measurement;
  }
  printMeasurements(measurements);
}
