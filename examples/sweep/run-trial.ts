// Runs a trial as a process of its own, and puts down how it ended. Both engines do it by this.
// SPDX-License-Identifier: Apache-2.0
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {mkdir, open, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {RUN_FILES} from '../shared/output-folder.js';
import {holderOf} from '../shared/run-lock.js';
import type {Job} from './schedule.js';
import {LOG, loadResult, loadTrial, type Reached, saveTrial, type TrialState} from './trial-folder.js';
import {trialWords} from './trials.js';

/** How a process of a trial ended. */
export type Ending =
  | {kind: 'finished'; reached: Reached}
  /** It died; `deaths` counts all of this trial's. */
  | {kind: 'died'; lastWords: string; deaths: number}
  /** The sweep stopped it; it saved itself. */
  | {kind: 'stopped'};

/** Where and how trials run. */
export interface TrialPlace {
  /** The words that start the command tfjs-moe: the path of node, its options, the script. */
  command: readonly string[];
  /** Each trial has a folder in it, by its name. */
  folder: string;
  /** The option that halving raises. */
  halvingOption?: string | undefined;
}

/**
 * Runs the program of a trial until it ends, from its checkpoint if it has one. A trial that is finished already is not run again.
 *
 * @param stop Ends the trial, which saves itself first.
 */
export async function runTrial(
  {trial, until}: Job,
  {command, folder, halvingOption}: TrialPlace,
  stop: AbortSignal,
): Promise<Ending> {
  const output = join(folder, trial.id);
  const state = await loadTrial(output);
  const known = state.reached.find(reached => reached.until === until);
  if (known) return {kind: 'finished', reached: known};
  await saveTrial(output, {...state, sentTo: until});
  if (!(await waitForHolder(output, stop))) return {kind: 'stopped'};

  const length = until === null ? {} : {[halvingOption!]: until};
  const before = await readFinished(output, until, halvingOption);
  if (before) return {kind: 'finished', reached: await saveReached(output, before)};
  const words = ['train', ...trialWords(trial, length), '--output', output];
  if (existsSync(join(output, RUN_FILES.checkpoint))) words.push('--resume');
  else if (existsSync(join(output, RUN_FILES.result))) words.push('--overwrite');
  const exit = await runProcess([...command, ...words], join(output, LOG), stop);

  const reached = await readFinished(output, until, halvingOption);
  if (reached) return {kind: 'finished', reached: await saveReached(output, reached)};
  if (stop.aborted) return {kind: 'stopped'};
  const lastWords = await describeDeath(output, exit);
  const deaths = [...state.deaths, lastWords];
  await saveTrial(output, {...state, sentTo: until, deaths});
  return {kind: 'died', lastWords, deaths: deaths.length};
}

/** The result of a run, if it is finished and as long as it was to be. */
async function readFinished(
  output: string,
  until: number | null,
  halvingOption: string | undefined,
): Promise<Reached | undefined> {
  const result = await loadResult(output);
  if (!result) return undefined;
  const setting = halvingOption?.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return until === null || result.settings[setting!] === until ? {until, figures: result.figures} : undefined;
}

async function saveReached(output: string, reached: Reached): Promise<Reached> {
  const state: TrialState = await loadTrial(output);
  await saveTrial(output, {...state, reached: [...state.reached, reached]});
  return reached;
}

/** How often to look whether a process has left a folder, in milliseconds, and for how long. */
const LOOK = 100;
const PATIENCE = 60_000;

/** When a sweep is killed its trials save themselves and end; one that starts anew lets them. False if it was stopped meanwhile. */
async function waitForHolder(output: string, stop: AbortSignal): Promise<boolean> {
  for (let waited = 0; holderOf(output) !== undefined && waited < PATIENCE; waited += LOOK) {
    if (stop.aborted) return false;
    await setTimeout(LOOK);
  }
  return !stop.aborted;
}

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

async function runProcess(words: readonly string[], log: string, stop: AbortSignal): Promise<Exit> {
  await mkdir(join(log, '..'), {recursive: true});
  const file = await open(log, 'a');
  try {
    const child = spawn(words[0]!, words.slice(1), {
      // Of the channel nothing is used but its end: by that the program notices that the sweep was killed, and saves itself.
      stdio: ['ignore', file.fd, file.fd, 'ipc'],
      // A group of its own: Ctrl-C reaches the sweep, which passes it on once. A program that got it twice would not save.
      detached: true,
    });
    const pass = () => child.kill('SIGTERM');
    stop.addEventListener('abort', pass, {once: true});
    try {
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      return {code, signal};
    } finally {
      stop.removeEventListener('abort', pass);
    }
  } finally {
    await file.close();
  }
}

/** So many of the last lines of a log are its last words. */
const LAST_LINES = 5;

async function describeDeath(output: string, {code, signal}: Exit): Promise<string> {
  const end = signal === null ? `exit code ${code}` : signal;
  const log = await readFile(join(output, LOG), 'utf8').catch(() => '');
  const lines = log.split('\n').filter(line => line.trim() !== '');
  return [end, ...lines.slice(-LAST_LINES)].join('\n');
}
