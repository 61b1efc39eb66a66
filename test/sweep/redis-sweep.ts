// What tests of sweeps over Redis share: processes of coordinator and workers, and what must come out.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {onTestFinished} from 'vitest';
import {checkSpec} from '../../examples/sweep/spec.js';
import {listSettings} from '../../examples/sweep/trials.js';
import {startServer, type TestServer} from './redis-server.js';
import {runSweep, type SweepProcess, startSweep, stepsOf, writeSweep} from './sweep-process.js';

/** A sweep with a server, and folders of its own for the workers, which share one, and for coordinators. */
export interface SharedCase {
  server: TestServer;
  file: string;
  /** Of the sweep, where the workers have its trials. */
  trials: string;
  output(name: string): string;
  /** A file of a coordinator. */
  read(name: string, file: string): Promise<string>;
  /** Starts a coordinator with an output folder of its own. */
  start(name?: string, ...words: string[]): SweepProcess;
  worker(...words: string[]): SweepProcess;
  /** Asks for `status` or `results`. */
  ask(command: string, name?: string): ReturnType<typeof runSweep>;
  /** How many steps the trials have done. */
  steps(): Promise<number>;
  /** The processes that are in the folders of trials now. */
  programs(): Promise<number[]>;
  /** Ends all that still runs. */
  end(): Promise<void>;
}

/** Six trials. */
export const RATES = {grid: {rate: [0.001, 0.01, 0.1]}, seeds: 2};
/** The same, of some second each. */
export const LONG = {...RATES, options: {steps: 20, pause: 40}};

/** A sweep and a server for it, until the test ends. @param words Of the command line of the server. */
export async function share(value: object, ...words: string[]): Promise<SharedCase> {
  const shared = await shareSweep(value, ...words);
  onTestFinished(() => shared.end());
  return shared;
}

async function shareSweep(value: object, ...words: string[]): Promise<SharedCase> {
  const [{folder, file}, server] = await Promise.all([writeSweep(value), startServer(...words)]);
  const processes: SweepProcess[] = [];
  const keep = (sweep: SweepProcess) => {
    processes.push(sweep);
    return sweep;
  };
  const common = ['--redis', server.url, '--output'];
  const trials = join(folder, 'workers', 'fake');
  const output = (name: string) => join(folder, name);
  return {
    server,
    file,
    trials,
    output,
    read: (name, file) => readFile(join(output(name), file), 'utf8'),
    start: (name = 'out', ...words) => keep(startSweep(['start', file, ...common, output(name), ...words])),
    worker: (...words) =>
      keep(startSweep(['worker', ...common, join(folder, 'workers'), '--workers', '1', ...words], 'worker')),
    ask: (command, name = 'out') => runSweep([command, file, ...common, output(name)]),
    steps: async () => Object.values(await stepsOf(trials)).flat().length,
    async programs() {
      const parent = join(trials, 'trials');
      const ids = existsSync(parent) ? await readdir(parent) : [];
      const locks = ids.map(id => readFile(join(parent, id, 'run.lock'), 'utf8').catch(() => ''));
      return (await Promise.all(locks)).filter(Boolean).map(lock => Number.parseInt(lock, 10));
    },
    async end() {
      for (const {process, ended} of processes) {
        process.kill('SIGKILL');
        await ended;
      }
      await server.stop();
      await rm(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 100}); // trials may still save themselves
    },
  };
}

/** The results file of a sweep without halving, from the fake program's formula. */
export function expectedResults(value: object): string[] {
  const spec = checkSpec({program: 'fake', figure: 'loss', goal: 'least', ...value}, {path: 'fake.json', name: 'fake'});
  return listSettings(spec).flatMap(({trials}) =>
    trials.map(({id, program, options, seed}) => {
      const rate = Number(options.rate ?? 0.01);
      const figures = {loss: (Math.log10(rate) + 2) ** 2 + 1 / Number(options.steps) + seed / 1000};
      return JSON.stringify({trial: id, program, options, seed, figures});
    }),
  );
}

/** 1, 2, ... */
export const count = (steps: number) => Array.from({length: steps}, (_, i) => i + 1);
