// A worker of sweeps on several machines: it takes jobs of any sweep from the queue and runs their trials here.
// SPDX-License-Identifier: Apache-2.0
import {randomUUID} from 'node:crypto';
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
import {aborted, atMost, nap} from './wait.js';

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
/** How often an idle worker asks for a job, in milliseconds. */
const PERIOD = 1000;
/** When it ends while the server is away, it waits so long in milliseconds for an answer. */
const GRACE = 2000;

type SweepJob = QueueJob<JobData, Reached>;

/** A trial that died; BullMQ keeps its last words with the job, where a stack would be. */
class Death extends Error {
  override stack = this.message;
}

/**
 * Works until it is stopped, has nothing to do, or cannot go on.
 *
 * BullMQ's own loop is not used: after the server was away for some seconds it may wait for ever
 * (https://github.com/taskforcesh/bullmq/issues/4585). Asking now and then does not.
 */
export async function work(server: Server, options: WorkerOptions): Promise<void> {
  const {workers, stop, untilIdle, tell, lock = LOCK} = options;
  const {bullmq, connection} = server;
  const halt = new AbortController();
  const ended = AbortSignal.any([stop, halt.signal]);
  setMaxListeners(0, ended);
  const taker = new bullmq.Worker<JobData, Reached>(QUEUE, null, {
    connection,
    autorun: false,
    lockDuration: lock,
    stalledInterval: lock / 2,
    maxStalledCount: Number.MAX_SAFE_INTEGER, // that its worker was killed is not the trial's fault
  });
  taker.on('error', () => {}); // the connection tells of itself
  void taker.startStalledCheckTimer(); // gives the jobs of workers that were killed to others
  const running = new Set<string>();
  let lastBusy = performance.now();
  let isTried = false;

  const serve = async (): Promise<void> => {
    while (!ended.aborted) {
      const token = randomUUID();
      let job: SweepJob | undefined;
      try {
        job = (await taker.getNextJob(token, {block: false})) as SweepJob | undefined;
        isTried = true;
      } catch (error) {
        if (!isTried || ended.aborted) throw server.explain(error);
        tell((server.explain(error) as Error).message);
      }
      if (job) {
        running.add(token);
        try {
          await runJob(server, job, token, {...options, lock, ended});
        } finally {
          running.delete(token);
          lastBusy = performance.now();
        }
      } else await nap(PERIOD, ended);
    }
  };
  const timer = setInterval(() => {
    if (running.size > 0 || connection.status !== 'ready') lastBusy = performance.now();
    else if (untilIdle !== undefined && performance.now() - lastBusy >= 1000 * untilIdle) halt.abort();
  }, 100);
  // A worker that cannot go on (a disk that is full) ends the others, whose trials save themselves.
  let failure: unknown;
  const serving = Array.from({length: workers}, () =>
    serve().catch((error: unknown) => {
      if (!ended.aborted) failure ??= error;
      halt.abort();
    }),
  );
  const served = Promise.all(serving);
  await Promise.race([served, aborted(ended)]);
  while (running.size > 0 && connection.status === 'ready') await setTimeout(50); // the trials save themselves
  await atMost(GRACE, served);
  clearInterval(timer);
  await taker.close(true);
  if (failure !== undefined) throw failure;
}

/** Runs the trial of a job and hands over what became of it. @throws What lies with this machine, after the job is back in the queue. */
async function runJob(
  server: Server,
  job: SweepJob,
  token: string,
  {output, command, tell, lock, ended}: WorkerOptions & {lock: number; ended: AbortSignal},
): Promise<void> {
  let data: JobData;
  try {
    data = readJobData(job.data);
  } catch (error) {
    return handOver(server, job, token, {kind: 'died', lastWords: (error as Error).message, deaths: 0}, tell);
  }
  const lost = new AbortController();
  const renewal = setInterval(async () => {
    // Another worker goes on with a job that is no longer this one's; two at once would mix their files.
    const isHeld = await job.extendLock(token, lock).catch(() => true);
    if (!isHeld) lost.abort();
  }, lock / 3);
  renewal.unref(); // while the server is away the queue cannot be told of the end, and the process ends without
  const since = performance.now();
  let ending: Ending = {kind: 'stopped'};
  try {
    const {sweep, halvingOption, ...work} = data;
    const place = {command, folder: join(output, sweep, SWEEP_FILES.trials), halvingOption};
    ending = await runTrial(work, place, AbortSignal.any([ended, lost.signal]));
    const length = work.until === null ? '' : `, ${halvingOption} ${work.until}`;
    const end = lost.signal.aborted ? 'lost to another worker' : describeEnding(ending, job.attemptsMade);
    tell(`${sweep}: ${describeTrial(work.trial)}${length}: ${end} after ${formatDuration(performance.now() - since)}`);
  } finally {
    await handOver(server, job, token, ending, tell);
    clearInterval(renewal);
  }
}

/** Tells the queue how a job ended. If it was lost, the queue refuses; what the trial's folder holds is found by who runs it next. */
async function handOver({explain}: Server, job: SweepJob, token: string, ending: Ending, tell: (line: string) => void) {
  for (;;) {
    try {
      if (ending.kind === 'finished') await job.moveToCompleted(ending.reached, token, false);
      else if (ending.kind === 'died') await job.moveToFailed(new Death(ending.lastWords), token, false);
      else await job.moveToWait(token);
      return;
    } catch (error) {
      const reason = explain(error);
      if (typeof (error as {code?: unknown}).code === 'number') return; // BullMQ's word for a job that is another's by now
      tell((reason as Error).message); // the server cannot write now, for instance
      if (reason === error) return; // the connection is closed
      await setTimeout(PERIOD);
    }
  }
}

function describeEnding(ending: Ending, deathsBefore: number): string {
  if (ending.kind === 'finished') return 'finished';
  if (ending.kind === 'stopped') return 'back in the queue';
  return `died (${ending.lastWords.split('\n')[0]}), death ${deathsBefore + 1} of ${MAX_DEATHS}`;
}
