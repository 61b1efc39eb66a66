// The program mnist-vae: trains a discrete VAE on handwritten digits, by any estimator, as in Table 2 of the ReinMax paper.
// SPDX-License-Identifier: Apache-2.0
import {Command, InvalidArgumentError, Option} from 'commander';
import type {EstimatorName} from 'tfjs-moe/estimators';
import {DiscreteVAE} from 'tfjs-moe/layers';
import type {BackendName} from 'tfjs-moe/node';
import type {Mnist} from '../data/mnist.js';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import {
  addDigitOptions,
  type DigitOptions,
  loadDigits,
  loadDigitsOf,
  toDigitOptions,
  toDigitSettings,
  WHERE_DIGITS,
} from '../shared/digits.js';
import {estimatorOption} from '../shared/estimator-option.js';
import {COMPARISON} from '../shared/finished-runs.js';
import {OPTIMIZERS, type OptimizerName} from '../shared/optimizer-state.js';
import {
  addCommonOptions,
  type CommonOptions,
  finiteNumber,
  givenOptions,
  wholeNumber,
  withOutput,
} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {runTraining} from '../shared/training-program.js';
import {compare} from './compare.js';
import {describeEvaluation, evaluate} from './evaluate.js';
import {createModel} from './model.js';
import {PICTURES} from './pictures.js';
import {OTHER_SIZES, presetFor, SIZES} from './presets.js';
import {isComplete, RESULTS, report, trainInto} from './run.js';
import {PROGRAM, type Settings} from './settings.js';
import {TEMPERATURES} from './temperatures.js';
import {type Run, type RunState, resumeRun, startRun, stepsPerEpoch} from './training.js';

interface Options extends CommonOptions, DigitOptions {
  size: string;
  estimator: EstimatorName;
  temperature?: number;
  numSamples: number;
  optimizer?: OptimizerName;
  learningRate?: number;
  epochs: number;
  batchSize: number;
  compare?: string;
}

const EXAMPLES = `
For the sizes of the paper, ${SIZES.join(', ')}, the optimizer, the learning rate and the temperature
are those that the paper tuned for the estimator, unless you name your own.

${WHERE_DIGITS}

Examples:
  tfjs-moe train ${PROGRAM} --epochs 20
  tfjs-moe train ${PROGRAM} --size 10x30 --estimator gst --output runs/${PROGRAM}/gst
  tfjs-moe train ${PROGRAM} --estimator gumbelRao --num-samples 10 --temperature 0.5
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --resume --epochs 320
  tfjs-moe train ${PROGRAM} --compare runs/${PROGRAM}
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}/8x4-reinmax-seed0

Ctrl-C saves the run and stops it; --resume goes on to the same numbers, and with more --epochs beyond the end of a finished run. Each
finished run adds a line to ${RESULTS}, beside its folder.`;

/** The command with its options. */
export function createCommand(): Command {
  const files = [...Object.values(RUN_FILES), ...Object.values(PICTURES)];
  const command = new Command(PROGRAM)
    .description(
      'Trains a variational autoencoder whose code is a few categorical variables on gray handwritten digits. An estimator ' +
        `gives the draws of the code their gradient. Leaves in the output folder: ${files.join(', ')}.`,
    )
    .option('--size <categories>x<latents>', 'of the code', parseSizeOption, '8x4')
    .addOption(estimatorOption('--estimator <name>', 'how the draws get their gradient', 'reinmax'))
    .option(
      '--temperature <t>',
      'temperature of the estimator (default: of the size and estimator)',
      finiteNumber({above: 0}),
    )
    .option('--num-samples <k>', 'noise samples of gumbelRao', wholeNumber(1), 100)
    .addOption(new Option('--optimizer <name>', '(default: of the size and estimator)').choices(OPTIMIZERS))
    .option('--learning-rate <r>', '(default: of the size and estimator)', finiteNumber({above: 0}))
    .option('--epochs <n>', 'how often to go through the digits', wholeNumber(1), 160)
    .option('--batch-size <n>', 'digits a step', wholeNumber(1), 100);
  command.addOption(
    new Option(
      '--compare <folder>',
      `chart all finished runs below a folder, into ${COMPARISON} there, and into ${TEMPERATURES} if a method has several temperatures`,
    ).conflicts(['resume', 'overwrite', 'evaluate']),
  );
  return addCommonOptions(addDigitOptions(command), {output: `runs/${PROGRAM}/<size>-<estimator>-seed<n>`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.compare !== undefined) await compare(options.compare);
      else if (options.evaluate !== undefined) await evaluateSaved(options.evaluate, options);
      else
        await trainAndReport(
          withOutput(options, command, () => runName(options)),
          command,
        );
    });
}

