// The options of search-cell, and what a run's settings are made of them.
// SPDX-License-Identifier: Apache-2.0
import {type Command, Option} from 'commander';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import {SEARCH_DATASETS, type SearchDataset} from '../data/search-images.js';
import {estimatorOption} from '../shared/estimator-option.js';
import {addCommonOptions, type CommonOptions, compareOption, finiteNumber, wholeNumber} from '../shared/options.js';
import {CLIP, PRESETS, temperaturesFor, unsampledFor} from './presets.js';
import {PROGRAM, SETTINGS, type SettingName, type Settings, UNSAMPLED, type Unsampled} from './settings.js';

/** Options as the user types them. */
export interface Options extends CommonOptions {
  setting: SettingName;
  estimator: EstimatorName;
  temperature?: number;
  finalTemperature?: number;
  unsampled?: Unsampled;
  shrink?: number;
  channels?: number;
  cells?: number;
  epochs?: number;
  warmUp?: number;
  batchSize?: number;
  images?: number;
  weightRate?: number;
  choiceRate?: number;
  clip: number;
  dataset?: SearchDataset;
  dataDir?: string;
  compare?: string;
}

/** Where the results go if the user does not say, in words. */
const OUTPUT = `runs/${PROGRAM}/<setting>[-<dataset>]-<estimator>-t<temperature>-<unsampled>-seed<n>`;

/** Adds the options to a command. @param comparison The file that --compare draws. */
export function addOptions(command: Command, comparison: string): Command {
  const perSetting = (name: keyof (typeof PRESETS)['gdas']) =>
    `(default: ${SETTINGS.map(setting => `${PRESETS[setting][name] ?? 'all'} in ${setting}`).join(', ')})`;
  const positive = finiteNumber({above: 0});
  command
    .addOption(
      new Option('--setting <name>', 'which experiment: one for one core, or the published one')
        .choices(SETTINGS)
        .default('small'),
    )
    .addOption(estimatorOption('--estimator <name>', 'how the choice gets its gradient', 'reinmax'))
    .option(
      '--temperature <t>',
      'of the estimator, in the first epoch (default: 10 for gs, stgs, gr, else 1)',
      positive,
    )
    .option(
      '--final-temperature <t>',
      'in the last epoch, with a straight line between (default: that of the first; 0.1 where neither is named, for gs, stgs, gr)',
      positive,
    )
    .addOption(
      new Option(
        '--unsampled <as>',
        'what an operation that was not drawn counts as, in the gradient of the choice (default: computed in small and for gs, else ones)',
      ).choices(UNSAMPLED),
    )
    .option(
      '--shrink <n>',
      `side of the squares of pixels that become one, their mean ${perSetting('shrink')}`,
      wholeNumber(1),
    )
    .option('--channels <n>', `of the first stage ${perSetting('channels')}`, wholeNumber(1))
    .option('--cells <n>', `of each stage ${perSetting('cells')}`, wholeNumber(1))
    .option('--epochs <n>', `how often to go through each half ${perSetting('epochs')}`, wholeNumber(1))
    .option(
      '--warm-up <n>',
      `the first epochs, in which the weights alone learn ${perSetting('warmUp')}`,
      wholeNumber(0),
    )
    .option('--batch-size <n>', `images a step ${perSetting('batchSize')}`, wholeNumber(2))
    .option('--images <n>', `of each half; fewer where there are not so many ${perSetting('images')}`, wholeNumber(2))
    .option('--weight-rate <r>', `learning rate of the weights ${perSetting('weightRate')}`, positive)
    .option('--choice-rate <r>', `learning rate of the choices ${perSetting('choiceRate')}`, positive)
    .option('--clip <norm>', "greatest norm of the weights' gradient; 0 for any", finiteNumber({from: 0}), CLIP)
    .addOption(
      new Option('--dataset <name>', 'which images (default: the first that is there)').choices(SEARCH_DATASETS),
    )
    .option('--data-dir <folder>', 'a folder with the files of the images, or with subfolders for them and the table')
    .addOption(compareOption(comparison));
  return addCommonOptions(command, {output: OUTPUT});
}

/** What the options decide of a run's settings, before the data are there and the backend runs. */
export type Choice = Omit<
  Settings,
  'backend' | 'trainingKernels' | 'dataset' | 'data' | 'dataDir' | 'tableDir' | 'images'
> & {
  /** Null for the first that is there. */
  dataset: SearchDataset | null;
  /** Of each half: as many as the user asked for; null for those of the setting. */
  images: number | null;
};

/** The settings that the user chose, those of the preset elsewhere. @throws ValueError for those that do not go together. */
export function chooseSettings(options: Options): Choice {
  const {setting, estimator, clip, seed} = options;
  const preset = PRESETS[setting];
  const [first, last] = temperaturesFor(estimator);
  const temperature = options.temperature ?? first;
  const unsampled = options.unsampled ?? unsampledFor(estimator, setting);
  if (!ESTIMATORS[estimator].hard && unsampled !== 'computed') {
    throw new ValueError(
      `--unsampled: must be computed with ${estimator}, whose draw is a mixture of all operations, but got ${unsampled}.`,
    );
  }
  const epochs = options.epochs ?? preset.epochs;
  const warmUp = options.warmUp ?? Math.floor((epochs * preset.warmUp) / preset.epochs);
  if (warmUp >= epochs) {
    throw new ValueError(
      `--warm-up: must leave epochs for the choices, fewer than --epochs (=${epochs}), but got ${warmUp}.`,
    );
  }
  return {
    setting,
    estimator,
    temperature,
    finalTemperature: options.finalTemperature ?? (options.temperature === undefined ? last : temperature),
    unsampled,
    shrink: options.shrink ?? preset.shrink,
    channels: options.channels ?? preset.channels,
    cells: options.cells ?? preset.cells,
    epochs,
    warmUp,
    batchSize: options.batchSize ?? preset.batchSize,
    images: options.images ?? null,
    weightRate: options.weightRate ?? preset.weightRate,
    choiceRate: options.choiceRate ?? preset.choiceRate,
    clip,
    seed,
    dataset: options.dataset ?? null,
  };
}

/** The last part of the output folder. */
export function outputName({
  setting,
  dataset,
  estimator,
  temperature,
  finalTemperature,
  unsampled,
  seed,
}: Choice): string {
  return [
    setting,
    ...(dataset === null ? [] : [dataset]),
    estimator,
    temperature === finalTemperature ? `t${temperature}` : `t${temperature}-${finalTemperature}`,
    unsampled,
    `seed${seed}`,
  ].join('-');
}

/** The options under which a run was started. */
export function toOptions({backend, data: _, tableDir: __, ...settings}: Settings): Partial<Options> {
  const known = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
  return {...known, backend: backend as BackendName} as Partial<Options>;
}
