// Successive halving, asynchronous: many settings train a little, the best of them more, and so on from rung to rung.
// Li et al., A System for Massively Parallel Hyperparameter Tuning, 2018, algorithm 2. https://arxiv.org/abs/1810.05934
// SPDX-License-Identifier: Apache-2.0
import type {Job, Schedule} from './schedule.js';
import type {Setting} from './trials.js';

/** Of a sweep. */
export interface HalvingOptions {
  /** The option that says how long a program trains. */
  option: string;
  /** Its value at the lowest rung. */
  from: number;
  /** Its value at the highest. */
  to: number;
  /** One in so many goes on from a rung to the next, which is so many times as long. */
  factor: number;
}

/** How long a setting trains at each rung: from, from x factor, ..., to. */
export function listRungs({from, to, factor}: HalvingOptions): number[] {
  const rungs: number[] = [];
  for (let length = from; length < to; length *= factor) rungs.push(length);
  return [...rungs, to];
}

/** A setting on its way up. */
interface Climber {
  setting: Setting;
  /** The highest rung that it was sent to; -1 before the first. */
  rung: number;
  /** Values at each rung, by the seed of the trial. */
  values: Map<number, number>[];
  /** One of its trials failed for good. */
  isOut: boolean;
}

/**
 * The schedule. A setting is judged by the mean of its trials' values and goes up with all of them. As in the paper it goes up as soon as it
 * is among the best 1/factor of those that have ended the rung, without waiting for the others. Departure: when nothing else is left to do,
 * the best setting of the highest rung goes on to the top, where the paper ends with none there if there were few settings.
 */
export function createHalving(
  options: HalvingOptions,
  goal: 'least' | 'greatest',
  settings: readonly Setting[],
): Schedule {
  const rungs = listRungs(options);
  const climbers = settings.map<Climber>(setting => ({
    setting,
    rung: -1,
    values: rungs.map(() => new Map()),
    isOut: false,
  }));
  const climberOf = new Map(climbers.flatMap(climber => climber.setting.trials.map(({id}) => [id, climber] as const)));
  const sign = goal === 'least' ? 1 : -1;
  const waiting: Job[] = [];
  const isDone = ({setting, values}: Climber, rung: number) => values[rung]!.size === setting.trials.length;
  const isUnderWay = (climber: Climber) => !climber.isOut && climber.rung >= 0 && !isDone(climber, climber.rung);

  const send = (climber: Climber, rung: number): void => {
    climber.rung = rung;
    const {setting, values} = climber;
    const open = setting.trials.filter(({seed}) => !values[rung]!.has(seed));
    waiting.push(...open.map(trial => ({trial, until: rungs[rung]!})));
  };
  /** Those that have ended the rung, the best first; of equals the first in the sweep. */
  const ranked = (rung: number): Climber[] =>
    climbers
      .filter(climber => !climber.isOut && isDone(climber, rung))
      .sort((a, b) => sign * (meanOf(a.values[rung]!) - meanOf(b.values[rung]!)));

  /** Who goes next, and to which rung. */
  const candidate = (): [Climber, number] | undefined => {
    for (let rung = rungs.length - 2; rung >= 0; --rung) {
      const ended = ranked(rung);
      const best = ended.slice(0, Math.floor(ended.length / options.factor)).find(climber => climber.rung === rung);
      if (best) return [best, rung + 1];
    }
    const remaining = climbers.filter(({isOut}) => !isOut);
    const fresh = remaining.find(({rung}) => rung < 0);
    if (fresh) return [fresh, 0];
    if (remaining.length === 0 || remaining.some(isUnderWay)) return undefined;
    const highest = Math.max(...remaining.map(({rung}) => rung));
    return highest < rungs.length - 1 ? [ranked(highest)[0]!, highest + 1] : undefined;
  };
  const isEnded = ({trial, until}: Job): boolean => {
    const {isOut, values} = climberOf.get(trial.id)!;
    return isOut || values[rungs.indexOf(until!)]!.has(trial.seed);
  };

  return {
    next() {
      for (;;) {
        const next = waiting.length === 0 ? candidate() : undefined;
        if (next) send(...next);
        const job = waiting.shift();
        if (job === undefined || !isEnded(job)) return job;
      }
    },
    settle({trial, until}, outcome) {
      const climber = climberOf.get(trial.id)!;
      const rung = rungs.indexOf(until!);
      if (!outcome.isFinished) climber.isOut = true;
      else climber.values[rung]!.set(trial.seed, outcome.value);
      if (rung > climber.rung) send(climber, rung); // an earlier process had sent it there
    },
    remember({trial, until}) {
      const climber = climberOf.get(trial.id)!;
      const rung = rungs.indexOf(until!);
      if (rung > climber.rung) send(climber, rung);
    },
    isComplete: () => waiting.every(isEnded) && !climbers.some(isUnderWay) && candidate() === undefined,
    progress() {
      const ended = sum(climbers.map(({values}) => sum(values.map(({size}) => size))));
      const sent = sum(
        climbers.filter(({isOut}) => !isOut).map(({rung, setting}) => (rung + 1) * setting.trials.length),
      );
      // More may go up than the shares of the rungs, since nobody waits for better ones to come.
      const shares = rungs.map((_, rung) => Math.max(1, Math.floor(settings.length / options.factor ** rung)));
      return {ended, total: Math.max(sent, sum(shares) * settings[0]!.trials.length)};
    },
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function meanOf(values: ReadonlyMap<number, number>): number {
  return sum([...values.values()]) / values.size;
}
