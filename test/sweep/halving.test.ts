// The order of the work: the plain list and successive halving, without any process.
// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {createSchedule} from '../../examples/sweep/create-schedule.js';
import {listRungs} from '../../examples/sweep/halving.js';
import type {Job, Schedule} from '../../examples/sweep/schedule.js';
import {checkSpec} from '../../examples/sweep/spec.js';
import {listSettings} from '../../examples/sweep/trials.js';

/** A sweep of so many settings, with or without halving. */
function planOf(settings: number, seeds: number, halving?: object) {
  const grid = {p: Array.from({length: settings}, (_, i) => i)};
  const value = {program: 'polynomial', figure: 'loss', goal: 'least', grid, seeds, ...(halving && {halving})};
  const spec = checkSpec(value, {path: 'a.json', name: 'a'});
  const list = listSettings(spec);
  return {spec, list, schedule: createSchedule(spec, list)};
}

/**
 * Works a schedule off with so many jobs at a time.
 *
 * @param pick Which of the running jobs ends next, as a number in [0, 1).
 */
function work(schedule: Schedule, workers: number, pick: () => number, judge: (job: Job) => number | undefined): Job[] {
  const running: Job[] = [];
  const ended: Job[] = [];
  for (;;) {
    while (running.length < workers) {
      const job = schedule.next();
      if (!job) break;
      running.push(job);
    }
    if (running.length === 0) return ended;
    const [job] = running.splice(Math.floor(pick() * running.length), 1) as [Job];
    const value = judge(job);
    schedule.settle(job, value === undefined ? {isFinished: false} : {isFinished: true, value});
    ended.push(job);
  }
}

const HALVING = {option: 'steps', from: 1, to: 9, factor: 3};
const key = ({trial, until}: Job) => `${trial.id}/${until}`;
const settingOf = ({trial}: Job) => Number(trial.varied.p);

describe('the order of a plain sweep', () => {
  it('is each trial once, in the order of the list, those first that were begun before', () => {
    const {schedule, list} = planOf(3, 2);
    const trials = list.flatMap(({trials}) => trials);
    schedule.settle({trial: trials[0]!, until: null}, {isFinished: true, value: 0});
    schedule.remember({trial: trials[4]!, until: null});
    const order = work(
      schedule,
      2,
      () => 0,
      () => 0,
    ).map(({trial}) => trial.id);
    expect(order).toEqual([4, 1, 2, 3, 5].map(i => trials[i]!.id));
    expect(schedule.isComplete()).toBe(true);
    expect(schedule.progress()).toEqual({ended: 6, total: 6});
  });
});

