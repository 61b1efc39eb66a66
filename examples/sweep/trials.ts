// From a sweep to its trials: each combination of the grid with each random draw is a setting, each setting with each seed a trial.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {ValueError} from 'tfjs-moe/node';
import type {OptionValue, Range, SweepSpec, TrialOptions} from './spec.js';

/** What the trials of a sweep differ in, but for their seeds. */
export interface Setting {
  /** The options that vary over the sweep. */
  varied: TrialOptions;
  trials: Trial[];
}

/** One run of the program. */
export interface Trial {
  /** Follows from the program, its options and the seed alone: the same trial has the same name in every sweep and on every machine. */
  id: string;
  program: string;
  /** All options but the seed and what the sweep sets itself. */
  options: TrialOptions;
  /** Those of them that vary over the sweep. */
  varied: TrialOptions;
  seed: number;
}

/**
 * All settings, in the order of the grid: its last axis varies fastest, and the draws faster still.
 *
 * @throws ValueError if two settings are the same.
 */
export function listSettings({program, options, grid, random, seeds}: SweepSpec): Setting[] {
  const axes = Object.entries(grid).map(([axis, values]) =>
    values.map(value => (typeof value === 'object' ? value : {[axis]: value})),
  );
  if (random) axes.push(Array.from({length: random.draws}, (_, draw) => drawOptions(random.ranges, random.seed, draw)));
  const combinations = axes.reduce<TrialOptions[]>(
    (before, values) => before.flatMap(combination => values.map(value => ({...combination, ...value}))),
    [{}],
  );
  const of = typeof seeds === 'number' ? Array.from({length: seeds}, (_, seed) => seed) : seeds;
  const settings = combinations.map(varied => ({
    varied,
    trials: of.map(seed => {
      const all = {...options, ...varied};
      return {id: identify(program, all, seed), program, options: all, varied, seed};
    }),
  }));
  const seen = new Set<string>();
  for (const {varied, trials} of settings) {
    if (seen.has(trials[0]!.id)) throw new ValueError(`sweep: two settings are the same: ${describeOptions(varied)}.`);
    seen.add(trials[0]!.id);
  }
  return settings;
}

/** An option in figures that people read: four digits are more than a random search can tell apart. */
const DIGITS = 4;

/** The options of a draw. Each depends on the seed, the draw and its own name only: a further range leaves the others as they were. */
function drawOptions(ranges: Record<string, Range>, seed: number, draw: number): TrialOptions {
  return Object.fromEntries(
    Object.entries(ranges).map(([name, range]) => [name, drawValue(range, uniform(`${seed}/${draw}/${name}`))]),
  );
}

function drawValue(range: Range, u: number): OptionValue {
  if ('choice' in range) return range.choice[Math.floor(u * range.choice.length)]!;
  if ('linear' in range) {
    const [least, greatest] = range.linear;
    return Number((least + u * (greatest - least)).toPrecision(DIGITS));
  }
  const [least, greatest] = range.log.map(Math.log) as [number, number];
  return Number(Math.exp(least + u * (greatest - least)).toPrecision(DIGITS));
}

/** A number in [0, 1) that follows from the text. */
function uniform(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}

function identify(program: string, options: TrialOptions, seed: number): string {
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([program, sorted, seed]))
    .digest('hex')
    .slice(0, 12);
}

/** Options as people read them. */
export function describeOptions(options: TrialOptions): string {
  return (
    Object.entries(options)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ') || 'no option'
  );
}

/** A trial as people read it. */
export function describeTrial({varied, seed}: Trial): string {
  return [...Object.entries(varied), ['seed', seed]].map(([name, value]) => `${name} ${value}`).join(', ');
}

/** The words after `train` on the command line, but for the output folder. */
export function trialWords({program, options, seed}: Trial, further: TrialOptions = {}): string[] {
  const all: TrialOptions = {...options, ...further, seed};
  const words = Object.entries(all).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    return value === false ? [] : [`--${name}`, String(value)];
  });
  return [program, ...words];
}
