// A worker of sweeps on several machines: it takes jobs of any sweep from the queue and runs their trials here.
// SPDX-License-Identifier: Apache-2.0
import {setMaxListeners} from 'node:events';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {Job as QueueJob} from 'bullmq';
import {formatDuration} from '../live-table.js';
import {SWEEP_FILES} from '../report.js';
import {type Ending, runTrial} from '../run-trial.js';
import {MAX_DEATHS, type Reached} from '../trial-folder.js';
import {describeTrial} from '../trials.js';
import {type JobData, QUEUE, readJobData} from './queue.js';
import type {Server} from './server.js';

/** What a worker does. */
export interface WorkerOptions {
  /** How many trials run at a time. */
  workers: number;
  /** Each sweep has a folder in it, by its name. */
  output: string;
  /** The words that start the command tfjs-moe. */
  command: readonly string[];
  /** Ends it: its trials save themselves and go back to the queue, which is no death. */
  stop: AbortSignal;
  /** Ends it as well when nothing was there to do for so many seconds. */
  untilIdle?: number | undefined;
  /** Prints a line. */
  tell(line: string): void;
  /** How long the jobs of a worker that is silent stay its own, in milliseconds. */
  lock?: number;
}

/** Renewed while the trial runs; a worker that was killed loses its jobs to others after this time and a look of one of them. */
const LOCK = 10_000;
/** When it ends while the server is away, it waits so long in milliseconds for an answer. */
const GRACE = 3000;

/** Works until it is stopped, has nothing to do, or cannot go on. */
export async function work(server: Server, options: WorkerOptions): Promise<void> {
  const {workers, output, command, stop, untilIdle, tell, lock = LOCK} = options;
  const {bullmq, connection} = server;
  const halt = new AbortController();
  const ended = AbortSignal.any([stop, halt.signal]);
  setMaxListeners(0, ended);
  const running = new Map<string, AbortController>();
  let lastBusy = performance.now();
  let failure: unknown;

  /** A trial that died; BullMQ keeps its last words with the job, where a stack would be. */
  class Death extends Error {
    override stack = this.message;
  }
  const run = async (job: QueueJob<JobData, Reached>, token: string): Promise<Reached> => {
    const {sweep, halvingOption, ...data} = readJobData(job.data);
    if (running.has(job.id!)) return giveBack(job, token); // it was lost here and came back while its trial still saves itself
    const lost = new AbortController();
    running.set(job.id!, lost);
    const since = performance.now();
    const title = describeTrial(data.trial) + (data.until === null ? '' : `, ${halvingOption} ${data.until}`);
    let ending: Ending = {kind: 'stopped'};
    try {
      const place = {command, folder: join(output, sweep, SWEEP_FILES.trials), halvingOption};
      ending = await runTrial(data, place, AbortSignal.any([ended, lost.signal]));
    } catch (error) {
      failure ??= error; // it lies with this machine: a disk that is full, a program that does not start
      halt.abort();
    }
    running.delete(job.id!);
    lastBusy = performance.now();
    tell(`${sweep}: ${title}: ${describeEnding(ending, job.attemptsMade)} after ${formatDuration(lastBusy - since)}`);
    if (ending.kind === 'finished') return ending.reached;
    if (ending.kind === 'died') throw new Death(ending.lastWords);
    return giveBack(job, token);
  };
  const giveBack = async (job: QueueJob<JobData, Reached>, token: string): Promise<never> => {
    await setTimeout(ended.aborted ? 0 : 500);
    await job.moveToWait(token).catch(() => {}); // if it is no longer this worker's
    throw new bullmq.WaitingError();
  };

  const worker = new bullmq.Worker<JobData, Reached>(QUEUE, (job, token) => run(job, token!), {
    connection,
    concurrency: workers,
    lockDuration: lock,
    stalledInterval: lock / 2,
    maxStalledCount: Number.MAX_SAFE_INTEGER, // that its worker was killed is not the trial's fault
    drainDelay: 2, // of what goes back to the queue BullMQ tells no worker that waits; it looks so often, in seconds
  });
  worker.on('error', error => {
    if (connection.status === 'ready') tell(`sweep worker: ${(server.explain(error) as Error).message}`);
  });
  // Another worker goes on with such a job; two at once would mix their files.
  worker.on('lockRenewalFailed', ids => {
    for (const id of ids) running.get(id)?.abort();
  });
  const timer = setInterval(() => {
    if (running.size > 0 || connection.status !== 'ready') lastBusy = performance.now();
    else if (untilIdle !== undefined && performance.now() - lastBusy >= 1000 * untilIdle) halt.abort();
  }, 100);
  try {
    await new Promise<void>(resolve => {
      if (ended.aborted) resolve();
      ended.addEventListener('abort', () => resolve(), {once: true});
    });
    const closed = worker.close();
    const isOver = async () => {
      while (running.size > 0) await setTimeout(50);
      await setTimeout(GRACE);
    };
    await Promise.race([closed, isOver()]);
  } finally {
    clearInterval(timer);
  }
  if (failure !== undefined) throw failure;
}

function describeEnding(ending: Ending, deathsBefore: number): string {
  if (ending.kind === 'finished') return 'finished';
  if (ending.kind === 'stopped') return 'back in the queue';
  return `died (${ending.lastWords.split('\n')[0]}), death ${deathsBefore + 1} of ${MAX_DEATHS}`;
}