describe('successive halving', () => {
  it('has rungs from the least length to the greatest', () => {
    expect(listRungs({option: 'x', from: 1, to: 27, factor: 3})).toEqual([1, 3, 9, 27]);
    expect(listRungs({option: 'x', from: 2, to: 10, factor: 2})).toEqual([2, 4, 8, 10]);
  });

  it('sends up at once who is among the best third of those that have ended, even if better ones come later', () => {
    const {schedule} = planOf(9, 1, HALVING);
    // One worker, and each setting is better than all before it. By hand: after 0, 1 and 2 the best, 2, goes up; from then on each new one is
    // the best of all when it ends, and goes up. At the next rung the same holds from the third that comes there, 4.
    const jobs = work(
      schedule,
      1,
      () => 0,
      job => -settingOf(job),
    );
    const at = (until: number) => jobs.filter(job => job.until === until).map(settingOf);
    expect(at(1)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(at(3)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(at(9)).toEqual([4, 5, 6, 7, 8]);
    expect(schedule.isComplete()).toBe(true);
  });

  it('takes one third of each rung, if all of a rung end before the next begins', () => {
    const {schedule} = planOf(9, 2, HALVING);
    // Worst last: nobody overtakes.
    const jobs = work(schedule, 18, () => 0, settingOf);
    expect(
      jobs
        .filter(({until}) => until === 3)
        .map(settingOf)
        .toSorted(),
    ).toEqual([0, 0, 1, 1, 2, 2]);
    expect(jobs.filter(({until}) => until === 9).map(settingOf)).toEqual([0, 0]);
  });

  it('judges by the mean over the seeds, and by the goal', () => {
    const {spec, list} = planOf(3, 2, {...HALVING, to: 3});
    // Setting 0 has 0 and 6, setting 1 has 2 and 2, setting 2 has 4 and 4: means 3, 2, 4.
    const values = [
      [0, 6],
      [2, 2],
      [4, 4],
    ];
    const run = (goal: 'least' | 'greatest') => {
      const schedule = createSchedule({...spec, goal}, list);
      const jobs = work(
        schedule,
        6,
        () => 0,
        job => values[settingOf(job)]![job.trial.seed]!,
      );
      return jobs.filter(({until}) => until === 3).map(settingOf);
    };
    expect(run('least')).toEqual([1, 1]);
    expect(run('greatest')).toEqual([2, 2]);
  });

  it('leaves out a setting of which a trial failed for good', () => {
    const {schedule} = planOf(3, 2, {...HALVING, to: 3});
    const jobs = work(
      schedule,
      6,
      () => 0,
      job => (settingOf(job) === 0 && job.trial.seed === 1 ? undefined : settingOf(job)),
    );
    expect(jobs.filter(({until}) => until === 3).map(settingOf)).toEqual([1, 1]);
    expect(schedule.isComplete()).toBe(true);
  });

  const plan = fc.record({
    settings: fc.integer({min: 1, max: 40}),
    seeds: fc.integer({min: 1, max: 3}),
    factor: fc.integer({min: 2, max: 4}),
    to: fc.integer({min: 2, max: 30}),
    workers: fc.integer({min: 1, max: 8}),
    values: fc.infiniteStream(fc.double({noNaN: true, min: -1, max: 1})),
    picks: fc.infiniteStream(fc.double({noNaN: true, min: 0, max: 0.999})),
    failures: fc.infiniteStream(fc.double({noNaN: true, min: 0, max: 1})),
  });

  it('ends, does no job twice, climbs rung by rung, and brings a setting to the top unless all failed', () => {
    fc.assert(
      fc.property(plan, ({settings, seeds, factor, to, workers, values, picks, failures}) => {
        const halving = {option: 'steps', from: 1, to, factor};
        const {schedule} = planOf(settings, seeds, halving);
        const failed = new Set<number>();
        const jobs = work(
          schedule,
          workers,
          () => picks.next().value,
          job => {
            if (failures.next().value < 0.95) return values.next().value;
            failed.add(settingOf(job));
            return undefined;
          },
        );
        expect(schedule.isComplete()).toBe(true);
        expect(new Set(jobs.map(key)).size).toBe(jobs.length);
        const rungs = listRungs(halving);
        for (const [i, job] of jobs.entries()) {
          const rung = rungs.indexOf(job.until!);
          if (rung > 0) {
            const below = jobs
              .slice(0, i)
              .filter(before => settingOf(before) === settingOf(job) && before.until === rungs[rung - 1]);
            expect(below.length).toBe(seeds);
          }
        }
        expect(new Set(jobs.filter(({until}) => until === 1).map(settingOf)).size).toBe(settings);
        if (failed.size < settings) {
          const top = jobs.filter(({until}) => until === to).map(settingOf);
          expect(top.some(setting => !failed.has(setting))).toBe(true);
        }
      }),
    );
  });

  it('goes on after a restart: what was ended is not done again, what was begun comes first', () => {
    fc.assert(
      fc.property(plan, fc.nat({max: 60}), ({settings, seeds, factor, to, workers, values, picks}, stopAfter) => {
        const halving = {option: 'steps', from: 1, to, factor};
        const value = new Map<string, number>();
        const judge = (job: Job) => value.get(key(job)) ?? value.set(key(job), values.next().value).get(key(job))!;
        const {spec, list, schedule} = planOf(settings, seeds, halving);
        // So many jobs end, then everything stops with some running.
        const running: Job[] = [];
        const ended: Job[] = [];
        while (ended.length < stopAfter) {
          while (running.length < workers) {
            const job = schedule.next();
            if (!job) break;
            running.push(job);
          }
          if (running.length === 0) break;
          const [job] = running.splice(Math.floor(picks.next().value * running.length), 1) as [Job];
          schedule.settle(job, {isFinished: true, value: judge(job)});
          ended.push(job);
        }
        const again = createSchedule(spec, list);
        for (const job of ended) again.settle(job, {isFinished: true, value: judge(job)});
        for (const job of running) again.remember(job);
        const first = running.length > 0 ? again.next() : undefined;
        // Or one whose other seeds had ended or were running.
        if (first) expect([...running, ...ended].map(settingOf)).toContain(settingOf(first));
        const rest = work(again, workers, () => picks.next().value, judge);
        const all = [...ended, ...(first ? [first] : []), ...rest];
        expect(new Set(all.map(key)).size).toBe(all.length);
      }),
    );
  });
});
