// What every training program does around its loop: folder, lock, signals, checkpoint, report.
// SPDX-License-Identifier: Apache-2.0
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {loadCheckpoint, type SavedCheckpoint} from './checkpoint.js';
import {type Interrupt, listenForInterrupt} from './interrupt.js';
import type {CommonOptions} from './options.js';
import {checkOutput, clearOutput, clearStaged, RUN_FILES} from './output-folder.js';
import {saveJson} from './results.js';
import {lockOutput} from './run-lock.js';

/** The part of a training program that is its own. */
export interface TrainingProgram<State extends object> {
  name: string;
  /** Whether the user asked for more epochs than a finished run has, and the program can go on with it. */
  extend?: boolean;
  /** Makes everything ready for the first step, or for the next one of a checkpoint. */
  prepare(checkpoint: SavedCheckpoint<State> | undefined): Promise<PreparedRun>;
}

/** A run that is ready to go. */
export interface PreparedRun {
  /** Steps done so far. */
  step(): number;
  /** Whether no step is left. */
  isComplete(): boolean;
  /** Trains until the run is complete or a signal has come, and saves it. */
  train(interrupt: Interrupt): Promise<void>;
  /** Measures and prints what was learned, and writes the results; `result.json` last, which says that the run is finished. */
  report(): Promise<void>;
}

/** Trains in the output folder and reports; a signal saves the run, and the exit code says so. */
export async function runTraining<State extends object>(
  {output, resume, overwrite}: CommonOptions,
  {name, extend, prepare}: TrainingProgram<State>,
): Promise<void> {
  checkOutput(output, {resume, overwrite, extend});
  const interrupt = listenForInterrupt(() => {
    // On a terminal it would break into the bar, and the next line that is printed says that the run is saved.
    if (!process.stdout.isTTY) console.log('Stopping after this step; once more to leave at once.');
  });
  const unlock = await lockOutput(output);
  try {
    const checkpoint = resume ? await loadCheckpoint<State>(join(output, RUN_FILES.checkpoint), name) : undefined;
    const run = await prepare(checkpoint);
    if (resume && run.isComplete()) checkOutput(output, {resume}); // finished, and no more was asked for
    await setImmediate(); // a signal that came while the network was built arrives here
    if (interrupt.exitCode !== undefined) {
      console.log(`Stopped before the first step; ${output} is as it was.`);
      process.exitCode = interrupt.exitCode;
      return;
    }
    if (!checkpoint) await clearOutput(output);
    // Of a finished run that goes on: until it is written anew, the run is not finished.
    else await rm(join(output, RUN_FILES.result), {force: true});
    await run.train(interrupt);
    if (interrupt.exitCode !== undefined && !run.isComplete()) {
      console.log(`Saved after step ${run.step()} in ${output}. Go on with --resume.`);
      process.exitCode = interrupt.exitCode;
      return;
    }
    await run.report();
    await clearStaged(output);
  } finally {
    unlock();
    interrupt.dispose();
  }
}

/** How long this process has run in seconds, start-up included. */
export function secondsHere(): number {
  return performance.now() / 1000;
}

/** What a finished run tells of itself. */
export interface FinishedRun {
  program: string;
  /** Everything that decides the run's numbers. */
  settings: {seed: number; backend: string; data: string};
  /** What was found. */
  figures: object;
  state: {step: number; seconds: number; secondsBefore: number};
  /** Further entries. */
  others?: object;
}

/** Writes `result.json`, the last file of a run, and returns what stands in it. */
export async function saveResult(
  output: string,
  {program, settings, figures, state, others}: FinishedRun,
): Promise<object> {
  const result = {
    program,
    command: describeCommand(),
    seed: settings.seed,
    settings,
    figures,
    ...others,
    steps: state.step,
    trainingSeconds: state.seconds,
    seconds: state.secondsBefore + secondsHere(),
    backend: settings.backend,
    data: settings.data,
    node: process.version,
  };
  await saveJson(join(output, RUN_FILES.result), result);
  return result;
}

/** The command as it would be typed again, whatever started the process. */
function describeCommand(): string {
  const quote = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word));
  return ['tfjs-moe', ...process.argv.slice(2).map(quote)].join(' ');
}
