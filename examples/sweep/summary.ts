// What a sweep found: of each setting the mean over its seeds, and how sure it is.
// SPDX-License-Identifier: Apache-2.0
import {listRungs} from './halving.js';
import {furthest, type Ledger, listFailed} from './ledger.js';
import type {SweepSpec, TrialOptions} from './spec.js';
import {figureOf} from './trial-folder.js';
import type {Setting} from './trials.js';

/** Statistics of one figure over the seeds of a setting. */
export interface Statistics {
  mean: number;
  /** Standard deviation of a sample; null for one value. */
  deviation: number | null;
  /** Of the mean; null for one value. */
  standardError: number | null;
}

/** A setting of which something is finished. */
export interface SettingSummary {
  /** The options that vary over the sweep; under halving, with the length that the setting came to. */
  options: TrialOptions;
  /** Of the trials that count: the finished ones, under halving those that came furthest. */
  seeds: number[];
  figures: Record<string, Statistics>;
}

/** The summary file. */
export interface Summary {
  name: string;
  program: string;
  figure: string;
  goal: SweepSpec['goal'];
  finished: number;
  trials: number;
  /** The options of the best setting; one for each combination of the options that the sweep compares by. */
  best: TrialOptions[];
  settings: SettingSummary[];
  /** Under halving: the length that all trials together trained, as a share of training all of them to the end. */
  share?: number;
  failed: {options: TrialOptions; seed: number; lastWords: string}[];
}

/** Sums up what the books hold. */
export function summarise(ledger: Ledger): Summary {
  const {spec, settings, states} = ledger;
  const summaries = settings.flatMap(setting => summariseSetting(ledger, setting) ?? []);
  const trials = settings.flatMap(setting => setting.trials);
  const top = spec.halving ? listRungs(spec.halving).at(-1)! : null;
  return {
    name: spec.name,
    program: spec.program,
    figure: spec.figure,
    goal: spec.goal,
    finished: trials.filter(({id}) => states.get(id)?.reached.some(({until}) => until === top)).length,
    trials: trials.length,
    best: bestOf(spec, summaries).map(({options}) => options),
    settings: summaries,
    ...(spec.halving && {share: lengthTrained(ledger) / (trials.length * spec.halving.to)}),
    failed: listFailed(ledger).map(({trial, deaths}) => ({
      options: trial.varied,
      seed: trial.seed,
      lastWords: deaths.at(-1)!,
    })),
  };
}

function summariseSetting({spec, states}: Ledger, {varied, trials}: Setting): SettingSummary | undefined {
  const ended = trials.flatMap(({id, seed}) => {
    const last = furthest(states.get(id));
    return last ? [{seed, ...last}] : [];
  });
  if (ended.length === 0) return undefined;
  const until = Math.max(...ended.map(({until}) => until ?? 0));
  const counted = spec.halving ? ended.filter(trial => trial.until === until) : ended;
  const figures = [spec.figure, ...spec.also].map(name => [
    name,
    statisticsOf(counted.map(trial => figureOf(trial.figures, name))),
  ]);
  return {
    options: spec.halving ? {...varied, [spec.halving.option]: until} : varied,
    seeds: counted.map(({seed}) => seed),
    figures: Object.fromEntries(figures),
  };
}

/** Mean, standard deviation of the sample and standard error of the mean. */
export function statisticsOf(values: readonly number[]): Statistics {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return {mean, deviation: null, standardError: null};
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
  return {mean, deviation, standardError: deviation / Math.sqrt(count)};
}

/** Settings that differ in nothing that the sweep compares by, under the words for what they share. */
export function groupSettings<T extends {options: TrialOptions}>(
  {by}: SweepSpec,
  settings: readonly T[],
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const setting of settings) {
    const shared = by.flatMap(name => (name in setting.options ? [`${name} ${setting.options[name]}`] : [])).join(', ');
    groups.set(shared, [...(groups.get(shared) ?? []), setting]);
  }
  return groups;
}

/** The best setting of each group. Under halving those compete that are as far as any. */
export function bestOf(spec: SweepSpec, settings: readonly SettingSummary[]): SettingSummary[] {
  const {figure, goal, halving} = spec;
  const lengthOf = ({options}: SettingSummary) => (halving ? Number(options[halving.option]) : 0);
  const longest = Math.max(...settings.map(lengthOf));
  const sign = goal === 'least' ? 1 : -1;
  return [
    ...groupSettings(
      spec,
      settings.filter(setting => lengthOf(setting) === longest),
    ).values(),
  ].map(group =>
    group.reduce((best, setting) =>
      sign * (setting.figures[figure]!.mean - best.figures[figure]!.mean) < 0 ? setting : best,
    ),
  );
}

function lengthTrained({settings, states}: Ledger): number {
  const lengths = settings.flatMap(({trials}) => trials.map(({id}) => furthest(states.get(id))?.until ?? 0));
  return lengths.reduce((sum, length) => sum + length, 0);
}
