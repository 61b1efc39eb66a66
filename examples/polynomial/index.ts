// The program polynomial: trains bits by many estimators on a loss whose expectation is known, and shows who gets how far.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {Command} from 'commander';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import {startBackend} from '../shared/backend.js';
import {checkSameSettings, type SavedCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {listOf} from '../shared/list-option.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {
  isComplete,
  type ListState,
  progressOf,
  type RunList,
  resumeList,
  saveList,
  startList,
  trainingSeconds,
  trainList,
} from './list.js';
import {formatMethod, METHOD_NAMES, type MethodChoice, parseMethod} from './methods.js';
import {readMethod, readSeeds, readTarget} from './options.js';
import type {Target} from './problem.js';
import type {RunRecord} from './record.js';
import {describeRuns, report} from './report.js';
import {PROGRAM, type Settings} from './settings.js';

interface Options extends CommonOptions {
  p: number[];
  latents: number[];
  batchSize: number[];
  target: Target;
  steps: number;
  learningRate: number;
  estimators: MethodChoice[];
  seeds: number | number[];
}

/** What the paper compares, and the temperatures that it tunes elsewhere. */
const ESTIMATORS =
  'exact,reinmax,reinmax:1.3,straightThrough,straightThroughGumbelSoftmax,straightThroughGumbelSoftmax:0.5,reinforce';

const EXAMPLES = `
Bits D are drawn, all of them in each sample of the batch from the same probabilities, and E |D_l - c_l|^p, the mean of the bits l, is
minimised by Adam. Each combination of the values in --p, --latents, --batch-size, --estimators and --seeds is a run of its own.
The estimators: ${METHOD_NAMES.join(', ')}.
A temperature stands behind a colon. "exact" is the gradient of the expectation itself.

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --p 2 --estimators reinmax,reinmax:1.1,reinmax:1.5 --seeds 5
  tfjs-moe train ${PROGRAM} --p 2 --latents 4,16,128 --batch-size 2,8,32,64,256 --target linear --estimators reinmax,reinforce
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}

--evaluate prints the tables of a folder again, also of one whose runs are not all finished. Ctrl-C saves the run under way and stops;
--resume goes on to the same numbers.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM)
    .description(
      'Trains independent bits by one estimator after another on a polynomial whose expectation, optimum and gradient are known: how far ' +
        'does each get? Prints the losses, and leaves in the output folder: ' +
        `${[RUN_FILES.checkpoint, RUN_FILES.history, RUN_FILES.chart, RUN_FILES.result].join(', ')}; each finished run is a line of ${RUN_FILES.history}.`,
    )
    .option('--p <list>', 'the powers', listOf(finiteNumber({above: 0})), [1.5, 2, 3])
    .option('--latents <list>', 'how many bits', listOf(wholeNumber(1)), [128])
    .option('--batch-size <list>', 'samples a step', listOf(wholeNumber(1)), [64])
    .option('--target <c>', 'between 0 and 1, or "linear": (l - 1/2) / latents for bit l', readTarget, 0.45)
    .option('--estimators <list>', 'who gives the gradient', listOf(readMethod), ESTIMATORS.split(',').map(parseMethod))
    .option('--steps <n>', 'steps of each run', wholeNumber(1), 8000)
    .option('--learning-rate <r>', "Adam's rate", finiteNumber({above: 0}), 0.001)
    .option('--seeds <n or list>', 'how many seeds from --seed on, or, with a comma, which', readSeeds, 2);
  return addCommonOptions(command, {output: `runs/${PROGRAM}`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.evaluate !== undefined) console.log(describeRuns(await loadRuns(options.evaluate)));
      else await trainAndReport(options, command);
    });
}

async function trainAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<ListState>(options, {
    name: PROGRAM,
    async prepare(checkpoint) {
      const list = await prepare(options, command, checkpoint);
      return {
        step: () => progressOf(list).done,
        isComplete: () => isComplete(list),
        train: interrupt => trainInto(output, list, interrupt),
        report: () => {
          const {settings, state} = list;
          const {secondsBefore} = state;
          const done = {step: progressOf(list).done, seconds: trainingSeconds(list), secondsBefore};
          return report(output, settings, state.finished, done);
        },
      };
    },
  });
}

/** Starts the backend and makes the list of runs, or takes it up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<ListState> | undefined,
): Promise<RunList> {
  // Runs that go on keep their settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  const {p, latents, batchSize, target, steps, learningRate, estimators, seed, seeds} = chosen;
  const backend = await startBackend(chosen);
  const settings: Settings = {
    p,
    latents,
    batchSize,
    target,
    steps,
    learningRate,
    estimators,
    seed,
    seeds,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: 'none',
  };
  if (saved) checkSameSettings({...saved}, {...settings});
  const list = checkpoint ? await resumeList(settings, checkpoint) : startList(settings);
  const from = checkpoint ? `, from step ${progressOf(list).done}` : '';
  const names = estimators.map(formatMethod).join(', ');
  console.log(`${names}: ${list.runs.length} runs of ${steps.toLocaleString('en-US')} steps on ${backend}${from}`);
  return list;
}

/** The options under which the runs were started. */
function toOptions({backend, data: _, ...same}: Settings): Partial<Options> {
  return {...same, backend: backend as BackendName};
}

/** Trains, and saves the list after each run and when a signal has come. */
async function trainInto(output: string, list: RunList, interrupt: Interrupt): Promise<void> {
  const save = async () => {
    const state = {...list.state, secondsBefore: list.state.secondsBefore + secondsHere()};
    await saveList(join(output, RUN_FILES.checkpoint), {...list, state});
    await saveJsonLines(join(output, RUN_FILES.history), list.state.finished);
  };
  const {done, total} = progressOf(list);
  const progress = startProgress({
    total,
    done,
    format: 'run {run}  {name}  loss {loss}',
    figures: {run: `${list.state.finished.length + 1}/${list.runs.length}`, name: '', loss: '-'},
  });
  try {
    await trainList(list, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(list)) await save();
}

/** The finished runs of a folder. */
async function loadRuns(folder: string): Promise<RunRecord[]> {
  const path = join(folder, RUN_FILES.history);
  const lines = existsSync(path) ? (await readFile(path, 'utf8')).split('\n').filter(line => line !== '') : [];
  const records = lines.map(line => JSON.parse(line) as Partial<RunRecord>);
  if (records.length === 0 || records.some(({program}) => program !== PROGRAM)) {
    throw new ValueError(`--evaluate: ${path} has no finished run of ${PROGRAM}.`);
  }
  return records as RunRecord[];
}
