// Which trial comes next: what both engines ask.
// SPDX-License-Identifier: Apache-2.0
import type {Trial} from './trials.js';

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
