// The options that every program with a sampled code has.
// SPDX-License-Identifier: Apache-2.0
import {type Command, Option} from 'commander';
import type {BackendName} from 'tfjs-moe/node';
import {IMAGE_DATASETS, type ImageDataset} from '../data/image-datasets.js';
import {OPTIMIZERS, type OptimizerName} from '../shared/optimizer-state.js';
import {addCommonOptions, type CommonOptions, compareOption, finiteNumber, wholeNumber} from '../shared/options.js';
import {METHOD_ALIASES, METHOD_NAMES, type MethodName} from './methods.js';
import type {BoundOptions} from './report.js';
import type {Settings} from './settings.js';

/** Options as the user types them. */
export interface Options extends CommonOptions, BoundOptions {
  dataset: ImageDataset;
  method: string;
  numSamples?: number;
  temperature?: number;
  optimizer?: OptimizerName;
  learningRate?: number;
  controlLearningRate?: number;
  updates: number;
  batchSize: number;
  reportEvery: number;
  dataDir?: string;
  download?: true;
  limit?: number;
  compare?: string;
}

/** With those of a program's own, which have the names of its settings. */
export type OptionsOf<Own extends object> = Options & Partial<Own>;

/** Where a program's options stand if the user says nothing. */
export interface OptionDefaults {
  dataset: ImageDataset;
  method: MethodName;
  updates: number;
  batchSize: number;
  output: string;
}

/** Adds the options to a command. @param comparison The file that --compare draws. */
export function addOptions(command: Command, defaults: OptionDefaults, comparison: string): Command {
  command
    .addOption(new Option('--dataset <name>', 'images').choices(Object.keys(IMAGE_DATASETS)).default(defaults.dataset))
    .addOption(
      new Option('--method <name>', 'the estimator')
        .choices([...METHOD_NAMES, ...Object.keys(METHOD_ALIASES)])
        .default(defaults.method),
    )
    .option('--num-samples <k>', 'hard draws of the code of each image (default: of the method)', wholeNumber(1))
    .option('--temperature <t>', 'of a pathwise estimator (default: of the method)', finiteNumber({above: 0}))
    .addOption(new Option('--optimizer <name>', '(default: of the method)').choices(OPTIMIZERS))
    .option('--learning-rate <r>', '(default: of method and data set)', finiteNumber({above: 0}))
    .option(
      '--control-learning-rate <r>',
      'of what doubleCV, rodeo and relax learn to lower their variance (default: of the method)',
      finiteNumber({above: 0}),
    )
    .option('--updates <n>', 'how often to change the weights', wholeNumber(1), defaults.updates)
    .option('--batch-size <n>', 'images an update', wholeNumber(1), defaults.batchSize)
    .option('--report-every <n>', 'updates a line of the history', wholeNumber(1), 1000)
    .option('--bound-samples <n>', 'draws for the bound on held-out images', wholeNumber(1), 100)
    .option('--bound-images <n>', 'measure it on so many of them, evenly apart (default: all)', wholeNumber(1))
    .addOption(new Option('--data-dir <folder>', "a folder with the data set's files").conflicts('download'))
    .option('--download', 'fetch the files')
    .option('--limit <n>', 'use only this many training images', wholeNumber(1))
    .addOption(compareOption(comparison));
  return addCommonOptions(command, {output: defaults.output});
}

/** The options under which a run was started. */
export function toOptions<Own extends object>(settings: Settings & Own): Partial<OptionsOf<Own>> {
  const {backend, download, data: _, ...others} = settings;
  const known = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null));
  const named: Partial<Options> = {backend: backend as BackendName, ...(download && {download})};
  return {...known, ...named} as Partial<OptionsOf<Own>>;
}

/** The method of a name or a short name. */
export function resolveAlias(name: string): MethodName {
  return METHOD_ALIASES[name] ?? (name as MethodName);
}
