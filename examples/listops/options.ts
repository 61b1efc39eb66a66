// The options of listops, and what a run's settings are made of them.
// SPDX-License-Identifier: Apache-2.0
import {type Command, Option} from 'commander';
import type {EstimatorName} from 'tfjs-moe/estimators';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import {estimatorOption} from '../shared/estimator-option.js';
import {OPTIMIZERS} from '../shared/optimizer-state.js';
import {addCommonOptions, type CommonOptions, compareOption, finiteNumber, wholeNumber} from '../shared/options.js';
import {NUM_SAMPLES, presetFor} from './presets.js';
import {
  LEAVES,
  type Leaf,
  type ListOpsOptimizer,
  PROGRAM,
  SETTINGS,
  type SettingName,
  type Settings,
} from './settings.js';
import {TOKENIZATIONS, type TokenizationName} from './tokenize.js';

/** Options as the user types them. */
export interface Options extends CommonOptions {
  setting: SettingName;
  tokens: TokenizationName;
  maxLength?: number;
  estimator?: EstimatorName;
  temperature?: number;
  numSamples?: number;
  leaf: Leaf;
  embedding: number;
  units: number;
  dropout: number;
  optimizer?: ListOpsOptimizer;
  learningRate?: number;
  batchSize?: number;
  epochs?: number;
  minutes?: number;
  validations: number;
  dataDir?: string;
  limit?: number;
  compare?: string;
}

/** Where the results go if the user does not say, in words. */
const OUTPUT = `runs/${PROGRAM}/<setting>[-L<n>][-character]-<estimator>-t<temperature>[-k<samples>]-seed<n>`;

/** Adds the options to a command. @param comparison The file that --compare draws. */
export function addOptions(command: Command, comparison: string): Command {
  const estimators = estimatorOption('--estimator <name>', '', 'reinmax').default(undefined);
  estimators.description = 'how a merge gets its gradient (default: of the setting)';
  command
    .addOption(
      new Option('--setting <name>', 'the published experiment that the defaults are of')
        .choices(SETTINGS)
        .default('reinmax'),
    )
    .addOption(estimators)
    .option(
      '--temperature <t>',
      'temperature of the estimator (default: of setting and estimator)',
      finiteNumber({above: 0}),
    )
    .option('--num-samples <k>', `noise samples of gumbelRao (default: ${NUM_SAMPLES})`, wholeNumber(1))
    .addOption(
      new Option('--tokens <kind>', 'how an expression is cut').choices(Object.keys(TOKENIZATIONS)).default('token'),
    )
    .option('--max-length <n>', 'leave out longer expressions, in tokens (default: of the setting)', wholeNumber(1))
    .addOption(
      new Option('--leaf <kind>', 'a word as a leaf of the tree, with its left context or alone')
        .choices(LEAVES)
        .default('lstm'),
    )
    .option('--embedding <n>', "length of a token's vector", wholeNumber(1), 300)
    .option('--units <n>', 'width of the tree and of the classifier', wholeNumber(1), 300)
    .addOption(
      new Option('--dropout <share>', 'of the entries left out in training')
        .argParser(finiteNumber({from: 0}))
        .default(0.5),
    )
    .addOption(new Option('--optimizer <name>', '(default: of the setting)').choices([...OPTIMIZERS, 'sgd']))
    .option('--learning-rate <r>', 'at the start (default: of the setting)', finiteNumber({above: 0}))
    .option('--batch-size <n>', 'expressions a step (default: of the setting)', wholeNumber(1))
    .option('--epochs <n>', 'how often to go through the expressions (default: of the setting)', wholeNumber(1))
    .addOption(
      new Option('--minutes <m>', 'how long to train, instead of epochs; the figures then depend on the speed')
        .argParser(finiteNumber({above: 0}))
        .conflicts('epochs'),
    )
    .option('--validations <n>', 'how often to validate in an epoch', wholeNumber(1), 2)
    .option('--data-dir <folder>', 'a folder with the files of the expressions')
    .option('--limit <n>', 'use only this many training expressions', wholeNumber(1))
    .addOption(compareOption(comparison));
  return addCommonOptions(command, {output: OUTPUT});
}

/** What the options decide of a run's settings, before the data are there and the backend runs. */
export type Choice = Omit<Settings, 'backend' | 'trainingKernels' | 'data' | 'dataDir'>;

/** The settings that the user chose, those of the preset elsewhere. @throws ValueError for those that do not go together. */
export function chooseSettings(options: Options): Choice {
  const {setting, tokens, leaf, embedding, units, dropout, minutes, validations, seed} = options;
  if (dropout >= 1) throw new ValueError(`--dropout: must be below 1, but got ${dropout}.`);
  const preset = presetFor(setting, options);
  const {estimator} = preset;
  if (options.numSamples !== undefined && estimator !== 'gumbelRao') {
    throw new ValueError(`--num-samples: ${estimator} has none, but got ${options.numSamples}; it is for gumbelRao.`);
  }
  return {
    setting,
    tokens,
    maxLength: preset.maxLength,
    estimator,
    temperature: options.temperature ?? preset.temperature,
    numSamples: estimator === 'gumbelRao' ? (options.numSamples ?? NUM_SAMPLES) : null,
    leaf,
    embedding,
    units,
    dropout,
    optimizer: options.optimizer ?? preset.optimizer,
    learningRate: options.learningRate ?? preset.learningRate,
    batchSize: options.batchSize ?? preset.batchSize,
    epochs: minutes === undefined ? (options.epochs ?? preset.epochs) : null,
    minutes: minutes ?? null,
    validations,
    seed,
    limit: options.limit ?? null,
  };
}

/** The last part of the output folder. */
export function outputName({setting, tokens, maxLength, estimator, temperature, numSamples, seed}: Choice): string {
  return [
    setting,
    ...(maxLength === null ? [] : [`L${maxLength}`]),
    ...(tokens === 'token' ? [] : [tokens]),
    estimator,
    `t${temperature}`,
    ...(numSamples === null ? [] : [`k${numSamples}`]),
    `seed${seed}`,
  ].join('-');
}

/** The options under which a run was started. */
export function toOptions({backend, data: _, ...settings}: Settings): Partial<Options> {
  const known = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
  return {...known, backend: backend as BackendName} as Partial<Options>;
}
