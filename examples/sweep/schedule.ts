// Which trial comes next: what both engines ask. The plain order is here, successive halving in halving.ts.
// SPDX-License-Identifier: Apache-2.0
import {createHalving} from './halving.js';
import type {SweepSpec} from './spec.js';
import type {Setting, Trial} from './trials.js';

/** A piece of work: a trial, to its end or to a rung. */
export interface Job {
  trial: Trial;
  /** The value of the option that halving raises; null where the sweep has no halving. */
  until: number | null;
}

/** How a job ended. */
export type Outcome = {isFinished: true; value: number} | {isFinished: false};

/** The order of the work. It knows nothing of processes, files or servers. */
export interface Schedule {
  /** The next job; undefined while none can be told before another has ended, and when there is none left. */
  next(): Job | undefined;
  /** Takes in how a job ended, also one that `next` has not given: what an earlier process of the sweep did. */
  settle(job: Job, outcome: Outcome): void;
  /** Takes in that an earlier process of the sweep had begun a job: it is not decided anew, but gone on with first. */
  remember(job: Job): void;
  /** Whether nothing is left to do or to wait for. */
  isComplete(): boolean;
  /** How many jobs have ended, and how many there will be as far as can be told. */
  progress(): {ended: number; total: number};
}

/** The schedule of a sweep. */
export function createSchedule(spec: SweepSpec, settings: readonly Setting[]): Schedule {
  return spec.halving
    ? createHalving(spec.halving, spec.goal, settings)
    : createList(settings.flatMap(({trials}) => trials));
}

/** Each trial once, in the order of the list. */
function createList(trials: readonly Trial[]): Schedule {
  const waiting = new Map(trials.map(trial => [trial.id, trial]));
  const open = new Set(waiting.keys());
  return {
    next() {
      const [trial] = waiting.values();
      if (trial === undefined) return undefined;
      waiting.delete(trial.id);
      return {trial, until: null};
    },
    settle({trial}) {
      waiting.delete(trial.id);
      open.delete(trial.id);
    },
    remember({trial}) {
      if (!waiting.delete(trial.id)) return;
      const others = [...waiting];
      waiting.clear();
      for (const [id, other] of [[trial.id, trial] as const, ...others]) waiting.set(id, other);
    },
    isComplete: () => open.size === 0,
    progress: () => ({ended: trials.length - open.size, total: trials.length}),
  };
}
