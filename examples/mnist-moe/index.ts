// The program mnist-moe: trains a residual Mixture-of-Experts to read handwritten digits.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command} from 'commander';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import 'tfjs-moe/layers'; // registers the layers, so that a saved model can be loaded
import {type BackendName, fileSystem} from 'tfjs-moe/node';
import type {Mnist} from '../data/mnist.js';
import {startBackend} from '../shared/backend.js';
import {saveChart} from '../shared/charts.js';
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
import type {Interrupt} from '../shared/interrupt.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {runTraining, saveResult, secondsHere} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {describeAccuracy, describeExperts, evaluate} from './evaluate.js';
import {createModel, withParts} from './model.js';
import {defaultEpochs, PROGRAM, type Settings} from './settings.js';
import {type Run, type RunState, resumeRun, saveRun, startRun, stepsPerEpoch, train} from './training.js';

interface Options extends CommonOptions, DigitOptions {
  estimator: EstimatorName;
  temperature: number;
  experts: number;
  balanceWeight: number;
  hiddenUnits: number;
  epochs?: number;
  batchSize: number;
  learningRate: number;
}

const EXAMPLES = `
${WHERE_DIGITS}

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --estimator gumbelRao --experts 16 --output runs/gumbel-rao
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}

Ctrl-C saves the run and stops it; --resume goes on to the same numbers.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM)
    .description(
      'Trains 784 -> dense -> a residual Mixture-of-Experts -> 10 to read handwritten digits. The router sends each digit to ' +
        'one expert, and an estimator gives that choice its gradient. Prints which expert takes which digit, and leaves ' +
        `in the output folder: ${Object.values(RUN_FILES).join(', ')}.`,
    )
    .addOption(estimatorOption('--estimator <name>', 'how the choice gets its gradient', 'reinmax'))
    .option('--temperature <t>', 'temperature of the estimator', finiteNumber({above: 0}), 1)
    .option('--experts <n>', 'how many experts', wholeNumber(1), 8)
    .option('--balance-weight <w>', 'weight of the load balancing loss', finiteNumber({from: 0}), 0.1)
    .option('--hidden-units <n>', 'width of the network', wholeNumber(1), 256)
    .option(
      '--epochs <n>',
      'how often to go through the digits (default: by their number; 20 for 8,000)',
      wholeNumber(1),
    )
    .option('--batch-size <n>', 'digits a step', wholeNumber(1), 100)
    .option('--learning-rate <r>', "Adam's rate at the start; it falls to 0", finiteNumber({above: 0}), 0.002);
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
  const settings: Settings = {
    estimator: chosen.estimator,
    temperature: chosen.temperature,
    experts: chosen.experts,
    balanceWeight: chosen.balanceWeight,
    hiddenUnits: chosen.hiddenUnits,
    epochs: chosen.epochs ?? defaultEpochs(data.train.count),
    batchSize: chosen.batchSize,
    learningRate: chosen.learningRate,
    seed: chosen.seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    ...toDigitSettings(data, chosen),
  };
  if (saved) {
    const done = checkpoint!.state.step / stepsPerEpoch(settings, data.train);
    checkGoesOn(saved, settings, {name: 'epochs', done, schedule: 'its learning rate falls to 0'});
  }
  const network = createModel(settings);
  const run = checkpoint ? await resumeRun(settings, network, checkpoint) : startRun(settings, network);
  const from = checkpoint ? `, from step ${run.state.step}` : '';
  console.log(
    `${settings.experts} experts, ${settings.estimator}, ${network.model.countParams().toLocaleString('en-US')} weights, on ${backend}; ` +
      `${settings.epochs} epochs of ${stepsPerEpoch(settings, data.train)} steps${from}`,
  );
  return {run, data};
}

/** The options under which a run was started. */
function toOptions({backend, dataDir, download, limit, data, ...same}: Settings): Partial<Options> {
  return {...same, backend: backend as BackendName, ...toDigitOptions({data, dataDir, download, limit})};
}

function isComplete({settings, state}: Run, data: Mnist): boolean {
  return state.step === settings.epochs * stepsPerEpoch(settings, data.train);
}

/** Trains, and saves the run after each epoch and when a signal has come. */
async function trainInto(output: string, run: Run, data: Mnist, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: settings.epochs * stepsPerEpoch(settings, data.train),
    done: state.step,
    format: 'epoch {epoch}  loss {loss}  accuracy {accuracy}  load {load}',
    figures: {epoch: `1/${settings.epochs}`, loss: '-', accuracy: '-', load: ''},
  });
  try {
    await train(run, data.train, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run, data)) await save();
}

/** Measures the trained network, prints what was found and writes the results; `result.json` comes last and says that the run is finished. */
async function report(output: string, {settings, network, state}: Run, data: Mnist): Promise<void> {
  const found = await evaluate(network, data.test);
  const last = state.history.at(-1)!;
  await network.model.save(fileSystem(join(output, RUN_FILES.model)));
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const title = `${PROGRAM}: ${ESTIMATORS[settings.estimator].title}, ${settings.experts} experts`;
  await saveChart(join(output, RUN_FILES.chart), runChart(state.history, title));
  const figures = {
    testAccuracy: found.accuracy,
    testCorrect: found.correct,
    testCount: found.count,
    testLoss: found.loss,
    trainLoss: last.loss,
    trainAccuracy: last.accuracy,
    expertLoad: last.load,
    digitsByExpert: found.assignments,
  };
  await saveResult(output, {program: PROGRAM, settings, figures, state});
  console.log(`\nWhich expert takes which digit:\n${describeExperts(found)}\n`);
  console.log(describeAccuracy(found));
  console.log(`${state.step} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** Measures the model of a finished run on the digits that it was not trained on. */
async function evaluateSaved(folder: string, options: Options): Promise<void> {
  const data = await loadDigitsOf(await savedSettings<Settings>(folder, PROGRAM), options);
  await startBackend(options);
  const network = withParts(await loadRunModel(folder));
  const found = await evaluate(network, data.test);
  console.log(`\nWhich expert takes which digit:\n${describeExperts(found)}\n`);
  console.log(describeAccuracy(found));
}
