// Starts the command sweep in a process of its own, on the fake program or as a user has it, and reads what it leaves.
// SPDX-License-Identifier: Apache-2.0
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {mkdtemp, readdir, readFile, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {type ProgramName, programFile} from '../support/programs.js';

/** A sweep of the fake program, whose loss is least at rate 0.01. */
export interface SweepCase {
  folder: string;
  file: string;
  output: string;
}

/** Writes a sweep into a new temporary folder. */
export async function writeSweep(value: object): Promise<SweepCase> {
  const folder = await mkdtemp(join(tmpdir(), 'sweep-'));
  const file = join(folder, 'fake.json');
  await writeFile(file, JSON.stringify({program: 'fake', figure: 'loss', goal: 'least', ...value}));
  return {folder, file, output: join(folder, 'out')};
}

/** A process of the command. */
export interface SweepProcess {
  process: ChildProcess;
  /** Everything that it has printed so far. */
  text(): string;
  /** When it has ended: its exit code, or the signal that killed it. */
  ended: Promise<number | NodeJS.Signals>;
}

/** Starts a program; with the fake one `words` follow `tfjs-moe sweep`. */
export function startSweep(words: readonly string[], program: ProgramName = 'sweep'): SweepProcess {
  const child = spawn(process.execPath, [programFile(program), ...words], {stdio: ['ignore', 'pipe', 'pipe']});
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', part => {
      text += part;
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return {process: child, text: () => text, ended};
}

/** Runs a program to its end. */
export async function runSweep(
  words: readonly string[],
  program?: ProgramName,
): Promise<{exit: number | NodeJS.Signals; text: string}> {
  const {ended, text} = startSweep(words, program);
  return {exit: await ended, text: text()};
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, seconds = 30): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited ${seconds} s in vain until ${what}.`);
    await setTimeout(20);
  }
}

/** The lines of the results file. */
export async function resultsOf(output: string): Promise<string[]> {
  const path = join(output, 'results.jsonl');
  return existsSync(path) ? (await readFile(path, 'utf8')).trimEnd().split('\n') : [];
}

/** The steps that the processes of each trial did, in the order in which they did them, by the folder of the trial. */
export async function stepsOf(output: string): Promise<Record<string, number[]>> {
  const trials = join(output, 'trials');
  const folders = existsSync(trials) ? await readdir(trials) : [];
  const entries = folders.map(async folder => {
    const text = await readFile(join(trials, folder, 'steps.txt'), 'utf8').catch(() => '');
    return [folder, text.split('\n').filter(Boolean).map(Number)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
