// What a finished run tells, a line of history.jsonl, and runs that differ in their seeds put together.
// SPDX-License-Identifier: Apache-2.0
import {formatMethod} from './methods.js';
import {optimalLoss, type Problem, startLoss} from './problem.js';
import {PROGRAM, type RunSettings, type Settings, stepsPerEpoch} from './settings.js';
import type {RunState} from './training.js';

/** A finished run. */
export interface RunRecord {
  program: string;
  /** What makes this run, and no other, anew. */
  command: string;
  seed: number;
  settings: RunSettings & Pick<Settings, 'backend' | 'trainingKernels'>;
  figures: {
    /** Mean training loss of the last epoch. */
    trainingLoss: number;
    /** Of the last probabilities, by the closed form. */
    expectedLoss: number;
    /** Mean over the bits of the last probability to be 1. */
    meanProbability: number;
    /** The expected loss of fair bits. */
    startLoss: number;
    /** The least expected loss that there is. */
    optimalLoss: number;
    /** How often a step evaluates the loss of an example. */
    evaluations: number;
    steps: number;
    /** Expected loss after so many steps. */
    curve: {step: number[]; expectedLoss: number[]};
  };
  /** Training time. */
  seconds: number;
  node: string;
}

/** Puts down a run that is complete. */
export function recordOf(
  settings: RunSettings,
  {backend, trainingKernels}: Settings,
  state: RunState,
  probabilities: readonly number[],
): RunRecord {
  const {steps, seed} = settings;
  const perEpoch = stepsPerEpoch(settings);
  return {
    program: PROGRAM,
    command: commandOf(settings, {backend, trainingKernels}),
    seed,
    settings: {...settings, backend, trainingKernels},
    figures: {
      trainingLoss: state.trainingLoss.at(-1)!,
      expectedLoss: state.expectedLoss.at(-1)!,
      meanProbability: mean(probabilities),
      startLoss: startLoss(settings),
      optimalLoss: optimalLoss(settings),
      evaluations: state.evaluations,
      steps,
      curve: {
        step: state.expectedLoss.map((_, epoch) => Math.min(epoch * perEpoch, steps)),
        expectedLoss: state.expectedLoss,
      },
    },
    seconds: state.seconds,
    node: process.version,
  };
}

function commandOf(
  {estimator, p, latents, batchSize, target, steps, learningRate, seed}: RunSettings,
  {backend, trainingKernels}: Pick<Settings, 'backend' | 'trainingKernels'>,
): string {
  const options = {
    estimators: formatMethod(estimator),
    p,
    latents,
    'batch-size': batchSize,
    target,
    steps,
    'learning-rate': learningRate,
    seeds: 1,
    seed,
    backend,
  };
  const words = Object.entries(options).map(([name, value]) => `--${name} ${value}`);
  const kernels = backend === 'wasm' && !trainingKernels ? ['--no-training-kernels'] : [];
  return ['tfjs-moe', 'train', PROGRAM, ...words, ...kernels].join(' ');
}

/** Runs of one problem and one batch size. */
export interface Panel extends Problem {
  batchSize: number;
  startLoss: number;
  optimalLoss: number;
  /** By their estimators, in the order of the runs. */
  methods: {name: string; settings: RunSettings; runs: RunRecord[]}[];
}

/** Sorts runs into panels, and in each by their estimators. */
export function panelsOf(records: readonly RunRecord[]): Panel[] {
  const panels = groupBy(records, ({settings: {p, latents, batchSize, target}}) => [p, latents, batchSize, target]);
  return panels.map(ofPanel => {
    const {p, latents, batchSize, target} = ofPanel[0]!.settings;
    const {startLoss, optimalLoss} = ofPanel[0]!.figures;
    const methods = groupBy(ofPanel, ({settings}) => [formatMethod(settings.estimator)]).map(runs => {
      const {settings} = runs[0]!;
      return {name: formatMethod(settings.estimator), settings, runs};
    });
    return {p, latents, batchSize, target, startLoss, optimalLoss, methods};
  });
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => unknown[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = JSON.stringify(keyOf(value));
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return [...groups.values()];
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
