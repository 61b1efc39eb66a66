// What a sweep shows while it runs: on a terminal a table that stays in its place, elsewhere a line a trial.
// SPDX-License-Identifier: Apache-2.0
import logUpdate from 'log-update';
import {formatTable} from '../shared/table.js';
import {type Ledger, listFailed} from './ledger.js';
import type {Ending} from './run-trial.js';
import type {Job} from './schedule.js';
import {bestOf, summarise} from './summary.js';
import {figureOf} from './trial-folder.js';
import {describeOptions, describeTrial} from './trials.js';

/** The display of a sweep. */
export interface LiveTable {
  started(job: Job): void;
  ended(job: Job, ending: Ending): void;
  stop(): void;
}

/** How often the table is drawn anew, in milliseconds. */
const PERIOD = 500;
/** Of running trials so many at most are shown. */
const MOST_ROWS = 16;

/** Starts to show the sweep. @param workers How many trials run at a time. */
export function startLiveTable(ledger: Ledger, workers: () => number): LiveTable {
  const running = new Map<string, {job: Job; since: number}>();
  const durations: number[] = [];
  const isTerminal = process.stdout.isTTY;
  let isStale = true;
  let standing: string[] = [];

  const status = (): string => {
    const {ended, total} = ledger.schedule.progress();
    const failed = listFailed(ledger).length;
    const parts = [`${ended}/${total} done`, `${running.size} running`];
    if (failed > 0) parts.push(`${failed} failed`);
    if (durations.length > 0) {
      const mean = durations.reduce((sum, value) => sum + value, 0) / durations.length;
      parts.push(`${formatDuration(((total - ended - failed) * mean) / Math.max(1, workers()))} left`);
    }
    return parts.join(', ');
  };
  const best = (): string[] =>
    bestOf(ledger.spec, summarise(ledger).settings).map(({options, figures}) => {
      const {mean} = figures[ledger.spec.figure]!;
      return `best ${ledger.spec.figure} ${Number(mean.toPrecision(5))}: ${describeOptions(options)}`;
    });
  const draw = () => {
    if (isStale) standing = best(); // only what has changed is computed anew
    isStale = false;
    const rows = [...running.values()]
      .slice(0, MOST_ROWS)
      .map(({job: {trial, until}, since}) => [
        describeTrial(trial) + (until === null ? '' : `, ${ledger.spec.halving!.option} ${until}`),
        formatDuration(performance.now() - since),
      ]);
    const table = rows.length > 0 ? formatTable(['running', 'for'], rows) : '';
    logUpdate([`${ledger.spec.name}: ${status()}`, ...standing, '', table].join('\n'));
  };
  const timer = isTerminal ? setInterval(draw, PERIOD) : undefined;

  return {
    started(job) {
      running.set(job.trial.id, {job, since: performance.now()});
    },
    ended(job, ending) {
      const {since} = running.get(job.trial.id) ?? {since: performance.now()};
      running.delete(job.trial.id);
      isStale = true;
      const duration = performance.now() - since;
      if (ending.kind === 'finished') durations.push(duration);
      if (isTerminal) return;
      const length = job.until === null ? '' : `, ${ledger.spec.halving!.option} ${job.until}`;
      console.log(
        `${describeTrial(job.trial)}${length}: ${describeEnding(ledger, ending)} after ${formatDuration(duration)}; ${status()}`,
      );
    },
    stop() {
      clearInterval(timer);
      if (!isTerminal) return;
      draw();
      logUpdate.done();
    },
  };
}

function describeEnding({spec}: Ledger, ending: Ending): string {
  if (ending.kind === 'stopped') return 'stopped and saved';
  if (ending.kind === 'died')
    return `died (${ending.lastWords.split('\n')[0]}), for the ${['first', 'second', 'third'][ending.deaths - 1]} time,`;
  return `${spec.figure} ${figureOf(ending.reached.figures, spec.figure)}`;
}

/** Milliseconds as 1:02:03, 2:03 or 3 s. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
