// The program gradient-quality: how near the estimators' gradients are to the exact one, at the code of a VAE of digits that learns.
// The protocol is that of the cosine figure of Liu et al. 2023, https://arxiv.org/abs/2304.08612.
// SPDX-License-Identifier: Apache-2.0
import {Command} from 'commander';
import type {EstimatorName} from 'tfjs-moe/estimators';
import {DiscreteVAE} from 'tfjs-moe/layers';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import type {Mnist} from '../data/mnist.js';
import {createModel} from '../mnist-vae/model.js';
import {OTHER_SIZES, presetFor} from '../mnist-vae/presets.js';
import {parseSize} from '../mnist-vae/settings.js';
import {type Run, resumeRun, startRun, stepsPerEpoch, totalSteps} from '../mnist-vae/training.js';
import {startBackend} from '../shared/backend.js';
import {checkSameSettings, type SavedCheckpoint} from '../shared/checkpoint.js';
import {
  addDigitOptions,
  type DigitOptions,
  loadDigits,
  toDigitOptions,
  toDigitSettings,
  WHERE_DIGITS,
} from '../shared/digits.js';
import {listOf} from '../shared/list-option.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {loadRunModel} from '../shared/saved-run.js';
import {runTraining} from '../shared/training-program.js';
import {checkSize} from './codes.js';
import type {RunState} from './records.js';
import {describeMeasurement, LEGEND, report} from './report.js';
import {DEFAULT_VARIANTS, PROGRAM, readEstimator, readVariant, type Settings, type Variant} from './settings.js';
import {measureAt, trainAndMeasure} from './training.js';

interface Options extends CommonOptions, DigitOptions {
  size: string;
  trainEstimator: EstimatorName;
  trainTemperature?: number;
  learningRate?: number;
  batchSize: number;
  points: number[];
  estimators: Variant[];
  images: number;
  draws: number;
}

