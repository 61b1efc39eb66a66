// Finished runs put together: those of a problem side by side, and those that differ in their seeds as one.
// SPDX-License-Identifier: Apache-2.0
import type {FinishedRun} from '../shared/finished-runs.js';
import type {Figures} from './figures.js';
import {titleOf} from './methods.js';
import type {Problem} from './problem.js';
import type {HistoryRecord} from './run-state.js';
import type {Settings} from './settings.js';

/** What a comparison needs of a run. */
export type Finished = Pick<FinishedRun<Settings, Figures, HistoryRecord>, 'settings' | 'figures' | 'trainingSeconds'>;

/** Runs that differ in their seeds only. */
export interface Method {
  /** What tells it from the others of all panels. */
  label: string;
  runs: Finished[];
}

/** Runs of one problem and one batch size. */
export interface Panel extends Problem {
  batchSize: number;
  startLoss: number;
  optimalLoss: number;
  /** The lowest mean training loss first. */
  methods: Method[];
}

/** Sorts runs into panels, and in each by all that is not the seed. */
export function panelsOf(runs: readonly Finished[]): Panel[] {
  const panels = groupBy(runs, ({settings: {p, latents, batchSize, target}}) => [p, latents, batchSize, target]);
  const label = labelFor(panels);
  const sorted = panels.map(ofPanel => {
    const {p, latents, batchSize, target} = ofPanel[0]!.settings;
    const {startLoss, optimalLoss} = ofPanel[0]!.figures;
    const methods = groupBy(ofPanel, ({settings: {seed: _, ...same}}) => Object.entries(same).sort()).map(same => ({
      label: label(same[0]!.settings),
      runs: same.sort((a, b) => a.settings.seed - b.settings.seed),
    }));
    methods.sort((a, b) => meanOf(a.runs, 'trainingLoss') - meanOf(b.runs, 'trainingLoss'));
    return {p, latents, batchSize, target, startLoss, optimalLoss, methods};
  });
  return sorted.sort(
    (a, b) =>
      Number(a.target === 'linear') - Number(b.target === 'linear') ||
      Number(a.target) - Number(b.target) ||
      a.p - b.p ||
      a.latents - b.latents ||
      a.batchSize - b.batchSize,
  );
}

/** The estimator, with those of the other settings in which the runs of a panel differ. */
function labelFor(panels: readonly (readonly Finished[])[]): (settings: Settings) => string {
  const varies = (name: keyof Settings) =>
    panels.some(runs => new Set(runs.map(({settings}) => settings[name])).size > 1);
  const others = [
    ['learningRate', ({learningRate}: Settings) => `rate ${learningRate}`],
    ['steps', ({steps}: Settings) => `${steps.toLocaleString('en-US')} steps`],
    ['reportEvery', ({reportEvery}: Settings) => `lines of ${reportEvery}`],
    ['backend', ({backend}: Settings) => backend],
    ['trainingKernels', ({trainingKernels}: Settings) => (trainingKernels ? 'our kernels' : 'kernels of tfjs')],
  ] as const;
  const shown = others.filter(([name]) => varies(name));
  return settings => [titleOf(settings), ...shown.map(([, describe]) => describe(settings))].join(', ');
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => unknown[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = JSON.stringify(keyOf(value));
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return [...groups.values()];
}

/** The mean over runs of a figure. */
export function meanOf(runs: readonly Finished[], figure: 'trainingLoss' | 'expectedLoss' | 'meanProbability'): number {
  return mean(runs.map(({figures}) => figures[figure]));
}

/** The arithmetic mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation of a sample; undefined for one value. */
export function deviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}
