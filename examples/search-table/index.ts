// The program search-table: architecture search where every answer is known, thousands of times, by many methods.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {Command} from 'commander';
import {ValueError} from 'tfjs-moe/node';
import {saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {givenOptions} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {figuresOf} from './figures.js';
import {createSearch, formatMethod, METHOD_NAMES} from './methods.js';
import {addOptions, type Options} from './options.js';
import {prepare} from './prepare.js';
import type {Problem} from './problem.js';
import {type MethodRecord, recordOf} from './record.js';
import {describeMethod, describeRun, report} from './report.js';
import {PROGRAM, type Settings} from './settings.js';

/** Where a run stands. */
interface RunState {
  /** Finished methods. */
  step: number;
  records: MethodRecord[];
  /** For how long the processes ran from which this one took the run up, start-up included. */
  secondsBefore: number;
}

const NOTES = `
The table: NAS-Bench-201's 15,625 cells, with the accuracies that each had after training. One evaluation looks up the objective of one
cell. What a search would choose is the cell with the best objective so far; its regret is the best test accuracy of the table less its own.
Without the table, a synthetic one of the same cells is made, and the results say so.

The methods: ${METHOD_NAMES.join(', ')}.
  random          no cell twice
  evolution       regularised: population 10, tournaments of 3, as NATS-Bench has it
  reinforce, leaveOneOut:<draws>, relax
                  distributions of the operations, trained on the accuracies of their own draws. A cell that comes again counts again,
                  as in evolution. RELAX's control variate is the surrogate below, since a table has no relaxed cells. DisARM, ARMS,
                  Double CV, RODEO and FouST are for bits, and cannot choose among five operations.
  ${METHOD_NAMES.slice(-7, -1).join(', ')}, each with :<temperature>
                  a ridge regression on operations and their pairs is drawn from its posterior after each evaluation; distributions are
                  trained to its maximum by the pathwise estimator, and the best new cell that they drew is looked up
  enumerate       the same with every cell tried on the regression, for comparison

Where the table comes from, the first that applies:
  --data-dir <folder>    nasbench201.csv.gz, or a subfolder nasbench201 with it
  TFJS_MOE_DATA          an environment variable that names a folder with a subfolder nasbench201

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --space imagenet16 --objective valid-12 --output runs/${PROGRAM}-imagenet
  tfjs-moe train ${PROGRAM} --methods random,reinforce,reinmax --seeds 50 --output runs/quick
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}

Ctrl-C drops the method that is under way and keeps those before it; --resume goes on to the same numbers. --evaluate prints the table of
a folder again, also of one whose methods are not all finished.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM).description(
    'Searches the table of NAS-Bench-201 by random search, evolution, score-function estimators and pathwise estimators on a ' +
      'surrogate, with many seeds: regret against evaluations. Prints a table, and leaves in the output folder: ' +
      `${[RUN_FILES.checkpoint, RUN_FILES.history, RUN_FILES.chart, RUN_FILES.result].join(', ')}; each method is a line of ${RUN_FILES.history}.`,
  );
  return addOptions(command)
    .addHelpText('after', NOTES)
    .action(async (options: Options) => {
      if (options.evaluate !== undefined) console.log(describeRun(await loadRecords(options.evaluate)));
      else await searchAndReport(options, command);
    });
}

async function searchAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    async prepare(checkpoint) {
      const saved = checkpoint?.settings as Settings | undefined;
      const {settings, problem} = await prepare(options, givenOptions(command) as Partial<Options>, saved);
      const state = checkpoint?.state ?? {step: 0, records: [], secondsBefore: 0};
      const {methods, seeds, evaluations} = settings;
      const from = checkpoint ? `, from method ${state.step}` : '';
      console.log(`${methods.length} methods, ${seeds} seeds each, ${evaluations} evaluations${from}`);
      return {
        step: () => state.step,
        isComplete: () => state.step === methods.length,
        train: interrupt => searchAll(output, settings, problem, state, interrupt),
        report: () => report(output, settings, state),
      };
    },
  });
}

/** Works the methods off and saves the run after each. */
async function searchAll(
  output: string,
  settings: Settings,
  problem: Problem,
  state: RunState,
  interrupt: Interrupt,
): Promise<void> {
  const {methods, seeds: count, seed, evaluations, learningRate} = settings;
  const seeds = Array.from({length: count}, (_, i) => seed + i);
  const perMethod = count * evaluations;
  const progress = startProgress({
    total: methods.length * perMethod,
    done: state.step * perMethod,
    format: '{method}',
    figures: {method: ''},
  });
  try {
    while (state.step < methods.length) {
      const choice = methods[state.step]!;
      const clock = performance.now();
      const turn = async (done: number) => {
        progress.update(state.step * perMethod + done, {method: formatMethod(choice)});
        await setImmediate(); // in which signals arrive
        return interrupt.exitCode === undefined;
      };
      const cells = await createSearch(choice, learningRate)({problem, seeds, evaluations, turn});
      if (cells === undefined) break;
      const figures = figuresOf(cells, count, problem);
      const seconds = (performance.now() - clock) / 1000;
      const record = recordOf(choice, settings, {figures, floor: problem.floor, seconds});
      state.records.push(record);
      ++state.step;
      progress.line(`method ${state.step}/${methods.length}: ${describeMethod(record)}`);
      await save(output, settings, state);
    }
    if (state.step < methods.length) await save(output, settings, state);
    progress.update(state.step * perMethod, {method: 'done'});
  } finally {
    progress.stop();
  }
}

async function save(output: string, settings: Settings, state: RunState): Promise<void> {
  const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
  await saveCheckpoint<RunState>(join(output, RUN_FILES.checkpoint), {
    program: PROGRAM,
    settings: {...settings},
    state: toDate,
    tensors: [],
  });
  await saveJsonLines(join(output, RUN_FILES.history), state.records);
}

/** The finished methods of a folder. */
async function loadRecords(folder: string): Promise<MethodRecord[]> {
  const path = join(folder, RUN_FILES.history);
  const text = await readFile(path, 'utf8').catch(() => '');
  const records = text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as MethodRecord]));
  if (records.length === 0 || records.some(({program}) => program !== PROGRAM)) {
    throw new ValueError(`--evaluate: ${path} has no finished method of ${PROGRAM}.`);
  }
  return records;
}
