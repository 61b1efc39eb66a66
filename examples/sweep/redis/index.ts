// The engine for several machines, BullMQ on Redis or Valkey, as the command sweep asks for it.
// SPDX-License-Identifier: Apache-2.0
import {availableParallelism} from 'node:os';
import type {Command} from 'commander';
import {listenForInterrupt} from '../../shared/interrupt.js';
import {finiteNumber, wholeNumber} from '../../shared/options.js';
import type {Ledger} from '../ledger.js';
import type {Observer} from '../local-engine.js';
import type {SweepSpec} from '../spec.js';
import type {Setting} from '../trials.js';
import {coordinate} from './coordinator.js';
import {loadSharedLedger, openQueue, QUEUE, retryFailed} from './queue.js';
import {connect} from './server.js';
import {type WorkerOptions, work} from './worker.js';

/** A sweep whose jobs stand in the queue of a server. */
export interface SharedSweep {
  /** Where the server is, without user and password. */
  server: string;
  /** Opens the books with what the queue knows. */
  load(): Promise<Ledger>;
  /** Lets what died three times be tried again. */
  retryFailed(): Promise<void>;
  /** Sees the sweep through, or until it is stopped. */
  coordinate(ledger: Ledger, how: {stop: AbortSignal; observer: Observer}): Promise<void>;
  /** How many of its trials run now, as far as `coordinate` knows. */
  running(): number;
  close(): void;
}

/** Connects to the server. @param folder Of the trials that were run here, which count too. @throws ValueError where none answers. */
export async function openSharedSweep(
  url: string,
  {spec, settings, folder}: {spec: SweepSpec; settings: readonly Setting[]; folder: string},
): Promise<SharedSweep> {
  const server = await connect(url, console.log);
  const queue = openQueue(server);
  const running = new Set<string>();
  const ask = <T>(answer: Promise<T>) =>
    answer.catch((error: unknown) => {
      throw server.explain(error);
    });
  return {
    server: server.name,
    load: () => ask(loadSharedLedger(queue, spec, settings, folder)),
    retryFailed: () => ask(retryFailed(queue, spec, settings)),
    coordinate(ledger, {stop, observer}) {
      const counting: Observer = {
        started(job) {
          running.add(job.trial.id);
          observer.started(job);
        },
        ended(job, ending) {
          running.delete(job.trial.id);
          return observer.ended(job, ending);
        },
      };
      return coordinate(server, queue, ledger, {stop, observer: counting, tell: console.log});
    },
    running: () => running.size,
    close: server.close,
  };
}

/** The options of the command worker. */
interface WorkerCommandOptions {
  redis: string;
  workers: number;
  output: string;
  untilIdle?: number;
}

/**
 * Adds the command worker.
 *
 * @param program The words that start tfjs-moe itself, for the processes of the trials.
 * @param output The default folder.
 * @param lock For tests: how long the jobs of a silent worker stay its own, in milliseconds.
 */
export function addWorkerCommand(sweep: Command, program: readonly string[], output: string, lock?: number): void {
  sweep
    .command('worker')
    .description('run trials of any sweep that is started with --redis, until it is stopped')
    .requiredOption('--redis <url>', 'the server: redis://[user:password@]host[:port][/database], or rediss://')
    .option('--workers <n>', 'how many trials run at a time', wholeNumber(1), availableParallelism())
    .option('--output <folder>', 'where the sweeps have their folders; best on a disk that all workers share', output)
    .option('--until-idle <seconds>', 'end when nothing was there to do for so long', finiteNumber({above: 0}))
    .action(async ({redis, ...options}: WorkerCommandOptions) => {
      const stop = new AbortController();
      const interrupt = listenForInterrupt(() => stop.abort());
      try {
        const server = await connect(redis, console.log);
        try {
          console.log(`Taking jobs from ${server.name}, queue ${QUEUE}, ${options.workers} at a time.`);
          const how: WorkerOptions = {...options, command: program, stop: stop.signal, tell: console.log};
          await work(server, lock === undefined ? how : {...how, lock});
        } finally {
          server.close();
        }
        if (interrupt.exitCode !== undefined) {
          console.log('Stopped; what was under way has saved itself, and its jobs are back in the queue.');
          process.exitCode = interrupt.exitCode;
        }
      } finally {
        interrupt.dispose();
      }
    });
}
