// From the options to a run that is ready, new or taken up from a checkpoint.
// SPDX-License-Identifier: Apache-2.0
import type {Command} from 'commander';
import {ValueError} from 'tfjs-moe/node';
import {checkLimit} from '../data/image-files.js';
import {type Images, loadImages} from '../data/images.js';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import {givenOptions} from '../shared/options.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {describeEvaluation, evaluate} from './evaluate.js';
import {checkNumSamples, evaluationsOf, isScore, titleOf} from './methods.js';
import {vaeOf} from './model.js';
import {type Options, type OptionsOf, resolveAlias, toOptions} from './options.js';
import type {VaeProgram} from './program.js';
import {type Run, type RunState, resumeRun, startRun} from './run-state.js';
import type {Settings} from './settings.js';
import {updatesPerEpoch} from './training.js';

/** A run with what it works on. */
export interface Prepared {
  run: Run;
  data: Images;
  /** Above its chart. */
  title: string;
}

/** Loads the images, starts the backend and builds the network, or takes all of them up from a checkpoint. */
export async function prepare<Own extends object>(
  program: VaeProgram<Own>,
  options: OptionsOf<Own>,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<Prepared> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as (Settings & Own) | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: OptionsOf<Own> = saved ? {...options, ...toOptions<Own>(saved), ...given} : options;
  const choice = chooseMethod(program, chosen);
  const own = program.ownSettings(chosen, choice.method);
  const data = await loadImages({...chosen, environment: !saved, report: line => console.log(line)});
  console.log(data.source);
  if (options.boundImages !== undefined)
    checkLimit('--bound-images', options.boundImages, data.test.count, 'those held out');
  const backend = await startBackend(chosen);
  const settings: Settings & Own = {
    dataset: chosen.dataset,
    ...own,
    ...choice,
    updates: chosen.updates,
    batchSize: chosen.batchSize,
    reportEvery: chosen.reportEvery,
    seed: chosen.seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: data.source,
    dataDir: data.folder ?? null,
    download: chosen.download ?? false,
    limit: chosen.limit ?? null,
  };
  if (saved) checkGoesOn(saved, settings, {name: 'updates', done: checkpoint!.state.step});
  const perEpoch = updatesPerEpoch(settings, data);
  if (perEpoch === 0) {
    throw new ValueError(
      `--batch-size: must be at most ${data.train.count}, the training images, but got ${settings.batchSize}.`,
    );
  }
  const design = program.design(settings);
  const run = checkpoint ? await resumeRun(design, settings, checkpoint) : startRun(design, settings);
  const temperature = settings.temperature === null ? '' : ` at temperature ${settings.temperature}`;
  const evaluations = evaluationsOf(settings.method, settings.numSamples);
  const from = checkpoint ? `, from update ${run.state.step}` : '';
  console.log(
    `${titleOf(settings)}${temperature}, ${evaluations} evaluations of the bound an update, ${settings.optimizer} ${settings.learningRate}, ` +
      `${run.vae.model.countParams().toLocaleString('en-US')} weights, on ${backend}; ` +
      `${settings.updates.toLocaleString('en-US')} updates, ${perEpoch} of them through all images${from}`,
  );
  return {run, data, title: `${program.name}: ${program.panelOf(settings)}, ${program.labelOf(settings)}`};
}

/** The method and its settings. @throws ValueError for those that do not go together. */
function chooseMethod<Own extends object>(
  program: VaeProgram<Own>,
  chosen: Options,
): Pick<Settings, 'method' | 'numSamples' | 'temperature' | 'optimizer' | 'learningRate' | 'controlLearningRate'> {
  const method = resolveAlias(chosen.method);
  const numSamples = chosen.numSamples ?? program.defaultNumSamples(method);
  checkNumSamples(method, numSamples);
  const preset = program.presetFor(method, chosen.dataset, numSamples);
  if (chosen.temperature !== undefined && isScore(method)) {
    throw new ValueError(`--temperature: ${method} has none, but got ${chosen.temperature}.`);
  }
  if (chosen.controlLearningRate !== undefined && preset.controlLearningRate === null) {
    throw new ValueError(`--control-learning-rate: ${method} learns nothing, but got ${chosen.controlLearningRate}.`);
  }
  return {
    method,
    numSamples,
    temperature: chosen.temperature ?? preset.temperature,
    optimizer: chosen.optimizer ?? preset.optimizer,
    learningRate: chosen.learningRate ?? preset.learningRate,
    controlLearningRate: chosen.controlLearningRate ?? preset.controlLearningRate,
  };
}

/** Measures the model of a finished run on the images that it was not trained on. */
export async function evaluateSaved<Own extends object>(
  program: VaeProgram<Own>,
  folder: string,
  options: OptionsOf<Own>,
  command: Command,
): Promise<void> {
  // The run says which images and which code it had; a folder with a model alone has those that the options name.
  const saved = await savedSettings<Settings & Own>(folder, program.name);
  const given = givenOptions(command) as Partial<Options>;
  const hasOwnImages = saved && given.dataDir === undefined && !given.download;
  const chosen: Options = hasOwnImages ? {...options, ...toOptions<Own>(saved)} : options;
  const {dataset, dataDir, download} = {...chosen, dataset: given.dataset ?? chosen.dataset};
  const data = await loadImages({dataset, dataDir, download, environment: !saved, report: line => console.log(line)});
  console.log(data.source);
  if (options.boundImages !== undefined)
    checkLimit('--bound-images', options.boundImages, data.test.count, 'those held out');
  await startBackend(options);
  const {isBinary, test} = data;
  const {boundSamples: numSamples, boundImages: count} = options;
  const design = program.design(saved ?? program.ownSettings(options, resolveAlias(options.method)));
  const vae = vaeOf(await loadRunModel(folder), design);
  console.log(describeEvaluation(await evaluate(vae, test, {isBinary, numSamples, count})));
}
