// The program listops: a network that learns to parse lists of digits by answering them, the trees drawn and trained by any estimator.
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
import type {ListOpsData} from './inputs.js';
import {addOptions, chooseSettings, type Options, outputName} from './options.js';
import {evaluateSaved, prepare} from './prepare.js';
import {BEST_MODEL, RESULTS, report} from './report.js';
import {type Run, type RunState, saveRun} from './run-state.js';
import {PROGRAM} from './settings.js';
import {batchesPerEpoch, isComplete, progressOf, train} from './training.js';
import {TREES} from './tree-samples.js';

const NOTES = `
The setting reinmax has expressions of fewer than 100 words, batches of 16, RAdam at 0.0007 and 20 epochs; gumbel-rao those of at
most 10 tokens (--max-length 25, 50), batches of that many, and SGD. The published program of the first ran on characters.

Where the expressions come from, the first that applies:
  --data-dir <folder>    test_d20s.tsv.gz, valid_d20s.tsv.gz and, if there is one, train_d20s.tsv.gz
  TFJS_MOE_DATA          an environment variable that names a folder with a subfolder listops
  else they are generated: 89,000 to train on, 1,000 to choose by, 10,000 held out, before the longer ones are left out

Examples:
  tfjs-moe train ${PROGRAM} --setting gumbel-rao --minutes 20
  tfjs-moe train ${PROGRAM} --setting gumbel-rao --max-length 25 --num-samples 10 --temperature 1
  tfjs-moe train ${PROGRAM} --setting gumbel-rao --estimator reinmax --temperature 1
  tfjs-moe train ${PROGRAM} --threads 2
  tfjs-moe train ${PROGRAM} --tokens character --estimator gst --output runs/${PROGRAM}/characters
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --resume --epochs 40
  tfjs-moe train ${PROGRAM} --compare runs/${PROGRAM}
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}/reinmax-reinmax-t1.1-seed0

Ctrl-C saves the run and stops it; --resume goes on to the same numbers, and with more --epochs beyond the end of a finished run. Each finished run adds a line to
${RESULTS}, beside its folder.`;

/** The command with its options. */
export function createCommand(): Command {
  const files = [...Object.values(RUN_FILES), BEST_MODEL, TREES];
  const command = new Command(PROGRAM).description(
    'Trains a network that answers nested lists such as [MAX 2 9 [MIN 4 7 ] 0 ]: it merges the tokens along a binary tree that it is never ' +
      'shown, and an estimator gives the choice of each merge its gradient. Prints the test accuracy of the last weights and of those ' +
      `of the best validation, and how right the trees are. Leaves in the output folder: ${files.join(', ')}.`,
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

/** Trains, and saves the run after each validation and when a signal has come. */
async function trainInto(output: string, run: Run, data: ListOpsData, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const {done, total} = progressOf(run, batchesPerEpoch(settings, data));
  const progress = startProgress({
    total,
    done,
    format: 'epoch {epoch}  loss {loss}  train {train}  valid {validation} %  {speed}/s',
    figures: {epoch: state.epoch.toFixed(2), loss: '-', train: '-', validation: '-', speed: '-'},
  });
  try {
    await train(run, data, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}
