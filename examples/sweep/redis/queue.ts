// A sweep in the queue: which of its jobs is which of BullMQ's, and what is read from one.
// SPDX-License-Identifier: Apache-2.0
import type {JobsOptions, Queue} from 'bullmq';
import {ValueError} from 'tfjs-moe/node';
import {z} from 'zod';
import {listRungs} from '../halving.js';
import {type Ledger, listTrials, openLedger} from '../ledger.js';
import {loadLedger} from '../local-engine.js';
import type {Job} from '../schedule.js';
import type {SweepSpec} from '../spec.js';
import {MAX_DEATHS, type Reached, type TrialState} from '../trial-folder.js';
import type {Setting} from '../trials.js';
import type {Server} from './server.js';

/** The queue of all sweeps: a worker takes what comes. */
export const QUEUE = 'tfjs-moe-sweeps';

// What a worker makes a path or a command line of is checked: others may write to the server too.
const optionValue = z.union([z.string(), z.number(), z.boolean()]);
const name = z.string().regex(/^[a-z][a-z0-9-]*$/);
const options = z.record(name, optionValue);
const jobData = z.strictObject({
  sweep: z.string().regex(/^(?!\.+$)[\w.-]+$/),
  trial: z.strictObject({
    id: z.string().regex(/^[0-9a-f]+$/),
    program: name,
    options,
    varied: options,
    seed: z.int(),
  }),
  until: z.number().nullable(),
  halvingOption: name.optional(),
});
/** What a worker is told. */
export type JobData = z.infer<typeof jobData>;

/** Reads what stands in the queue. @throws ValueError if it is no job of a sweep. */
export function readJobData(value: unknown): JobData {
  const {data, error} = jobData.safeParse(value);
  if (error) throw new ValueError(`sweep worker: no job of a sweep: ${z.prettifyError(error)}`);
  return data;
}

/** The queue, for who adds or reads jobs. */
export type SweepQueue = Queue<JobData, Reached>;

/** Opens the queue. */
export function openQueue({bullmq, connection}: Server): SweepQueue {
  const queue: SweepQueue = new bullmq.Queue(QUEUE, {connection});
  queue.on('error', () => {}); // the connection tells of itself
  return queue;
}

/** The same work has the same name, whoever adds it: BullMQ adds what is there already no second time. */
export function idOf(sweep: string, {trial, until}: Job): string {
  return `${sweep}/${trial.id}/${until ?? 'end'}`;
}

/** The least urgent of BullMQ's priorities that is used. */
const LAST_PRIORITY = 100;

/** How a job is added. It stays when it is done: its result stands in it. */
export function jobToAdd({spec, states}: Ledger, job: Job): {name: string; data: JobData; opts: JobsOptions} {
  const {halving} = spec;
  const rung = halving ? listRungs(halving).indexOf(job.until!) : 0;
  const deaths = states.get(job.trial.id)?.deaths.length ?? 0; // at lower rungs
  return {
    name: spec.name,
    data: {sweep: spec.name, ...job, ...(halving && {halvingOption: halving.option})},
    opts: {
      jobId: idOf(spec.name, job),
      priority: Math.max(1, LAST_PRIORITY - rung),
      attempts: Math.max(1, MAX_DEATHS - deaths),
      removeOnComplete: false,
      removeOnFail: false,
    },
  };
}

/** What the queue knows of a job. */
export interface Snapshot {
  /** Undefined while it is not finished. */
  reached: Reached | undefined;
  /** The last words of its processes that died. */
  deaths: string[];
  /** Of the trial, those at this job and before it. */
  deathsOfTrial: number;
}

/** Reads a job; undefined if there is none. */
export async function readJob(queue: SweepQueue, id: string): Promise<Snapshot | undefined> {
  const job = await queue.getJob(id);
  if (!job) return undefined;
  const reached = job.finishedOn && job.returnvalue ? job.returnvalue : undefined;
  const deaths = job.attemptsMade - (reached ? 1 : 0);
  const words = job.stacktrace ?? [];
  return {
    reached,
    deaths: words.slice(words.length - deaths),
    deathsOfTrial: MAX_DEATHS - (job.opts.attempts ?? MAX_DEATHS) + deaths,
  };
}

/** All jobs that a sweep may come to have, from the lowest rung up. */
export function listJobs({spec: {halving}, settings}: Pick<Ledger, 'spec' | 'settings'>): Job[] {
  const lengths = halving ? listRungs(halving) : [null];
  return lengths.flatMap(until => listTrials({settings}).map(trial => ({trial, until})));
}

/**
 * Opens the books with what the queue knows.
 *
 * @param folder Of the trials. What was finished there without a server counts too.
 */
export async function loadSharedLedger(
  queue: SweepQueue,
  spec: SweepSpec,
  settings: readonly Setting[],
  folder: string,
): Promise<Ledger> {
  const here = (await loadLedger(spec, settings, folder)).states;
  const states = new Map<string, TrialState>();
  for (const [id, {reached}] of here) if (reached.length > 0) states.set(id, {reached: [...reached], deaths: []});
  const jobs = listJobs({spec, settings});
  const snapshots = await Promise.all(jobs.map(job => readJob(queue, idOf(spec.name, job))));
  for (const [i, {trial, until}] of jobs.entries()) {
    const snapshot = snapshots[i];
    if (!snapshot) continue;
    const {reached, deaths} = states.get(trial.id) ?? {reached: [], deaths: []};
    const isNew = snapshot.reached && !reached.some(known => known.until === until);
    states.set(trial.id, {
      sentTo: until,
      reached: isNew ? [...reached, snapshot.reached!] : reached,
      deaths: [...deaths, ...snapshot.deaths],
    });
  }
  return openLedger(spec, settings, states);
}

/** Lets the jobs that were given up be tried anew. */
export async function retryFailed(queue: SweepQueue, spec: SweepSpec, settings: readonly Setting[]): Promise<void> {
  const jobs = listJobs({spec, settings});
  const found = await Promise.all(jobs.map(job => queue.getJob(idOf(spec.name, job))));
  for (const job of found) if (await job?.isFailed()) await job!.retry('failed', {resetAttemptsMade: true});
}
