// The books of a sweep: what each trial did, and what follows from it. Both engines keep them by this.
// SPDX-License-Identifier: Apache-2.0

import {createSchedule} from './create-schedule.js';
import type {Ending} from './run-trial.js';
import type {Job, Schedule} from './schedule.js';
import type {SweepSpec} from './spec.js';
import {figureOf, MAX_DEATHS, type Reached, type TrialState} from './trial-folder.js';
import type {Setting, Trial} from './trials.js';

/** The books. */
export interface Ledger {
  spec: SweepSpec;
  settings: readonly Setting[];
  schedule: Schedule;
  /** Of the trials that were begun, by their ids. */
  states: Map<string, TrialState>;
}

/** Opens the books, with what is known from earlier processes of the sweep. */
export function openLedger(
  spec: SweepSpec,
  settings: readonly Setting[],
  states = new Map<string, TrialState>(),
): Ledger {
  const ledger = {spec, settings, schedule: createSchedule(spec, settings), states};
  for (const trial of listTrials(ledger)) {
    const state = states.get(trial.id);
    if (!state) continue;
    for (const reached of state.reached) settleFinished(ledger, trial, reached);
    if (state.sentTo === undefined || state.reached.some(({until}) => until === state.sentTo)) continue;
    const job = {trial, until: state.sentTo};
    if (state.deaths.length >= MAX_DEATHS) ledger.schedule.settle(job, {isFinished: false});
    else ledger.schedule.remember(job);
  }
  return ledger;
}

/** Puts down how a process of a job ended, and tells whether the job is to be tried again. */
export function enter(ledger: Ledger, job: Job, ending: Ending): {tryAgain: boolean} {
  const {id} = job.trial;
  const {reached, deaths} = ledger.states.get(id) ?? {reached: [], deaths: []};
  if (ending.kind === 'finished') {
    ledger.states.set(id, {sentTo: job.until, reached: [...reached, ending.reached], deaths});
    settleFinished(ledger, job.trial, ending.reached);
    return {tryAgain: false};
  }
  if (ending.kind === 'stopped') return {tryAgain: true};
  ledger.states.set(id, {sentTo: job.until, reached, deaths: [...deaths, ending.lastWords]});
  const tryAgain = ending.deaths < MAX_DEATHS;
  if (!tryAgain) ledger.schedule.settle(job, {isFinished: false});
  return {tryAgain};
}

function settleFinished({spec, schedule}: Ledger, trial: Trial, {until, figures}: Reached): void {
  schedule.settle({trial, until}, {isFinished: true, value: figureOf(figures, spec.figure)});
}

/** All trials of a sweep. */
export function listTrials({settings}: Pick<Ledger, 'settings'>): Trial[] {
  return settings.flatMap(({trials}) => trials);
}

/** A line of the results file. It holds nothing that differs from one run of the same training to the next. */
export interface SweepResult {
  trial: string;
  program: string;
  options: Trial['options'];
  seed: number;
  /** The figures that the sweep names, by their names. */
  figures: Record<string, number>;
}

/** The finished trials, in the order of the sweep; under halving each as far as it came. */
export function listResults(ledger: Ledger): SweepResult[] {
  const {spec, states} = ledger;
  return listTrials(ledger).flatMap(({id, program, options, seed}) => {
    const last = furthest(states.get(id));
    if (!last) return [];
    const length = last.until === null ? {} : {[spec.halving!.option]: last.until};
    const figures = Object.fromEntries([spec.figure, ...spec.also].map(name => [name, figureOf(last.figures, name)]));
    return [{trial: id, program, options: {...options, ...length}, seed, figures}];
  });
}

/** Where a trial came furthest. */
export function furthest(state: TrialState | undefined): Reached | undefined {
  return state?.reached.toSorted((a, b) => (a.until ?? 0) - (b.until ?? 0)).at(-1);
}

/** A trial that was given up. */
export interface FailedTrial {
  trial: Trial;
  deaths: string[];
}

/** The trials that were given up. */
export function listFailed(ledger: Ledger): FailedTrial[] {
  return listTrials(ledger).flatMap(trial => {
    const {deaths = []} = ledger.states.get(trial.id) ?? {};
    return deaths.length >= MAX_DEATHS && !isReached(ledger.states.get(trial.id)!) ? [{trial, deaths}] : [];
  });
}

const isReached = ({sentTo, reached}: TrialState) => reached.some(({until}) => until === sentTo);