const EXAMPLES = `
The network is that of mnist-vae, 8 categories x 4 variables, so that all 4,096 codes can be decoded: the gradient of the expected
reconstruction loss at the encoder's logits is then an exact sum. Each estimator's draws are compared with it, digit by digit.

${WHERE_DIGITS}

Examples:
  tfjs-moe train ${PROGRAM} --points 0,1,2,5
  tfjs-moe train ${PROGRAM} --estimators reinmax:1,reinmax:1.3,gr:0.1,leaveOneOut --points 0,1 --output runs/few
  tfjs-moe train ${PROGRAM} --train-estimator stgs --output runs/trained-by-stgs
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/mnist-vae/8x4-reinmax-seed0

Ctrl-C saves the run and stops it; --resume goes on to the same numbers. --evaluate measures at the code of a network that this program or
mnist-vae has trained.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM)
    .description(
      'Trains a discrete VAE on handwritten digits and compares, before, while and after it learns, the gradients of the estimators at its ' +
        `code with the exact one: bias, deviation and cosine. Leaves in the output folder: ${Object.values(RUN_FILES).join(', ')}.`,
    )
    .option('--size <categories>x<latents>', 'of the code', '8x4')
    .option(
      '--estimators <list>',
      'what is measured, as name:temperature',
      listOf(readVariant),
      listOf(readVariant)(DEFAULT_VARIANTS),
    )
    .option(
      '--points <list>',
      'after how many epochs to measure; the highest ends the training',
      listOf(wholeNumber(0)),
      [0, 1, 2, 5, 10, 20],
    )
    .option('--images <n>', 'how many training digits to measure on', wholeNumber(2), 100)
    .option('--draws <n>', 'gradients of each estimator for each digit', wholeNumber(2), 1024)
    .option('--train-estimator <name>', 'by which the network learns', readEstimator, 'reinmax')
    .option('--train-temperature <t>', 'of that estimator (default: as mnist-vae)', finiteNumber({above: 0}))
    .option('--learning-rate <r>', '(default: as mnist-vae)', finiteNumber({above: 0}))
    .option('--batch-size <n>', 'digits a step of the training', wholeNumber(1), 100);
  return addCommonOptions(addDigitOptions(command), {output: `runs/${PROGRAM}`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.evaluate !== undefined) await evaluateSaved(options.evaluate, options);
      else await trainAndReport(options, command);
    });
}

async function trainAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    async prepare(checkpoint) {
      const {settings, run, state, data} = await prepare(options, command, checkpoint);
      const total = totalSteps(settings, data);
      return {
        step: () => state.step,
        isComplete: () => state.step === total && state.records.length === settings.points.length,
        train: interrupt => trainAndMeasure(output, settings, run, state, data, interrupt),
        report: () => report(output, settings, run, state),
      };
    },
  });
}

interface Prepared {
  settings: Settings;
  run: Run;
  /** The run's own, with the measurements. */
  state: RunState;
  data: Mnist;
}

/** Loads the digits, starts the backend and builds the network, or takes all of them up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<Prepared> {
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  checkSize(parseSize(checkedSize(chosen.size)));
  const data = await loadDigits(chosen, !saved);
  if (chosen.images > data.train.count) {
    throw new ValueError(`--images: there are ${data.train.count} training digits, but got ${chosen.images}.`);
  }
  const backend = await startBackend(chosen);
  const settings = resolveSettings(chosen, data, backend);
  if (saved) checkSameSettings({...saved}, {...settings});
  const vae = createModel(settings);
  const run = checkpoint ? await resumeRun(settings, vae, checkpoint) : startRun(settings, vae);
  const state: RunState = Object.assign(run.state, {records: checkpoint?.state.records ?? []});
  console.log(
    `${settings.size}, learning by ${settings.estimator} at temperature ${settings.temperature}, on ${backend}; ` +
      `${settings.epochs} epochs of ${stepsPerEpoch(settings, data)} steps, ${settings.variants.length} estimators on ` +
      `${settings.images} digits after epochs ${settings.points.join(', ')}${checkpoint ? `, from step ${state.step}` : ''}`,
  );
  return {settings, run, state, data};
}

function checkedSize(size: string): string {
  if (/^[1-9]\d*x[1-9]\d*$/.test(size)) return size;
  throw new ValueError(`--size: it must be two whole numbers with an x between, such as 8x4, but got ${size}.`);
}

function resolveSettings(chosen: Options, data: Mnist, backend: string): Settings {
  const estimator = chosen.trainEstimator;
  const preset = presetFor(estimator, chosen.size) ?? OTHER_SIZES;
  const points = [...chosen.points].sort((a, b) => a - b);
  return {
    variants: chosen.estimators,
    points,
    images: chosen.images,
    draws: chosen.draws,
    size: chosen.size,
    estimator,
    temperature: chosen.trainTemperature ?? preset.temperature,
    numSamples: estimator === 'gumbelRao' ? 100 : null,
    optimizer: preset.optimizer,
    learningRate: chosen.learningRate ?? preset.learningRate,
    epochs: points.at(-1)!,
    batchSize: chosen.batchSize,
    seed: chosen.seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    ...toDigitSettings(data, chosen),
  };
}

/** The options under which a run was started. */
function toOptions(settings: Settings): Partial<Options> {
  const {variants, points, images, draws, size, learningRate, batchSize, seed, trainingKernels} = settings;
  return {
    ...{points, images, draws, size, learningRate, batchSize, seed, trainingKernels},
    estimators: variants,
    trainEstimator: settings.estimator,
    trainTemperature: settings.temperature,
    backend: settings.backend as BackendName,
    ...toDigitOptions(settings),
  };
}

/** Measures at the code of a network that was trained before. */
async function evaluateSaved(folder: string, options: Options): Promise<void> {
  const data = await loadDigits(options, true);
  await startBackend(options);
  const vae = new DiscreteVAE(await loadRunModel(folder));
  checkSize(vae.latent);
  const found = await measureAt(vae, data, {...options, variants: options.estimators}, options.seed, 0);
  console.log(`${describeMeasurement(found)}\n\n${LEGEND}`);
}
