// The program polynomial: trains bits by one of many estimators on a loss whose expectation is known, and shows how far it gets.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command} from 'commander';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import {COMPARISON} from '../shared/finished-runs.js';
import type {Interrupt} from '../shared/interrupt.js';
import {givenOptions, withOutput} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {checkGoesOn} from '../shared/run-length.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {compare} from './compare.js';
import {describeTarget} from './figures.js';
import {METHOD_NAMES, titleOf} from './methods.js';
import {addOptions, chooseSettings, type Options, outputName, resumeOptions} from './options.js';
import {evaluateSaved, RESULTS, report} from './report.js';
import {type Run, type RunState, resumeRun, saveRun, startRun} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {isComplete, train} from './training.js';

const NOTES = `
Bits D are drawn, all of them in each sample of the batch from the same probabilities, and E |D_l - c_l|^p, the mean of the bits l, is
minimised by Adam. The estimators: ${METHOD_NAMES.join(', ')}.
"exact" is the gradient of the expectation itself.

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --p 3 --estimator reinmax:1.3 --seed 1
  tfjs-moe train ${PROGRAM} --latents 16 --batch-size 8 --target linear --estimator reinforce --output runs/${PROGRAM}/reinforce
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --resume --steps 16000
  tfjs-moe train ${PROGRAM} --compare runs/${PROGRAM}
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM}/p2-l128-b64-c0.45-reinmax-seed0

Ctrl-C saves the run and stops it; --resume goes on to the same numbers, and with more --steps beyond the end of a finished run. Each
finished run adds a line to ${RESULTS}, beside its folder.`;

/** The command with its options. */
export function createCommand(): Command {
  const files = [RUN_FILES.checkpoint, RUN_FILES.history, RUN_FILES.chart, RUN_FILES.result];
  const command = new Command(PROGRAM).description(
    'Trains independent bits by an estimator on a polynomial whose expectation, optimum and gradient are known: how far does it get? ' +
      `Prints the losses, and leaves in the output folder: ${files.join(', ')}.`,
  );
  return addOptions(command, COMPARISON)
    .addHelpText('after', NOTES)
    .action(async (options: Options) => {
      if (options.compare !== undefined) await compare(options.compare);
      else if (options.evaluate !== undefined) await evaluateSaved(options.evaluate);
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
    extend: givenOptions(command).steps !== undefined,
    async prepare(checkpoint) {
      const run = await prepare(options, command, checkpoint);
      return {
        step: () => run.state.step,
        isComplete: () => isComplete(run),
        train: interrupt => trainInto(output, run, interrupt),
        report: () => report(output, run),
      };
    },
  });
}

/** Starts the backend and makes the run, or takes it up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<Run> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const chosen = saved ? resumeOptions(options, saved, givenOptions(command)) : options;
  const choice = chooseSettings(chosen);
  const backend = await startBackend(chosen);
  const settings = {...choice, backend, trainingKernels: backend === 'wasm' && chosen.trainingKernels};
  if (saved) checkGoesOn(saved, settings, {name: 'steps', done: checkpoint!.state.step});
  const run = checkpoint ? await resumeRun(settings, checkpoint) : startRun(settings);
  const {p, target, latents, batchSize, steps} = settings;
  const from = checkpoint ? `, from step ${run.state.step}` : '';
  console.log(
    `${titleOf(settings)}: p = ${p}, ${describeTarget(target)}, ${latents} bits, batch ${batchSize}, ` +
      `${steps.toLocaleString('en-US')} steps on ${backend}${from}`,
  );
  return run;
}

/** Trains, and saves the run with each line of the history and when a signal has come. */
async function trainInto(output: string, run: Run, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: settings.steps,
    done: state.step,
    format: 'expected loss {loss}',
    figures: {loss: '-'},
  });
  try {
    await train(run, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}
