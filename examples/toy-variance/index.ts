// The program toy-variance: bias, variance and mean squared error of the gradient estimators on the toy problem of the Gumbel-Rao paper.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command, InvalidArgumentError} from 'commander';
import {seeded} from 'tfjs-moe/estimators';
import type {BackendName} from 'tfjs-moe/node';
import {startBackend} from '../shared/backend.js';
import {checkSameSettings, type SavedCheckpoint, saveCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {listOf} from '../shared/list-option.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {descend, measureGradient} from './measure.js';
import {checkLogits, SIZE} from './problem.js';
import type {CellRecord, RunState} from './records.js';
import {report, showSaved} from './report.js';
import {type Cell, listCells, PROGRAM, type Settings, titleOf} from './settings.js';

interface Options extends CommonOptions, Omit<Settings, 'seed' | 'backend' | 'trainingKernels' | 'data'> {}

const EXAMPLES = `
The problem: D is one of three categories with probabilities p = softmax(logits), and the objective is the expectation of
(D - c)' A(p) (D - c), c = 1/3, with A such that it equals (p - c)' Q (p - c), Q_ij = exp(-2 |i - j|). The true gradient is known.
Categories are enumerated, not drawn; the Gumbel family's noise is drawn, and its figures have standard errors.

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --temperatures 0.1,1 --num-samples 1,100 --draws 2000 --output runs/quick
  tfjs-moe train ${PROGRAM} --logits 0,0,1 --seed 1 --output runs/other-place
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}

Ctrl-C stops the run after the cell that is under way; --resume goes on to the same numbers. --evaluate prints a finished run's tables.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM)
    .description(
      'Measures bias, variance and mean squared error of every pathwise estimator against temperature, and of Gumbel-Rao against K, on ' +
        'a quadratic program over three categories, and descends on it. Prints tables, and leaves in the output folder: ' +
        `${[RUN_FILES.checkpoint, RUN_FILES.history, RUN_FILES.chart, RUN_FILES.result].join(', ')}.`,
    )
    .option('--logits <a,b,c>', 'where the gradients are measured and the descents begin', readLogits, [0, 0, 1])
    .option(
      '--temperatures <list>',
      'at which the gradients are measured',
      listOf(finiteNumber({above: 0})),
      [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2],
    )
    .option('--num-samples <list>', 'K of Gumbel-Rao', listOf(wholeNumber(1)), [1, 10, 100, 1000])
    .option(
      '--draws <n>',
      'noise samples for each category; where Gumbel-Rao averages K of them, a K-th of that, but 500 at least',
      wholeNumber(1),
      100_000,
    )
    .option('--descent-temperatures <list>', 'of the descents', listOf(finiteNumber({above: 0})), [0.1, 1])
    .option('--runs <n>', 'how many descents of each kind', wholeNumber(2), 256)
    .option('--steps <n>', 'of a descent', wholeNumber(1), 60)
    .option('--learning-rate <r>', 'of a descent', finiteNumber({above: 0}), 0.5);
  return addCommonOptions(command, {output: `runs/${PROGRAM}`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.evaluate !== undefined) await showSaved(options.evaluate);
      else await measureAndReport(options, command);
    });
}

function readLogits(text: string): number[] {
  const logits = text.split(',').map(entry => finiteNumber({from: -100})(entry.trim()));
  if (logits.length !== SIZE) throw new InvalidArgumentError(`It must hold ${SIZE} numbers.`);
  return logits;
}

async function measureAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    async prepare(checkpoint) {
      const settings = await prepareSettings(options, command, checkpoint);
      const state = checkpoint?.state ?? {step: 0, records: [], seconds: 0, secondsBefore: 0};
      const cells = listCells(settings);
      const from = state.step === 0 ? '' : `, from cell ${state.step}`;
      console.log(`${cells.length} cells at logits ${settings.logits.join(', ')}, on ${settings.backend}${from}`);
      return {
        step: () => state.step,
        isComplete: () => state.step === cells.length,
        train: interrupt => measureAll(output, settings, cells, state, interrupt),
        report: () => report(output, settings, state),
      };
    },
  });
}

/** Starts the backend and takes the settings from the options, or from the checkpoint, with which the options must then agree. */
async function prepareSettings(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<Settings> {
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...saved, backend: saved.backend as BackendName, ...given} : options;
  checkLogits(chosen.logits);
  const backend = await startBackend(chosen);
  const settings: Settings = {
    logits: chosen.logits,
    temperatures: chosen.temperatures,
    numSamples: chosen.numSamples,
    draws: chosen.draws,
    descentTemperatures: chosen.descentTemperatures,
    runs: chosen.runs,
    steps: chosen.steps,
    learningRate: chosen.learningRate,
    seed: chosen.seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: "E (D - c)' A(p) (D - c) = (p - c)' Q (p - c), three categories",
  };
  if (saved) checkSameSettings({...saved}, {...settings});
  return settings;
}

/** Works the cells off and saves the run after each. */
async function measureAll(
  output: string,
  settings: Settings,
  cells: readonly Cell[],
  state: RunState,
  interrupt: Interrupt,
): Promise<void> {
  const progress = startProgress({
    total: cells.length,
    done: state.step,
    format: '{cell}',
    figures: {cell: ''},
  });
  try {
    while (state.step < cells.length && interrupt.exitCode === undefined) {
      const cell = cells[state.step]!;
      progress.update(state.step, {cell: describeCell(cell)});
      const clock = performance.now();
      const record = await measureCell(cell, settings, state.step);
      state.seconds += (performance.now() - clock) / 1000;
      state.records.push(record);
      ++state.step;
      progress.line(`cell ${state.step}: ${describeCell(cell)}, ${record.seconds.toFixed(1)} s`);
      await save(output, settings, state);
    }
    progress.update(state.step, {cell: 'done'});
  } finally {
    progress.stop();
  }
}

/** The first word of the ids of random streams; the second is the cell's number, so that a run taken up has the same noise. */
const CELL = 1;

async function measureCell(cell: Cell, settings: Settings, index: number): Promise<CellRecord> {
  const random = seeded(settings.seed).split(CELL, index);
  const clock = performance.now();
  const seconds = () => (performance.now() - clock) / 1000;
  if (cell.kind === 'gradient') {
    const figures = await measureGradient(cell, settings, random);
    return {...cell, kind: 'gradient', ...figures, seconds: seconds()};
  }
  const descent = await descend(cell, settings, random);
  return {...cell, kind: 'descent', ...descent, seconds: seconds()};
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

function describeCell(cell: Cell): string {
  return `${cell.kind} of ${titleOf(cell)} at temperature ${cell.temperature}`;
}