function parseSizeOption(text: string): string {
  if (!/^[1-9]\d*x[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError('It must be two whole numbers with an x between, such as 8x4.');
  }
  return text;
}

function runName({size, estimator, temperature, seed}: Options): string {
  return [size, estimator, ...(temperature === undefined ? [] : [`t${temperature}`]), `seed${seed}`].join('-');
}

async function trainAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    extend: givenOptions(command).epochs !== undefined,
    async prepare(checkpoint) {
      const {run, data} = await prepare(options, command, checkpoint);
      return {
        step: () => run.state.step,
        isComplete: () => isComplete(run, data),
        train: interrupt => trainInto(output, run, data, interrupt),
        report: () => report(output, run, data),
      };
    },
  });
}

/** Loads the digits, starts the backend and builds the network, or takes all of them up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<{run: Run; data: Mnist}> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  const data = await loadDigits(chosen, !saved);
  const backend = await startBackend(chosen);
  const {estimator} = chosen;
  const preset = presetFor(estimator, chosen.size) ?? OTHER_SIZES;
  const settings: Settings = {
    size: chosen.size,
    estimator,
    temperature: chosen.temperature ?? preset.temperature,
    numSamples: estimator === 'gumbelRao' ? chosen.numSamples : null,
    optimizer: chosen.optimizer ?? preset.optimizer,
    learningRate: chosen.learningRate ?? preset.learningRate,
    epochs: chosen.epochs,
    batchSize: chosen.batchSize,
    seed: chosen.seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    ...toDigitSettings(data, chosen),
  };
  if (saved)
    checkGoesOn(saved, settings, {name: 'epochs', done: checkpoint!.state.step / stepsPerEpoch(settings, data)});
  const vae = createModel(settings);
  const run = checkpoint ? await resumeRun(settings, vae, checkpoint) : startRun(settings, vae);
  const from = checkpoint ? `, from step ${run.state.step}` : '';
  console.log(
    `${settings.size}, ${settings.estimator} at temperature ${settings.temperature}, ${settings.optimizer} ${settings.learningRate}, ` +
      `${vae.model.countParams().toLocaleString('en-US')} weights, on ${backend}; ` +
      `${settings.epochs} epochs of ${stepsPerEpoch(settings, data)} steps${from}`,
  );
  return {run, data};
}

/** The options under which a run was started. */
function toOptions({backend, dataDir, download, limit, numSamples, data, ...same}: Settings): Partial<Options> {
  return {
    ...same,
    backend: backend as BackendName,
    ...(numSamples !== null && {numSamples}),
    ...toDigitOptions({data, dataDir, download, limit}),
  };
}

/** Measures the model of a finished run on the digits that it was not trained on. */
async function evaluateSaved(folder: string, options: Options): Promise<void> {
  const data = await loadDigitsOf(await savedSettings<Settings>(folder, PROGRAM), options);
  await startBackend(options);
  const vae = new DiscreteVAE(await loadRunModel(folder));
  console.log(describeEvaluation(await evaluate(vae, data.test)));
}
