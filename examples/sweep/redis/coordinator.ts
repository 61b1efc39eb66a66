// The coordinator of a sweep on several machines: it adds the jobs that the schedule names, and enters what became of them. It runs none.
// SPDX-License-Identifier: Apache-2.0
import {enter, type Ledger} from '../ledger.js';
import type {Observer} from '../local-engine.js';
import type {Job} from '../schedule.js';
import {createLease} from './lease.js';
import {idOf, jobToAdd, listJobs, readJob, type Snapshot, type SweepQueue} from './queue.js';
import type {Server} from './server.js';
import {aborted, atMost, nap} from './wait.js';

/** How the coordinator goes about it. */
export interface Coordination {
  /** Ends it; the jobs stay in the queue. */
  stop: AbortSignal;
  observer: Observer;
  /** Prints a line. */
  tell(line: string): void;
  /** How long another coordinator waits for one that is silent, in milliseconds. */
  lease?: number;
}

/** How often the queue is asked for news, in milliseconds, and of how many at a time. */
const PULSE = 250;
const MOST_NEWS = 1000;
/**
 * How often everything is looked at, in milliseconds, also what no news told of: they are hints where to look, since a server that was killed
 * may forget its last second.
 */
const PERIOD = 3000;
/** When it is stopped while the server is away, it waits so long in milliseconds for an answer. */
const GRACE = 2000;

/** Sees a sweep through to its end, or until it is stopped. The books must be open: loadSharedLedger. */
export async function coordinate(server: Server, queue: SweepQueue, ledger: Ledger, how: Coordination): Promise<void> {
  const {stop} = how;
  const lease = createLease(server.connection, ledger.spec.name, how.lease ?? 10_000);
  const work = async () => {
    const read = readNews(server, queue, `${ledger.spec.name}/`);
    const watch = createWatch(queue, ledger, how.observer);
    let hasTold = false;
    for (let looked = Number.NEGATIVE_INFINITY; !stop.aborted; await nap(PULSE, stop)) {
      const news = await read();
      const isDue = performance.now() - looked >= PERIOD;
      if (isDue) looked = performance.now();
      else if (news.size === 0) continue;
      await watch.look(isDue ? undefined : news);
      if (ledger.schedule.isComplete()) return;
      if (await lease.hold()) await watch.send();
      else if (!hasTold) {
        how.tell('Another coordinator has this sweep; this one watches, and takes over when that one ends.');
        hasTold = true;
      }
    }
  };
  const working = work();
  try {
    await Promise.race([working, aborted(stop).then(() => atMost(GRACE, working))]);
  } catch (error) {
    throw server.explain(error);
  } finally {
    working.catch(() => {}); // what it still asks is refused when the connection closes
    await atMost(
      GRACE,
      lease.release().catch(() => {}),
    );
  }
}

/** What is known of the jobs, and what follows from a look at them. */
function createWatch(queue: SweepQueue, ledger: Ledger, observer: Observer) {
  const {spec, schedule, states} = ledger;
  const isOpen = ({trial, until}: Job) => !states.get(trial.id)?.reached.some(reached => reached.until === until);
  const open = new Map(
    listJobs(ledger)
      .filter(isOpen)
      .map(job => [idOf(spec.name, job), job]),
  );
  /** In the queue, as far as is known. */
  const known = new Set<string>();
  const lost = new Set<string>();
  const running = new Set<string>();

  const end = async (id: string, job: Job, ending: Parameters<typeof enter>[2]) => {
    running.delete(id);
    enter(ledger, job, ending);
    await observer.ended(job, ending);
  };
  const take = async (id: string, job: Job, snapshot: Snapshot | undefined, isActive: boolean): Promise<void> => {
    if (!snapshot) {
      if (known.has(id)) lost.add(id); // the server has forgotten it
      return;
    }
    if (!known.has(id)) schedule.remember(job); // an earlier coordinator, or another one, has sent it
    known.add(id);
    const before = states.get(job.trial.id)?.deaths.length ?? 0;
    for (let deaths = before + 1; deaths <= snapshot.deathsOfTrial; ++deaths) {
      const lastWords = snapshot.deaths.at(deaths - snapshot.deathsOfTrial - 1)!;
      await end(id, job, {kind: 'died', lastWords, deaths});
    }
    if (snapshot.reached) {
      open.delete(id);
      await end(id, job, {kind: 'finished', reached: snapshot.reached});
    } else if (isActive && !running.has(id)) {
      running.add(id);
      observer.started(job);
    } else if (!isActive && running.has(id)) {
      await end(id, job, {kind: 'stopped'}); // by its worker, or with it
    }
  };

  return {
    /** Looks at these jobs, or at all that are not finished. */
    async look(ids: Iterable<string> = open.keys()): Promise<void> {
      const wanted = [...ids].filter(id => open.has(id));
      if (wanted.length === 0) return;
      const active = new Set(await queue.getRanges(['active']));
      const snapshots = await Promise.all(wanted.map(id => readJob(queue, id)));
      for (const [i, id] of wanted.entries()) await take(id, open.get(id)!, snapshots[i], active.has(id));
    },
    /** Adds what the schedule names, and again what was lost. Only one coordinator may, or a setting too many goes up. */
    async send(): Promise<void> {
      const jobs = [...lost].flatMap(id => open.get(id) ?? []);
      for (let job = schedule.next(); job; job = schedule.next()) {
        if (!known.has(idOf(spec.name, job))) jobs.push(job);
      }
      if (jobs.length > 0) await queue.addBulk(jobs.map(job => jobToAdd(ledger, job)));
      for (const job of jobs) known.add(idOf(spec.name, job));
      lost.clear();
    },
  };
}

/**
 * Reads the names of jobs of which the queue tells something: that they wait, run, are done. BullMQ's own reader of this stream is not used:
 * after the server was away for some seconds it may wait for ever (https://github.com/taskforcesh/bullmq/issues/4585).
 */
function readNews({connection}: Server, queue: SweepQueue, prefix: string): () => Promise<Set<string>> {
  const key = queue.toKey('events');
  let last: string | undefined;
  return async () => {
    const heard = new Set<string>();
    if (last === undefined) {
      const [newest] = await connection.xrevrange(key, '+', '-', 'COUNT', 1);
      last = newest?.[0] ?? '0';
      return heard;
    }
    const [stream] = (await connection.xread('COUNT', MOST_NEWS, 'STREAMS', key, last)) ?? [];
    for (const [id, words] of stream?.[1] ?? []) {
      const name = words[words.indexOf('jobId') + 1]!;
      if (name.startsWith(prefix)) heard.add(name);
      last = id;
    }
    return heard;
  };
}
