// The engine without a server: worker after worker in this process takes the next trial and runs it as a process of its own.
// SPDX-License-Identifier: Apache-2.0
import {setMaxListeners} from 'node:events';
import {join} from 'node:path';
import {enter, type Ledger, listTrials, openLedger} from './ledger.js';
import {type Ending, runTrial, type TrialPlace} from './run-trial.js';
import type {Job} from './schedule.js';
import type {SweepSpec} from './spec.js';
import {loadTrial, type TrialState} from './trial-folder.js';
import type {Setting} from './trials.js';

/** Is told what happens; what it does must be done when its promise is. */
export interface Observer {
  started(job: Job): void;
  ended(job: Job, ending: Ending): Promise<void>;
}

/** Opens the books with what the folders of the trials tell. */
export async function loadLedger(spec: SweepSpec, settings: readonly Setting[], folder: string): Promise<Ledger> {
  const states = new Map<string, TrialState>();
  for (const {id} of listTrials({settings})) states.set(id, await loadTrial(join(folder, id)));
  return openLedger(spec, settings, states);
}

/** Runs all that is left of a sweep, on so many processes at a time; `stop` ends it, each trial saving itself. */
export async function runLocally(
  ledger: Ledger,
  place: TrialPlace,
  {workers, stop, observer}: {workers: number; stop: AbortSignal; observer: Observer},
): Promise<void> {
  const {schedule} = ledger;
  const again: Job[] = [];
  let wake: (() => void)[] = [];
  const halt = new AbortController();
  const ended = AbortSignal.any([stop, halt.signal]);
  setMaxListeners(0, ended);

  const work = async (): Promise<void> => {
    while (!ended.aborted) {
      const job = schedule.next() ?? again.shift();
      if (job === undefined) {
        if (schedule.isComplete()) return;
        await new Promise<void>(resolve => wake.push(resolve));
        continue;
      }
      observer.started(job);
      const ending = await runTrial(job, place, ended);
      if (enter(ledger, job, ending).tryAgain) again.push(job);
      await observer.ended(job, ending);
      rouse();
    }
  };
  const rouse = () => {
    for (const resolve of wake) resolve();
    wake = [];
  };
  // A worker that cannot go on (a disk that is full, a figure that is not there) ends the others, whose trials save themselves.
  const guarded = async () => {
    try {
      await work();
    } catch (error) {
      halt.abort();
      throw error;
    } finally {
      rouse();
    }
  };
  const settled = await Promise.allSettled(Array.from({length: workers}, guarded));
  const failure = settled.find(({status}) => status === 'rejected') as PromiseRejectedResult | undefined;
  if (failure) throw failure.reason;
}
